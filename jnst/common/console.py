"""Writing to a terminal."""

import contextlib
import io
import sys
from typing import Any, TextIO, cast

from rich.console import Console


def printable(text: str) -> str:
    """Text of unknown origin in one line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def terminal() -> Console:
    """A console on standard error; it writes nothing unless standard error is a terminal."""
    if not is_terminal(sys.stderr):
        return Console(file=io.StringIO(), quiet=True)
    return Console(file=cast(TextIO, _Unbroken(sys.stderr)), highlight=False)


class _Unbroken:
    """A stream that ignores errors of writing, as when the terminal was closed."""

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
    """Whether a stream is an open terminal; a stream that the caller closed is None."""
    return stream is not None and not stream.closed and stream.isatty()
