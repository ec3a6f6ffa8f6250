"""Estimates of the time of a run, from earlier runs of a similar size on this machine."""

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from jnst.common.atomic import atomic_path
from jnst.common.documents import parse_json, read_document
from jnst.common.errors import NetworkError
from jnst.networks.downloads import cache_folder

NEAR = 2.0
"""An earlier run counts if its size is at most this many times larger or smaller."""

_MOST_BYTES = 2**16


class RunPace:
    """The estimated time of a run, and the measured time that is kept for the next estimate.

    `work(n)` is the number of pixels in the first n steps. Time before the first step ends, such as
    compilation, does not count.
    """

    def __init__(self, device: str, size: int, work: Callable[[int], float], steps: int):
        self._device, self._size, self._work, self._steps = device, size, work, steps
        self._first: tuple[float, int] | None = None
        self.estimate = estimated_seconds(device, size, work(steps))

    def seen(self, steps: int) -> None:
        """Record that `steps` steps are done."""
        self._first = self._first or (time.monotonic(), steps)

    def keep(self) -> None:
        """Store the pace; call it when all steps are done."""
        if self._first and self._first[1] < self._steps:
            begun, steps = self._first
            work = self._work(self._steps) - self._work(steps)
            keep_pace(self._device, self._size, work, time.monotonic() - begun)


def estimated_seconds(device: str, size: int, work: float) -> float | None:
    """Seconds for `work` (pixels times steps) at a size; None without an earlier run near it."""
    near = {
        known: pace
        for (there, known), pace in _read().items()
        if there == device and max(known, size) <= NEAR * min(known, size)
    }
    if not near:
        return None
    return work * near[min(near, key=lambda known: abs(math.log(known / size)))]


def keep_pace(device: str, size: int, work: float, seconds: float) -> None:
    """Store the seconds that some work took; does nothing if the cache is not writable."""
    with contextlib.suppress(OSError, NetworkError):
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        paces = _read() | {(device, size): seconds / work}
        kept = [[*where, pace] for where, pace in paces.items()]
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(kept))


def _path() -> Path:
    return cache_folder() / "pace.json"


def _read() -> dict[tuple[str, int], float]:
    """Seconds for each pixel and step, by device and size; empty if the file is damaged."""
    try:
        kept = parse_json(read_document(_path(), most_bytes=_MOST_BYTES))
        paces = {(str(device), int(size)): float(pace) for device, size, pace in kept}
    except (OSError, ValueError, TypeError):
        return {}
    return {where: pace for where, pace in paces.items() if where[1] > 0 and 0 < pace < math.inf}
