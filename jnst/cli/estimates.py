"""How long a run will take, from the last one of about its size on this machine."""

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
"""How many times as large or small another size may be for its pace to say anything."""

_MOST_BYTES = 2**16


class RunPace:
    """How long a run will take, and what is kept of it for the next one.

    `work` has the pixels of its first steps. What passes before the first of them are taken, such
    as compilation, does not count.
    """

    def __init__(self, device: str, size: int, work: Callable[[int], float], steps: int):
        self._device, self._size, self._work, self._steps = device, size, work, steps
        self._first: tuple[float, int] | None = None
        self.estimate = estimated_seconds(device, size, work(steps))

    def seen(self, steps: int) -> None:
        """So many steps are taken."""
        self._first = self._first or (time.monotonic(), steps)

    def keep(self) -> None:
        """All steps are taken."""
        if self._first and self._first[1] < self._steps:
            begun, steps = self._first
            work = self._work(self._steps) - self._work(steps)
            keep_pace(self._device, self._size, work, time.monotonic() - begun)


def estimated_seconds(device: str, size: int, work: float) -> float | None:
    """Seconds of some work, pixels times steps, at a size; None if none of about it was made."""
    near = {
        known: pace
        for (there, known), pace in _read().items()
        if there == device and max(known, size) <= NEAR * min(known, size)
    }
    if not near:
        return None
    return work * near[min(near, key=lambda known: abs(math.log(known / size)))]


def keep_pace(device: str, size: int, work: float, seconds: float) -> None:
    """Keep how long some work took; where nothing can be written, nothing is."""
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
    """Seconds a pixel and step, by device and size; none unless the file is as it was written."""
    try:
        kept = parse_json(read_document(_path(), most_bytes=_MOST_BYTES))
        paces = {(str(device), int(size)): float(pace) for device, size, pace in kept}
    except (OSError, ValueError, TypeError):
        return {}
    return {where: pace for where, pace in paces.items() if where[1] > 0 and 0 < pace < math.inf}
