"""What the parts of the command share: how a command is declared, prints, fails and is stopped."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn

from jnst.checks import whole_number

INTERRUPTED = 130  # the shells' 128 + SIGINT
SIGNALS = (signal.SIGINT, signal.SIGTERM)
Value = TypeVar("Value")


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A command that calls `run`; the first line of its docstring says what it does."""
    summary = (run.__doc__ or "").partition(": ")[2].partition("\n")[0]
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def printable(text: str) -> str:
    """Text of unknown origin in one line, without what would steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def terminal() -> Console:
    """Progress and reports for a person: on standard error, and nothing unless it is a terminal."""
    return Console(stderr=True, quiet=not sys.stderr.isatty(), highlight=False)


def fail(message: str, status: int) -> int:
    """Print one line on standard error; returns the status."""
    print(f"jnst: {printable(message)}", file=sys.stderr)
    return status


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or the device has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


_interrupts: list[int] = []


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it SIGINT and SIGTERM are KeyboardInterrupt, and none is lost: see `noticing`."""

    def interrupt(number: int, _: Any) -> NoReturn:
        _interrupts.append(number)
        raise KeyboardInterrupt

    def quiet(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(unraisable)

    _interrupts.clear()
    sys.unraisablehook = quiet
    handlers = {name: signal.signal(name, interrupt) for name in SIGNALS}
    try:
        yield
    finally:
        sys.unraisablehook = sys.__unraisablehook__
        for name, handler in handlers.items():
            signal.signal(name, handler)


def noticing(values: Iterable[Value]) -> Iterator[Value]:
    """The values, and KeyboardInterrupt between them if there was one that Python dropped.

    It drops what is raised while it collects garbage, where XLA has it run Python code: mostly when
    a long computation returns.
    """
    for value in values:
        yield value
        if _interrupts:
            raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Who presses Ctrl-C twice wants the picture all the same."""
    handlers = {name: signal.signal(name, signal.SIG_IGN) for name in SIGNALS}
    try:
        yield
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)


def progress_bar(*columns: str | ProgressColumn) -> Progress:
    """What a terminal shows of a run, between a description and a status; else nothing."""
    shown = ("{task.description}", BarColumn(), "{task.fields[status]}", *columns)
    return Progress(*shown, console=terminal(), disable=not sys.stderr.isatty())


def add_compilation_cache(command: argparse.ArgumentParser) -> None:
    """Declare `--no-compilation-cache`, for a command that compiles."""
    command.add_argument(
        "--no-compilation-cache",
        dest="compilation_cache",
        action="store_false",
        help="keep no compiled programs for the next start, and take none of an earlier one",
    )


def add_batch_size(command: argparse.ArgumentParser) -> None:
    """Declare `--batch-size`."""
    command.add_argument(
        "--batch-size",
        type=_batch_size,
        default="auto",
        metavar="N",
        help="most pictures in one program; auto: what half of the free memory holds, at most 16",
    )


def _batch_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return whole_number("--batch-size", int(text), minimum=1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a count nor auto") from None
