"""What a command says while it runs: a bar on a terminal, lines elsewhere, nothing with --quiet."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from jnst.cli_common import is_terminal, printable, terminal

Advance: TypeAlias = Callable[[float, str, str], None]
"""Says how far a run is: the share that is done, its stage, and its state in a few words."""


def add_quiet(command: argparse.ArgumentParser) -> None:
    """Declare `--quiet`, for a command that takes its time."""
    command.add_argument(
        "--quiet", action="store_true", help="say nothing but what went wrong, on standard error"
    )


def tell(message: str, *, quiet: bool) -> None:
    """One line on standard error, if anybody listens."""
    if not quiet and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that was closed, a full disk
            print(printable(message), file=sys.stderr, flush=True)


@contextlib.contextmanager
def following(name: str | os.PathLike[str], *, quiet: bool) -> Iterator[Advance]:
    """Within it, a function to call whenever a run has come farther.

    Not on a terminal each stage and each tenth of the way is a line that begins with `name`.
    """
    if quiet or not is_terminal(sys.stderr):
        yield _Lines(os.fspath(name), quiet)
        return
    columns = (
        *("{task.description}", BarColumn(), "{task.percentage:.0f} %", "{task.fields[state]}"),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=terminal()) as bar:
        task = bar.add_task("", total=1, state="")

        def advance(share: float, stage: str, state: str) -> None:
            bar.update(task, completed=share, description=stage, state=state)

        yield advance


class _Lines:
    def __init__(self, name: str, quiet: bool):
        self._name, self._quiet = name, quiet
        self._told, self._begun = ("", -1), time.monotonic()

    def __call__(self, share: float, stage: str, state: str) -> None:
        now = stage, int(10 * share + 1e-6)
        if now != self._told:
            seconds = time.monotonic() - self._begun
            message = f"{self._name}: {stage}, {100 * share:.0f} %, {state}, {seconds:.0f} s"
            tell(message, quiet=self._quiet)
        self._told = now
