"""Shared by all commands: declaring a command, printing, errors, signals."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jnst.common.console import printable
from jnst.common.validation import whole_number

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""The signals that end a run early: Ctrl-C, a scheduler's, a closed terminal's."""

Value = TypeVar("Value")


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    computes: bool = True,
    begin: Callable[[], None] | None = None,
    interrupted: str = "interrupted before the first step",
    usage: str | None = None,
    examples: Sequence[str] = (),
) -> argparse.ArgumentParser:
    """Declare a command that calls `run`.

    Its help is the first line of the docstring of `run`, after the colon. `computes`: it needs JAX,
    which takes seconds to import. `begin` is called before the import; `interrupted` is printed
    after a signal during it. `usage` replaces the list of all options; `examples` are command lines
    without the command's name.
    """
    summary = (run.__doc__ or "").partition(": ")[2].partition("\n")[0]
    command = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[:1].upper()}{summary[1:]}",
        usage=usage and f"jnst {name} {usage}",
        epilog="\n".join(["examples:", *(f"  jnst {name} {each}" for each in examples)])
        if examples
        else None,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=run, computes=computes, begin=begin, interrupted=interrupted)
    return command


def add_content(command: argparse.ArgumentParser, meaning: str) -> None:
    """Declare the argument CONTENT."""
    command.add_argument("content", type=picture_path, metavar="CONTENT", help=meaning)


def add_styles(command: argparse.ArgumentParser, meaning: str) -> None:
    """Declare the arguments STYLE, at least one."""
    command.add_argument("style", type=picture_path, nargs="+", metavar="STYLE", help=meaning)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in at most 100 columns; the epilog is not wrapped."""

    def __init__(self, prog: str):
        width = min(100, shutil.get_terminal_size().columns)
        super().__init__(prog, max_help_position=32, width=width)


def picture_path(text: str) -> Path:
    """The path of a picture from the command line; a URL is refused."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URL; download it first")
    return Path(text)


def fail(message: str, status: int) -> int:
    """Print one line on standard error and return the exit status."""
    say(message)
    return status


def say(message: str) -> None:
    """Print one line on standard error; errors of writing are ignored."""
    with contextlib.suppress(OSError, ValueError):  # a terminal that was closed, a full disk
        if sys.stderr is not None:
            print(f"jnst: {printable(message)}", file=sys.stderr, flush=True)


_interrupts: list[int] = []


def interrupted_status() -> int:
    """The exit status after an interrupt: 128 + the number of the signal, as in shells."""
    return 128 + (_interrupts[0] if _interrupts else signal.SIGINT)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A context in which the first of the `SIGNALS` raises KeyboardInterrupt.

    The second signal is ignored, so that the picture is still written. Signals that were ignored
    before, as under nohup, stay ignored. Does nothing outside the main thread, which gets all
    signals. `noticing` raises the interrupts that Python dropped.
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
    """A context in which `handler` handles all `SIGNALS` that are not ignored."""
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
    """Yield the values; raise KeyboardInterrupt between them if Python dropped one.

    Python drops exceptions that are raised during garbage collection, where XLA runs Python code:
    mostly when a long computation returns.
    """
    for value in values:
        yield value
        if _interrupts:
            raise KeyboardInterrupt


def in_whole_steps(values: Iterable[Value]) -> Iterator[Value]:
    """Yield the values; from the second on, no signal interrupts what makes one.

    A run whose step was interrupted cannot be gone on with. `noticing` raises after the step.
    """
    held: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    values = iter(values)
    while True:
        with held:
            try:
                value = next(values)
            except StopIteration:
                return
        yield value
        held = uninterrupted()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A context that no signal interrupts, for writing files; `noticing` raises afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(lambda number, _: _interrupts.append(number)):
        yield


@contextlib.contextmanager
def leaving_at_once(message: str) -> Iterator[None]:
    """A context in which a signal prints a message and ends the process at once, for imports.

    An exception in the import of a C extension would come out as another error.
    """

    def leave(number: int, _: Any) -> None:
        os.write(2, f"jnst: {message}\n".encode())
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling(leave):
        yield


def add_compilation_cache(command: Any) -> None:
    """Declare `--no-compilation-cache`, for a command that compiles."""
    command.add_argument(
        "--no-compilation-cache",
        dest="compilation_cache",
        action="store_false",
        help="do not use the cache of compiled programs",
    )


def add_plugin(command: Any) -> None:
    """Declare `--plugin`, for a command that makes pictures."""
    command.add_argument(
        "--plugin",
        action="append",
        metavar="MODULE",
        help="a Python module or .py file that registers style losses; may be repeated",
    )


def add_quiet(command: Any) -> None:
    """Declare `--quiet`, for a command that shows progress."""
    command.add_argument("--quiet", action="store_true", help="print errors only")


def add_batch_size(command: Any) -> None:
    """Declare `--batch-size`."""
    command.add_argument(
        "--batch-size",
        type=_batch_size,
        default="auto",
        metavar="N",
        help="most pictures in one program; auto: as many as fit into half of the free memory, "
        "at most 16",
    )


def _batch_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return whole_number("--batch-size", int(text), minimum=1)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number of at least 1 nor auto"
        ) from None
