"""The remaining time of a sweep, and the times of its checkpoints."""

import math
import time
from collections.abc import Callable

SECONDS_BETWEEN_CHECKPOINTS = 20.0
SHARE_OF_CHECKPOINTS = 0.05
"""Largest share of the time for writing checkpoints."""


class Clock:
    """Estimates the remaining time from the work done since the clock was made."""

    def __init__(self, work: float):
        self._started, self._work, self._done = time.monotonic(), work, 0.0

    def done(self, work: float) -> None:
        """Count work that is done."""
        self._done += work

    def left(self, part: float) -> float:
        """Remaining seconds; `part` is work done but not counted yet. Infinite before any work."""
        done = self._done + part
        elapsed = time.monotonic() - self._started
        return elapsed * max(self._work - done, 0) / done if done else math.inf


class Saves:
    """Decides when a checkpoint is due, so that checkpoints take little of the time."""

    def __init__(self) -> None:
        self._last, self._pause = time.monotonic(), SECONDS_BETWEEN_CHECKPOINTS

    def due(self) -> bool:
        """Whether the next checkpoint is due."""
        return time.monotonic() - self._last >= self._pause

    def save(self, write: Callable[[], None]) -> None:
        """Write a checkpoint and measure its time."""
        begun = time.monotonic()
        write()
        self._last = time.monotonic()
        took = self._last - begun
        self._pause = max(SECONDS_BETWEEN_CHECKPOINTS, took / SHARE_OF_CHECKPOINTS)
