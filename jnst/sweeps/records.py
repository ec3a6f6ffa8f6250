"""The record of a point and its picture, as they are written into the folder of a sweep."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jnst.common.errors import one_line
from jnst.images.files import file_digest
from jnst.metrics import StyleMetrics, style_metrics
from jnst.runs.results import Result, number_or_none
from jnst.sweeps.folder import has_picture, read_record, record_path, write_json
from jnst.sweeps.table import loss_sums


class Entry(NamedTuple):
    """What the folder calls a point: its id, the values of the axes, its picture's name."""

    id: str
    settings: dict[str, Any]
    picture: str


def write_result(folder: Path, entry: Entry, result: Result, seconds: float) -> dict[str, Any]:
    """Write the picture and the record of a point; one whose picture has no place has failed.

    Raises:
        OSError: there is no room, or no permission.
    """
    path = folder / "pictures" / entry.picture
    try:
        result.save(path)
    except ValueError as failure:
        if isinstance(failure.__cause__, OSError):
            raise failure.__cause__ from None
        return write_failure(folder, entry, one_line(failure), seconds)
    losses = {"loss": result.history.loss, **loss_sums(result.history.by_term())}
    history = {name: list(map(number_or_none, values)) for name, values in losses.items()}
    return _write(
        folder,
        entry,
        recipe=result.recipe(),
        history=history | {"size": result.history.size.tolist()},
        seconds=seconds,
        gradient_evaluations=int(result.history.evaluations.sum()),
        error=None if result.diverged is None else f"diverged at step {result.diverged}",
        sha256=file_digest(path),
    )


def lacks_metrics(record: dict[str, Any]) -> bool:
    """Whether a record is of a picture that has not been measured."""
    return record["recipe"] is not None and "metrics" not in record


def measured(
    folder: Path, record: dict[str, Any], content: str, styles: Sequence[str]
) -> dict[str, Any]:
    """The record of a point, with the figures of its picture, which are also written.

    A picture that cannot be measured, because it is small or cannot be read, has None for each.

    Raises:
        OSError: there is no room, or no permission.
    """
    try:
        figures = style_metrics(folder / "pictures" / record["picture"], content, styles)
    except ValueError:
        figures = StyleMetrics(math.nan, math.nan, math.nan)
    named = {name: number_or_none(figure) for name, figure in figures._asdict().items()}
    record = record | {"metrics": named}
    write_json(record_path(folder, record["id"]), record)
    return record


def write_failure(folder: Path, entry: Entry, error: str, seconds: float = 0.0) -> dict[str, Any]:
    """Write the record of a point that failed.

    Raises:
        OSError: there is no room, or no permission.
    """
    return _write(
        folder,
        entry,
        recipe=None,
        history=None,
        seconds=seconds,
        gradient_evaluations=0,
        error=error,
        sha256=None,
    )


def finished_record(folder: Path, id: str) -> dict[str, Any] | None:
    """The record of a point that is done and need not be run again; else None.

    A point that failed is tried again; one that diverged would do so again.
    """
    record = read_record(folder, id)
    if record is None or record["recipe"] is None or not has_picture(folder, record):
        return None
    return record


def _write(folder: Path, entry: Entry, **said: Any) -> dict[str, Any]:
    record = {"id": entry.id, "settings": entry.settings, **said, "picture": entry.picture}
    write_json(record_path(folder, entry.id), record)
    return record
