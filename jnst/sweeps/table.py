"""The table of a sweep: a line for each record, in columns that compare."""

import csv
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jnst.common.atomic import atomic_path
from jnst.sweeps.axes import separate

TABLE = "results.csv"

KINDS = ("content", "style")
"""The terms of the loss that have layers."""

_COLUMNS = (
    *("error", "content", "styles", "network"),
    *("seconds", "gradient_evaluations", "steps_taken"),
)
_LAST_COLUMNS = ("digest", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


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
    sums ("loss/content", "loss/style"), and the figures of its picture if it has been measured
    ("metrics/style"); a failed point, without a recipe, has its settings alone,
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
    row |= {f"metrics/{name}": value for name, value in record.get("metrics", {}).items()}
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
    metrics = [name for name in names if name.startswith("metrics/")]
    rest = [name for name in names if not _is_loss(name) and name not in _LAST_COLUMNS]
    return list(dict.fromkeys([*first, *losses, *metrics, *rest, *_LAST_COLUMNS]))


def _is_loss(column: str) -> bool:
    return column.partition("/")[0] == "loss"


def _styles(value: Any) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value
