"""Atomic writing: a file is complete, or it does not exist."""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}", re.DOTALL)


LONGEST_NAME = 200
"""Bytes of the target's name in the name of the temporary file; file systems allow 255."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the same folder, moved to `path` at the end and removed on failure.

    A symbolic link stays; the file it points to is replaced. The new file has the permissions of
    the old one. An error names `path`, not the temporary file.
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
    """Remove temporary files of killed processes, for target names that `is_ours` accepts."""
    with os.scandir(folder) as entries:
        for entry in entries:
            left = _TEMPORARY.fullmatch(entry.name)
            if left and is_ours(left[1]) and entry.is_file(follow_symlinks=False):
                os.unlink(entry)
