"""How long a sweep has left, and when its next checkpoint is due."""

import math
import time
from collections.abc import Callable

SECONDS_BETWEEN_CHECKPOINTS = 20.0
SHARE_OF_CHECKPOINTS = 0.05
"""Of the time, at most, however large they are."""


class Clock:
    """How long is left of some work, from what has been done since the clock was made."""

    def __init__(self, work: float):
        self._started, self._work, self._done = time.monotonic(), work, 0.0

    def done(self, work: float) -> None:
        """Count work that is done."""
        self._done += work

    def left(self, part: float) -> float:
        """Seconds, with a part of the work done that is not counted yet; infinite before any."""
        done = self._done + part
        elapsed = time.monotonic() - self._started
        return elapsed * max(self._work - done, 0) / done if done else math.inf


class Saves:
    """When a checkpoint is due: not too often, whatever it costs."""

    def __init__(self) -> None:
        self._last, self._pause = time.monotonic(), SECONDS_BETWEEN_CHECKPOINTS

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self._last >= self._pause

    def save(self, write: Callable[[], None]) -> None:
        """Write one, and see how long that takes."""
        begun = time.monotonic()
        write()
        self._last = time.monotonic()
        took = self._last - begun
        self._pause = max(SECONDS_BETWEEN_CHECKPOINTS, took / SHARE_OF_CHECKPOINTS)
