"""Files that are there whole or not at all."""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}", re.DOTALL)


LONGEST_NAME = 200
"""Bytes of a file's name that its temporary one has too; systems take 255."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the same folder, moved to `path` at the end and removed on failure.

    A link stays one: what it leads to is replaced. The file keeps the permissions of the one that
    it replaces. An error names `path`, not the temporary one.
    """
    target = Path(os.path.realpath(path))
    name = os.fsdecode(os.fsencode(target.name)[:LONGEST_NAME])
    temporary = target.with_name(f".{name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        if error.filename in (str(temporary), temporary):
            error.filename = os.fspath(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Remove the temporary files that killed processes left of writing files of such names."""
    with os.scandir(folder) as entries:
        for entry in entries:
            left = _TEMPORARY.fullmatch(entry.name)
            if left and is_ours(left[1]) and entry.is_file(follow_symlinks=False):
                os.unlink(entry)
