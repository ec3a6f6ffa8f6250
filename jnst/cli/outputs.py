"""Checks that a command does not write to a file that it reads."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path


def check_no_input(path: str | os.PathLike[str], inputs: Iterable[object]) -> None:
    """ValueError if `path` and an input are the same file, also through links.

    Inputs that are no paths, or no existing files, are ignored.
    """
    for each in _files(inputs):
        if _same(Path(path), each):
            raise ValueError(f"{path}: is also an input ({each}); choose another output")


def check_no_numbered_input(path: str | os.PathLike[str], inputs: Iterable[object]) -> None:
    """ValueError if an input is one of the numbered files of `path`: NAME-0050.png, ..."""
    path, inputs = Path(path), list(inputs)
    series = re.compile(rf"{re.escape(path.stem)}-\d{{4,}}{re.escape(path.suffix)}")
    for each in path.parent.iterdir():
        if series.fullmatch(each.name):
            check_no_input(each, inputs)


def _files(inputs: Iterable[object]) -> Iterable[Path]:
    return (Path(each) for each in inputs if isinstance(each, str | os.PathLike))


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of them does not exist
        return path.samefile(other)
    return False
