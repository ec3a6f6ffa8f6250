"""How long a run will take, from the last one of about its size on this machine."""

import contextlib
import json
import math
from pathlib import Path

from jnst.atomic import atomic_path
from jnst.documents import parse_json, read_document
from jnst.downloads import cache_folder
from jnst.errors import NetworkError

NEAR = 2.0
"""How many times as large or small another size may be for its pace to say anything."""

_MOST_BYTES = 2**16


def estimated_seconds(size: int, work: float) -> float | None:
    """Seconds of some work, pixels times steps, at a size; None if none of about it was made."""
    paces = _read()
    near = [known for known in paces if max(known, size) <= NEAR * min(known, size)]
    if not near:
        return None
    return work * paces[min(near, key=lambda known: abs(math.log(known / size)))]


def keep_pace(size: int, work: float, seconds: float) -> None:
    """Keep how long a run took; where nothing can be written, nothing is."""
    if work <= 0:
        return
    with contextlib.suppress(OSError, NetworkError):
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {str(known): pace for known, pace in (_read() | {size: seconds / work}).items()}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(kept))


def _path() -> Path:
    return cache_folder() / "pace.json"


def _read() -> dict[int, float]:
    """Seconds a pixel and step by size; none if the file is not there, or not as it was written."""
    try:
        kept = parse_json(read_document(_path(), most_bytes=_MOST_BYTES))
        paces = {int(size): float(pace) for size, pace in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return {size: pace for size, pace in paces.items() if size > 0 and 0 < pace < math.inf}
