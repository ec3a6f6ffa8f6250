"""The page of a sweep: one file beside the pictures, which opens from disk."""

import hashlib
import html
import importlib.resources
import itertools
import json
import math
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from jnst.common.atomic import atomic_path
from jnst.images.files import ImageError
from jnst.images.loading import load_image
from jnst.images.resizing import fit_size, resize_image
from jnst.sweeps.folder import (
    KINDS,
    Index,
    Point,
    has_picture,
    loss_sums,
    picture_path,
    read_index,
    read_record,
    row_of,
    table_columns,
    value_text,
    varying_settings,
)

PAGE = "index.html"
THUMBNAIL_SIZE = 512  # pixels, those of the largest cell of the grid

_SCRIPTS = (  # one program, in this order
    *("elements", "plan", "curves", "controls", "grid"),
    *("comparison", "point", "table", "address"),
)
_DIGITS = 5  # of a loss in a curve


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write index.html, the page of a sweep that need not have ended, and return its path.

    Thumbnails are made in thumbnails/, those that are there and newer than their picture kept. A
    point whose picture cannot be read is shown as failed.

    Raises:
        SweepError: the folder is not a sweep.
        OSError: it cannot be written to.
    """
    folder = Path(folder)
    index = read_index(folder)
    (folder / "thumbnails").mkdir(exist_ok=True)
    with atomic_path(folder / PAGE) as temporary:
        # A file's name need not be text; the page is.
        temporary.write_text(render_page(page_data(folder, index)), "utf-8", "replace")
    return folder / PAGE


def render_page(data: dict[str, Any]) -> str:
    """The whole page as HTML, of what `page_data` found; no picture's name can break out of it.

    Raises:
        ValueError: a number is not finite, which JSON has no word for.
    """
    assets = importlib.resources.files("jnst.sweeps") / "assets"
    parts = {
        "title": html.escape(data["title"]),
        "style": (assets / "page.css").read_text("utf-8"),
        "script": "\n".join((assets / f"{name}.js").read_text("utf-8") for name in _SCRIPTS),
        "data": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    page = (assets / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)


def page_data(folder: Path, index: Index) -> dict[str, Any]:
    """What the page shows, as plain values; makes the thumbnails that it speaks of."""
    records = {point.id: read_record(folder, point.id) for point in index.points}
    columns = table_columns(filter(None, records.values()), varying_settings(index.axes))
    return {
        "title": index.title,
        "axes": [
            {"name": name, "values": [_axis_value(name, value) for value in values]}
            for name, values in index.axes.items()
        ],
        "inputs": {
            name: _address(folder, _kept(_input_thumbnail(folder, path)))
            for name, path in index.inputs.items()
        },
        "columns": columns,
        "points": [
            _page_point(folder, index, point, records[point.id], columns) for point in index.points
        ],
    }


def _axis_value(axis: str, value: Any) -> list[tuple[str, str, list[str]]]:
    """The settings that a value of an axis is made of: name, text, and the pictures it names."""
    names = axis.split(", ")
    values = value if len(names) > 1 else [value]
    return [
        (name, value_text(name, value), _as_list(value) if name in ("content", "style") else [])
        for name, value in zip(names, values, strict=True)
    ]


def _page_point(
    folder: Path, index: Index, point: Point, record: dict[str, Any] | None, columns: list[str]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": point.id, "at": point.at, "state": "missing"}
    if record is None or (record["recipe"] is not None and not has_picture(folder, record)):
        return shown
    shown |= {
        "state": "failed",
        "error": record["error"],
        "history": _history(record.get("history")),
    }
    row, picture, thumbnail = row_of(record), picture_path(folder, record), None
    if record["recipe"] is not None:
        thumbnail = _thumbnail(picture, folder / "thumbnails" / f"{point.id}.jpg")
        if thumbnail is None:
            row["error"] = shown["error"] = f"{picture.name}: cannot be read"
    if thumbnail is not None:
        with Image.open(thumbnail) as file:
            shape = file.size
        shown |= {
            "state": "done",
            "picture": _address(folder, picture),
            "thumbnail": _address(folder, thumbnail),
            "shape": shape,
            "losses": _losses(record["recipe"]["losses"]),
            "recipe": record["recipe"],
            "command": _command(index, point, record),
        }
    return _finite(shown | {"row": [row.get(name) for name in columns]})


def _losses(losses: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a picture: its weighted loss, and the unweighted sums."""
    return {"loss": losses.get("total"), **loss_sums(losses)}


def _history(history: dict[str, list] | None) -> dict[str, list] | None:
    """The losses of each step, and for each level its size and its number of steps."""
    if history is None:
        return None
    levels = [[size, len(list(steps))] for size, steps in itertools.groupby(history["size"])]
    losses = {name: history[name] for name in ("loss", *KINDS) if name in history}
    return {"levels": levels} | {name: list(map(_short, each)) for name, each in losses.items()}


def _short(number: float | None) -> float | None:
    return number and float(f"{number:.{_DIGITS}g}")


def _command(index: Index, point: Point, record: dict[str, Any]) -> str:
    """The shell's words that make a point again, in the folder of the sweep."""
    recipe, settings = record["recipe"], index.settings(point)
    styles = _as_list(settings.get("style", recipe["styles"]))
    names = [settings.get("content", recipe["content"]), *styles]
    pictures = [index.inputs.get(name, name) for name in names]
    like = ["--like", f"pictures/{record['picture']}", "-o", "again.png"]
    return shlex.join(["jnst", "stylize", *pictures, *like])


def show_inputs(folder: Path, paths: Iterable[str]) -> None:
    """Make the thumbnails of the pictures that a plan names.

    The sweep does it, which reads them anyway: whoever only makes the page of a folder opens no
    file that the folder names.
    """
    (folder / "thumbnails").mkdir(exist_ok=True)
    for path in paths:
        _thumbnail(Path(path), _input_thumbnail(folder, os.path.relpath(path, folder)))


def _input_thumbnail(folder: Path, path: str) -> Path:
    """The thumbnail of a picture at a path from the folder on."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return folder / "thumbnails" / f"input-{name}.jpg"


def _kept(path: Path) -> Path | None:
    return path if path.is_file() and not path.is_symlink() else None


def _thumbnail(picture: Path, path: Path) -> Path | None:
    """`path`, made or kept; None if there is neither a thumbnail nor a readable picture."""
    try:
        kept = path.stat().st_mtime_ns
        if not picture.exists() or picture.stat().st_mtime_ns <= kept:
            return path
    except FileNotFoundError:
        pass
    try:
        image = load_image(picture)
    except ImageError:
        return None
    if max(image.shape) > THUMBNAIL_SIZE:
        image = resize_image(image, fit_size(image.shape[:2], THUMBNAIL_SIZE))
    with atomic_path(path) as temporary:
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(temporary, "JPEG", quality=85)
    return path


def _address(folder: Path, path: Path | None) -> str | None:
    return None if path is None else quote(path.relative_to(folder).as_posix())


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _finite(value: Any) -> Any:
    """Plain values with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
