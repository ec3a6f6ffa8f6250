"""What the parts of the command share: how a command is declared, prints, fails and is stopped."""

import argparse
import contextlib
import importlib
import importlib.util
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
"""What ends a run before its time: Ctrl-C, a scheduler, a terminal that is closed."""

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
    """A command that calls `run`; the first line of its docstring says what it does.

    One that `computes` needs JAX, which takes seconds to import: `begin` is called before that, and
    `interrupted` is said of a signal that comes before anything is begun. `usage` stands in the
    place of the list of all options; `examples` are what follows the command's name.
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
    """Declare the content."""
    command.add_argument("content", type=picture_path, metavar="CONTENT", help=meaning)


def add_styles(command: argparse.ArgumentParser, meaning: str) -> None:
    """Declare the styles, at least one."""
    command.add_argument("style", type=picture_path, nargs="+", metavar="STYLE", help=meaning)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in at most 100 columns, its epilog as it stands."""

    def __init__(self, prog: str):
        width = min(100, shutil.get_terminal_size().columns)
        super().__init__(prog, max_help_position=32, width=width)


def picture_path(text: str) -> Path:
    """The path of a picture on the command line; an address is refused as one."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text} is a URL; download it first")
    return Path(text)


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


@contextlib.contextmanager
def leaving_at_once(message: str) -> Iterator[None]:
    """Within it a signal ends the process with a message: for imports, when nothing is begun.

    Modules of C that are being imported would make other errors of an exception.
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
        help="keep no compiled programs for the next start, and take none of an earlier one",
    )


def add_plugin(command: Any) -> None:
    """Declare `--plugin`, for a command that makes pictures."""
    command.add_argument(
        "--plugin",
        action="append",
        metavar="MODULE",
        help="a Python module, or a .py file, that registers style losses; may be given again",
    )


def load_plugin(name: str) -> None:
    """Import a module, found from this folder too, or a .py file.

    Raises:
        ValueError: it cannot be imported; the message says why.
    """
    path = Path(name)
    folder = str(path.absolute().parent) if path.suffix == ".py" else os.getcwd()
    sys.path.insert(0, folder)  # for what the module imports from beside it
    try:
        if path.suffix == ".py":
            spec = importlib.util.spec_from_file_location(f"jnst_plugin_{path.stem}", path)
            module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules[module.__name__] = module
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        else:
            importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever the user's own program raises
        raise ValueError(
            f"plugin {name} cannot be imported ({type(error).__name__}: {error})"
        ) from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def add_quiet(command: Any) -> None:
    """Declare `--quiet`, for a command that takes its time."""
    command.add_argument(
        "--quiet", action="store_true", help="say nothing but what went wrong, on standard error"
    )


def add_batch_size(command: Any) -> None:
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
