"""Network files that are members of Python packages, fetched by pip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from jnst.common.errors import NetworkError
from jnst.networks.downloads import LEFTOVERS, Progress, matches
from jnst.networks.manifest import Download

FOLDER = ".pip"
"""The suffix of the folder into which pip downloads."""


def fetch_package(download: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Download the wheel of a package into the folder and verify it.

    `python -m pip download` takes it from whatever index, mirror or folder the user's pip is set
    to. Only a wheel is accepted, and nothing of it is imported or run. Two processes must not do
    this at once: lock the folder.

    Raises:
        NetworkError: there is no pip, it does not find the package, or finds another file.
        OSError: the folder cannot be written to.
    """
    target, place = folder / f"{download.file}{LEFTOVERS[0]}", folder / f"{download.file}{FOLDER}"
    if matches(target, download.bytes, download.digest):
        return target
    if progress:
        progress(0, download.bytes)
    if place.is_symlink() or place.is_file():
        raise NetworkError(f"{place} is in the way: it is no folder")
    shutil.rmtree(place, ignore_errors=True)  # what a killed process left
    place.mkdir()
    try:
        _download(download.package, place)
        found = sorted(place.iterdir())
        if len(found) != 1 or not matches(found[0], download.bytes, download.digest):
            names = ", ".join(path.name for path in found) or "nothing"
            raise NetworkError(f"pip brought {names}, without the digest {download.digest}")
        os.replace(found[0], target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if progress:
        progress(download.bytes, download.bytes)
    return target


def _download(package: str, folder: Path) -> None:
    options = "--no-deps --only-binary=:all: --no-input --retries=1"
    plain = "--quiet --no-color --disable-pip-version-check"
    # With -P no pip.py of the current folder is taken for pip.
    command = [sys.executable, "-P", "-m", "pip", "download", *options.split(), *plain.split()]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), package],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise NetworkError(f"{sys.executable or 'Python'} cannot be run: {error}") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR: ")] or said
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"status {done.returncode}"
        if any("Retrying" in line for line in said):
            reason = f"the index does not answer, {reason}"
        raise NetworkError(f"pip: {reason[:200]}")
