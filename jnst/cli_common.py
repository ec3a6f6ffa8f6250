"""What the parts of the command share: how a command is declared, prints, fails and is stopped."""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from rich.console import Console

from jnst.checks import whole_number

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a run before its time: Ctrl-C, a scheduler, a terminal that is closed."""

Value = TypeVar("Value")


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A command that calls `run`; the first line of its docstring says what it does."""
    summary = (run.__doc__ or "").partition(": ")[2].partition("\n")[0]
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def picture_path(text: str) -> Path:
    """The path of a picture on the command line; an address is refused as one."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URL; download it first")
    return Path(text)


def printable(text: str) -> str:
    """Text of unknown origin in one line, without what would steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def terminal() -> Console:
    """Progress and reports for a person: on standard error, and nothing unless it is a terminal."""
    if not is_terminal(sys.stderr):
        return Console(file=io.StringIO(), quiet=True)
    return Console(file=cast(TextIO, _Unbroken(sys.stderr)), highlight=False)


class _Unbroken:
    """A stream that need not be heard: what a closed terminal does not take is dropped."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody reads along; a stream that the caller closed is None."""
    return stream is not None and not stream.closed and stream.isatty()


def fail(message: str, status: int) -> int:
    """Print one line on standard error, if anybody listens; returns the status."""
    say(message)
    return status


def say(message: str) -> None:
    """Print one line on standard error, if anybody listens."""
    with contextlib.suppress(OSError, ValueError):  # a terminal that was closed, a full disk
        if sys.stderr is not None:
            print(f"jnst: {printable(message)}", file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """What an error says to a person: of an operating system's, the file and its own words."""
    if isinstance(error, OSError) and error.strerror:
        file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{file}{error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error)


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or the device has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


_interrupts: list[int] = []


def interrupted_status() -> int:
    """The exit status after an interrupt: the shells' 128 + the signal's number."""
    return 128 + (_interrupts[0] if _interrupts else signal.SIGINT)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it the first of the `SIGNALS` is KeyboardInterrupt, and is not lost: see `noticing`.

    The second does not cut short what is written because of the first. Those that are ignored stay
    so, as under nohup. Outside of the main thread, to which Python gives all signals, nothing
    changes.
    """

    def interrupt(number: int, _: Any) -> None:
        _interrupts.append(number)
        if len(_interrupts) != 2:
            raise KeyboardInterrupt

    _interrupts.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            before(unraisable)

    sys.unraisablehook = quiet
    try:
        with _handling(interrupt):
            yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def _handling(handler: Any) -> Iterator[None]:
    """Within it signals go to a handler, but for those that are ignored."""
    before = {
        number: signal.signal(number, handler)
        for number in SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


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
    """What is written within it is not cut short; `noticing` acts on a signal after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(lambda number, _: _interrupts.append(number)):
        yield


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
