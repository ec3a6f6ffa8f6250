"""The folder of a sweep, while it runs: nobody else sweeps into it."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from jnst.common.atomic import remove_unfinished
from jnst.sweeps.folder import INDEX, SweepError
from jnst.sweeps.picture_names import SHORT, short_id
from jnst.sweeps.table import TABLE
from jnst.sweeps.tasks import BATCHES
from jnst.sweeps.workers import end_run

PATIENCE = 1.0
"""Seconds that a sweep waits for the lock, which another may hold for a moment to look at it."""


def check_folder(folder: Path) -> None:
    """Find out, without writing anything, whether a sweep can go into a folder.

    Raises:
        SweepError: it is no folder, or one with something else in it, or cannot be written to, or
            another sweep is running in it.
    """
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"{folder}: is not a folder")
    if folder.is_dir() and not (folder / INDEX).exists() and _others(folder):
        raise SweepError(f"{folder}: is not empty, and there is no sweep in it")
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise SweepError(f"{folder}: cannot be written to ({there} is not a folder)")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SweepError(f"{folder}: cannot be written to (Permission denied)")
    if _lock_path(folder).exists():
        with _locked(folder):
            pass


@contextlib.contextmanager
def held(folder: Path, ids: Sequence[str]) -> Iterator[None]:
    """Within it, the folder is there, and this sweep's alone; what was cut off is removed first.

    `ids` are those of the plan's points.

    Raises:
        SweepError: another sweep is running in it, or it cannot be written to.
    """
    try:
        for name in ("points", "pictures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _remove_unfinished(folder, ids)
            yield
    except OSError as error:
        raise SweepError(f"{folder}: cannot be written to ({error.strerror})") from None


def _lock_path(folder: Path) -> Path:
    return folder / ".lock"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = filelock.FileLock(_lock_path(folder))
    try:
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        raise SweepError(f"{folder}: another sweep is running in it") from None
    except OSError as error:
        raise SweepError(f"{folder}: cannot be written to ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()


def _others(folder: Path) -> list[str]:
    ours = {"points", "pictures", TABLE, BATCHES}
    return [name for name in os.listdir(folder) if name not in ours and not name.startswith(".")]


def _remove_unfinished(folder: Path, ids: Sequence[str]) -> None:
    remove_unfinished(folder, lambda name: name in (INDEX, TABLE))
    remove_unfinished(folder / "points", {f"{id}.json" for id in ids}.__contains__)
    if (thumbnails := folder / "thumbnails").is_dir():
        remove_unfinished(thumbnails, {f"{id}.jpg" for id in ids}.__contains__)
    if (batches := folder / BATCHES).is_dir():
        remove_unfinished(batches, lambda name: True)
        end_run(folder)
        for sign in batches.glob("*.json"):
            sign.unlink(missing_ok=True)
    # What was being written may have had its name by another plan.
    short = {id[:SHORT] for id in ids}
    remove_unfinished(folder / "pictures", lambda name: short_id(name) in short)
