"""The remaining time of a sweep."""

import math
import time


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
