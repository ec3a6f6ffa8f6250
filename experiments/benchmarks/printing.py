"""Tables printed to the terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def cell(value: Any) -> str:
    """A value of a table as text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def print_table(title: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Print a table with a title; all lines have the same columns."""
    table = Table(*lines[0], box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in lines:
        table.add_row(*map(cell, line.values()))
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    console.print(title, table, "", sep="\n")
