"""The folder of a sweep: its plan, and one record and one picture for each point."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.common.atomic import atomic_path
from jnst.images.loading import load_image
from jnst.sweeps.axes import separate, varying_settings
from jnst.sweeps.record_checks import is_index, is_record
from jnst.sweeps.table import row_of

INDEX = "sweep.json"


class SweepError(ValueError):
    """A folder that is not a sweep, or a plan that cannot be swept; the message names it."""


class IndexedPoint(NamedTuple):
    """A point as sweep.json has it: its index along each axis."""

    id: str
    at: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """What sweep.json says; the `title` of a plan without one is the folder's name.

    An axis has a list of values; a zipped one, named "a, b", has a list of values for each place.
    `inputs` holds the path of each picture that a content or style is, from the folder on.
    """

    title: str
    axes: dict[str, list[Any]]
    inputs: dict[str, str]
    points: list[IndexedPoint]

    def settings(self, point: IndexedPoint) -> dict[str, Any]:
        """The values of the axes at a point, those of a zipped axis one by one."""
        places = zip(self.axes.items(), point.at, strict=True)
        return separate({name: values[place] for (name, values), place in places})


@dataclass(frozen=True)
class FinishedPoint:
    """A point that is done: `settings` are the values of the axes, `row` is its line of the table.

    A point that failed says why in `row["error"]`, and has no picture at `path`.
    """

    id: str
    settings: dict[str, Any]
    row: dict[str, Any]
    record: dict[str, Any]
    path: Path

    @property
    def image(self) -> Float[np.ndarray, "h w 3"]:
        """The picture, float32 sRGB in [0, 1].

        Raises:
            ImageError: the point failed, or its picture cannot be read.
        """
        return load_image(self.path)


def read_sweep(folder: str | os.PathLike[str]) -> list[FinishedPoint]:
    """The points of a sweep that are done, in the order of the plan, the failed ones among them.

    A point is not done as long as its record is missing, damaged or cut off, or the picture is not
    the one that the record speaks of.

    Raises:
        SweepError: the folder is not a sweep.
    """
    index, points = read_index(folder), []
    for point in index.points:
        record = read_record(folder, point.id)
        if record is not None and (record["recipe"] is None or has_picture(folder, record)):
            settings, path = index.settings(point), picture_path(folder, record)
            points.append(FinishedPoint(point.id, settings, row_of(record), record, path))
    return points


def labeled_pictures(folder: str | os.PathLike[str]) -> list[tuple[Path, str]]:
    """The pictures of a sweep by the settings that vary, with these as labels: "style_weight 10".

    Numbers are in the order of their size, all else in that of the plan. The first setting that
    varies changes last.

    Raises:
        SweepError: the folder is not a sweep, or has no picture yet.
    """
    varying = varying_settings(read_index(folder).axes)
    points = [point for point in read_sweep(folder) if point.record["recipe"] is not None]
    if not points:
        raise SweepError(f"{folder}: the sweep has no picture yet")
    orders = {name: _in_order([point.settings[name] for point in points]) for name in varying}
    points.sort(key=lambda point: [orders[name].index(point.settings[name]) for name in varying])
    return [(point.path, _label(point, varying) or point.path.stem) for point in points]


def _in_order(values: Sequence[Any]) -> list[Any]:
    """The different values: numbers by their size, others as they come."""
    different = [value for place, value in enumerate(values) if value not in values[:place]]
    numbers = all(isinstance(value, int | float) for value in different)
    return sorted(different) if numbers else different


def _label(point: FinishedPoint, varying: Sequence[str]) -> str:
    """What varies at a point; pictures say by themselves what they are."""
    texts = {name: value_text(name, point.settings[name]) for name in varying}
    return ", ".join(
        text if name in ("content", "style") else f"{name} {text}" for name, text in texts.items()
    )


def value_text(name: str, value: Any) -> str:
    """The value of a setting for people: several styles are joined with " + "."""
    if isinstance(value, list):
        return (" + " if name == "style" else " ").join(value_text(name, item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_index(folder: str | os.PathLike[str]) -> Index:
    """What sweep.json says.

    Raises:
        SweepError: it is not there, or not what a sweep writes.
    """
    index = read_json(Path(folder) / INDEX)
    if not is_index(index):
        raise SweepError(f"{folder}: no sweep (there is no readable {INDEX})")
    points = [IndexedPoint(point["id"], tuple(point["at"])) for point in index["points"]]
    title = index["title"] or Path(folder).resolve().name
    return Index(title, index["axes"], index["inputs"], points)


def read_record(folder: str | os.PathLike[str], id: str) -> dict[str, Any] | None:
    """The record of a point; None if it is missing, damaged or cut off."""
    record = read_json(record_path(folder, id))
    return record if is_record(record) and record["id"] == id else None


def recorded_ids(folder: str | os.PathLike[str]) -> set[str]:
    """The ids of the points that there is a record of, whatever it says."""
    return {path.stem for path in (Path(folder) / "points").glob("*.json")}


def record_path(folder: str | os.PathLike[str], id: str) -> Path:
    """Where the record of a point is."""
    return Path(folder) / "points" / f"{id}.json"


def picture_path(folder: str | os.PathLike[str], record: dict[str, Any]) -> Path:
    """Where the picture of a record is: a later plan, by which it had another name, finds it."""
    return Path(folder) / "pictures" / record["picture"]


def has_picture(folder: str | os.PathLike[str], record: dict[str, Any]) -> bool:
    """Whether the picture of a record is there, in the folder itself and as it was written."""
    path = picture_path(folder, record)
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == record["sha256"]


def read_json(path: Path) -> Any:
    """What a file holds; None if it is missing, damaged or cut off."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write plain values, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")
