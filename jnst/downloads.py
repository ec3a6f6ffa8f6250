"""The networks that can be fetched, the folder they are kept in, and the way there."""

import dataclasses
import errno
import hashlib
import http.client
import os
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jnst.data import data_file
from jnst.vgg import NetworkError

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all."""

LEFTOVERS = (".download", ".part")
"""Endings of a download that is verified and not yet ported, and of one that is not finished."""

ATTEMPTS = 20
"""Connections to one address that may break off, as long as each brings something."""

TIMEOUT = 30
CHUNK = 1 << 18


@dataclasses.dataclass(frozen=True)
class Download:
    """An entry of the manifest; `digest` is "algorithm:hexadecimal" of the file as it comes."""

    name: str
    file: str
    urls: tuple[str, ...]
    bytes: int
    digest: str
    convention: str
    licence: str
    citation: str


def manifest() -> Mapping[str, Download]:
    """The networks of weights/manifest.toml, or of the file that $JNST_MANIFEST names.

    Raises:
        NetworkError: it cannot be read as one.
    """
    path = Path(os.environ.get("JNST_MANIFEST") or data_file("manifest.toml"))
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _entry(name, entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NetworkError(f"{path}: no manifest of networks ({error})") from None


def _entry(name: str, entry: Mapping[str, Any]) -> Download:
    download = Download(name=name, **{**entry, "urls": tuple(entry["urls"])})
    if not download.urls or not all("://" in url for url in download.urls):
        raise ValueError(f"urls of {name} are {entry['urls']}")
    if not isinstance(download.bytes, int):
        raise ValueError(f"bytes of {name} is {download.bytes!r}")
    for file in (download.name, download.file):
        if Path(file).name != file or file.startswith("."):
            raise ValueError(f"{file!r} is no name of a file")
    hashlib.new(download.digest.partition(":")[0])
    return download


def cache_folder() -> Path:
    """Where fetched networks are kept: $JNST_CACHE, or jnst in the platform's cache folder."""
    if named := os.environ.get("JNST_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "jnst"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/jnst").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "jnst"


def fetch(download: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Download the file into the folder and verify it; a part of it from before is continued.

    The addresses are tried in turn. Not safe against another process: lock the folder.

    Raises:
        NetworkError: no address gave the right file; says of each why. Only an unfinished part is
            left, to be continued.
        OSError: the folder cannot be written to, or is full; nothing is left.
    """
    target, part = (folder / f"{download.file}{suffix}" for suffix in LEFTOVERS)
    if target.is_file() and matches(target, download):
        return target
    failures = []
    for url in download.urls:
        try:
            _fetch_from(url, part, download, progress or (lambda done, total: None))
        except (NetworkError, http.client.HTTPException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                part.unlink(missing_ok=True)
                raise
            failures.append(f"{url}: {error}")
        else:
            os.replace(part, target)
            return target
    raise NetworkError("; ".join(failures))


def _fetch_from(url: str, part: Path, download: Download, progress: Progress) -> None:
    continued = part.exists()
    _receive(url, part, download.bytes, progress)
    if not matches(part, download):
        part.unlink()
        if not continued:
            raise NetworkError(f"the file there has not the digest {download.digest}")
        _fetch_from(url, part, download, progress)  # what was there before may have been wrong


def matches(path: Path, download: Download) -> bool:
    """Whether a file has the length and the digest of the manifest."""
    if not path.is_file() or path.stat().st_size != download.bytes:
        return False
    algorithm, _, expected = download.digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected


def _receive(url: str, part: Path, total: int, progress: Progress) -> None:
    """Bring `part` to `total` bytes."""
    for _ in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        if before >= total:
            return
        try:
            _continue(url, part, before, total, progress)
        except (http.client.HTTPException, OSError):
            if not part.exists() or part.stat().st_size <= before:
                raise
        if part.stat().st_size in (before, total):
            break
    if part.stat().st_size < total:
        raise NetworkError(f"broke off at {part.stat().st_size} of {total} bytes")


def _continue(url: str, part: Path, before: int, total: int, progress: Progress) -> None:
    headers = {"Range": f"bytes={before}-"} if before else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        continued = response.status == 206
        done = before if continued else 0
        length = response.headers.get("Content-Length")
        if length is not None and done + int(length) != total:
            raise NetworkError(f"has {done + int(length)} bytes, not {total}")
        with part.open("ab" if continued else "wb") as file:
            while done < total and (chunk := response.read(min(CHUNK, total - done))):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
