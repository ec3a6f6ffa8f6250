"""Files that a command is about to write: none of them is one that it reads."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path


def check_no_input(path: str | os.PathLike[str], inputs: Iterable[object]) -> None:
    """ValueError if `path` is one of the files that are read, under whatever name.

    What is no path among the inputs, or the name of nothing that is there, is passed over.
    """
    for each in _files(inputs):
        if _same(Path(path), each):
            raise ValueError(f"{path}: is read too, as {each}; give another name to write to")


def check_no_numbered_input(path: str | os.PathLike[str], inputs: Iterable[object]) -> None:
    """ValueError if a file that is read is one of `path`'s series: NAME-0050.png and so on."""
    path, inputs = Path(path), list(inputs)
    series = re.compile(rf"{re.escape(path.stem)}-\d{{4,}}{re.escape(path.suffix)}")
    for each in path.parent.iterdir():
        if series.fullmatch(each.name):
            check_no_input(each, inputs)


def _files(inputs: Iterable[object]) -> Iterable[Path]:
    return (Path(each) for each in inputs if isinstance(each, str | os.PathLike))


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of them is not there
        return path.samefile(other)
    return False
