"""The folder of a sweep: its plan, one record and one picture for each point, a table of them."""

import csv
import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.common.atomic import atomic_path
from jnst.images.loading import load_image
from jnst.sweeps.picture_names import is_picture_name

FORMAT = 1
INDEX = "sweep.json"
TABLE = "results.csv"

KINDS = ("content", "style")
"""The terms of the loss that have layers."""

_COLUMNS = (
    *("error", "content", "styles", "network"),
    *("seconds", "gradient_evaluations", "steps_taken"),
)
_LAST_COLUMNS = ("digest", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class SweepError(ValueError):
    """A folder that is not a sweep, or a plan that cannot be swept; the message names it."""


class Point(NamedTuple):
    """A planned point: its index along each axis."""

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
    points: list[Point]

    def settings(self, point: Point) -> dict[str, Any]:
        """The values of the axes at a point, those of a zipped axis one by one."""
        places = zip(self.axes.items(), point.at, strict=True)
        return separate({name: values[place] for (name, values), place in places})


@dataclass(frozen=True)
class SweptPoint:
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


def read_sweep(folder: str | os.PathLike[str]) -> list[SweptPoint]:
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
            points.append(SweptPoint(point.id, settings, row_of(record), record, path))
    return points


def labelled_pictures(folder: str | os.PathLike[str]) -> list[tuple[Path, str]]:
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


def _label(point: SweptPoint, varying: Sequence[str]) -> str:
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
    if not _is_index(index):
        raise SweepError(f"{folder}: no sweep (there is no readable {INDEX})")
    points = [Point(point["id"], tuple(point["at"])) for point in index["points"]]
    title = index["title"] or Path(folder).resolve().name
    return Index(title, index["axes"], index["inputs"], points)


def read_record(folder: str | os.PathLike[str], id: str) -> dict[str, Any] | None:
    """The record of a point; None if it is missing, damaged or cut off."""
    record = read_json(record_path(folder, id))
    return record if _is_record(record) and record["id"] == id else None


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


def separate(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of zipped axes one by one: {"a, b": [1, 2]} is {"a": 1, "b": 2}."""
    separated: dict[str, Any] = {}
    for name, value in settings.items():
        names = name.split(", ")
        separated |= zip(names, value, strict=True) if len(names) > 1 else {name: value}
    return separated


def varying_settings(axes: dict[str, list[Any]]) -> list[str]:
    """The settings of the axes that have several values, in order."""
    return [name for axis, values in axes.items() if len(values) > 1 for name in axis.split(", ")]


def loss_sums(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The unweighted terms of content and of style, "content/relu4_2", each kind as one sum.

    They can be compared along weights. A sum of what is not finite, None, is None.
    """
    sums = {}
    for kind in KINDS:
        values = [value for name, value in terms.items() if name.startswith(f"{kind}/")]
        if values:
            sums[kind] = None if any(value is None for value in values) else sum(values)
    return sums


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """What a line of the table holds for a record, flat.

    The styles are joined with " + ", other lists with spaces. Every setting of the run has a
    column, and its loss ("loss", weighted), the unweighted terms ("loss/style/relu1_1") and their
    sums ("loss/content", "loss/style"); a failed point, without a recipe, has its settings alone,
    and the error. The network is what `load_network` took.
    """
    row: dict[str, Any] = {"id": record["id"], "error": record["error"]}
    recipe = record["recipe"]
    if recipe is None:
        settings = separate(record["settings"])
        if "style" in settings:
            settings["styles"] = _styles(settings.pop("style"))
        return row | {name: _cell(value) for name, value in settings.items()}
    row |= {
        "content": recipe["content"],
        "styles": _styles(recipe["styles"]),
        "network": recipe["network"]["load"],
        "digest": recipe["network"]["digest"],
        "seconds": record["seconds"],
        "gradient_evaluations": record["gradient_evaluations"],
        "steps_taken": recipe["steps"],
    }
    row |= {name: _cell(value) for name, value in recipe["config"].items()}
    losses = recipe["losses"] | loss_sums(recipe["losses"])
    return row | {
        "loss" if term == "total" else f"loss/{term}": value for term, value in losses.items()
    }


def write_table(
    folder: str | os.PathLike[str], records: Sequence[dict[str, Any]], varying: Sequence[str]
) -> None:
    """Write results.csv, a line for each record in the columns of `table_columns`, `quoted`."""
    with (
        atomic_path(Path(folder) / TABLE) as temporary,
        # A file's name need not be text; the table is.
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        columns = table_columns(records, varying)
        writer.writerow(map(quoted, columns))
        for row in map(row_of, records):
            writer.writerow(quoted(row.get(name, "")) for name in columns)


def quoted(cell: Any) -> Any:
    """A cell of the table that no spreadsheet takes for a formula; a number stays as it is.

    Text that begins with = + - @, a tab, a line's end or an apostrophe gets one before it.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def table_columns(records: Iterable[dict[str, Any]], varying: Sequence[str]) -> list[str]:
    """Every column that a record has: what varies, its losses by name, the rest, and its id.

    Points that did not fail come first, so that the order does not depend on which ended first.
    """
    whole_first = sorted(records, key=lambda record: record["recipe"] is None)
    names = dict.fromkeys(itertools.chain(_COLUMNS, *map(row_of, whole_first)))
    first = ["styles" if name == "style" else name for name in varying]
    losses = sorted(filter(_is_loss, names), key=lambda name: (name.count("/"), name))
    rest = [name for name in names if not _is_loss(name) and name not in _LAST_COLUMNS]
    return list(dict.fromkeys([*first, *losses, *rest, *_LAST_COLUMNS]))


def _is_loss(column: str) -> bool:
    return column.partition("/")[0] == "loss"


def _styles(value: Any) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


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


def _is_index(value: Any) -> bool:
    if not _has(value, format=int, title=str, axes=dict, inputs=dict, points=list):
        return False
    axes = value["axes"]
    return (
        value["format"] == FORMAT
        and all(_is_axis(name, values) for name, values in axes.items())
        and all(isinstance(path, str) for path in value["inputs"].values())
        and all(_is_point(point, axes) for point in value["points"])
    )


def _is_axis(name: str, values: Any) -> bool:
    together = len(name.split(", "))
    return isinstance(values, list) and (
        together == 1 or all(isinstance(v, list) and len(v) == together for v in values)
    )


def _is_point(value: Any, axes: dict[str, list]) -> bool:
    # The id is a part of paths and addresses.
    if not _has(value, id=str, at=list) or not re.fullmatch(r"[\w-]+", value["id"], re.ASCII):
        return False
    at = value["at"]
    return len(at) == len(axes) and all(
        type(place) is int and 0 <= place < len(values)
        for place, values in zip(at, axes.values(), strict=True)
    )


def _is_record(value: Any) -> bool:
    number = (int, float)
    number_or_none = (*number, type(None))
    text_or_none = (str, type(None))
    if not _has(value, id=str, settings=dict, recipe=(dict, type(None)), error=text_or_none):
        return False
    if not _has(value, picture=str, sha256=text_or_none) or not is_picture_name(value["picture"]):
        return False
    history = value.get("history")
    if history is not None and not (
        _has(history, loss=list, size=list)
        and history.keys() <= {"loss", "size", *KINDS}
        and all(isinstance(column, list) for column in history.values())
        and len({len(column) for column in history.values()}) == 1
        and all(isinstance(size, number) for size in history["size"])
        and all(isinstance(x, number_or_none) for column in history.values() for x in column)
    ):
        return False
    recipe = value["recipe"]
    if recipe is None:
        return value["error"] is not None
    return (
        _has(value, seconds=number, gradient_evaluations=int)
        and _has(recipe, content=str, styles=list, network=dict, config=dict)
        and _has(recipe, steps=int, losses=dict)
        and _has(recipe["network"], load=str, digest=str)
        and all(isinstance(style, str) for style in recipe["styles"])
        and all(isinstance(loss, number_or_none) for loss in recipe["losses"].values())
    )


def _has(value: Any, **types: type | tuple[type, ...]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name, ...), kind) for name, kind in types.items()
    )
