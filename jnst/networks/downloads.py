"""Downloading of network files into the cache."""

import errno
import hashlib
import http.client
import os
import re
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from jnst.common.errors import NetworkError
from jnst.networks.connections import open_url, reason
from jnst.networks.manifest import Download

Progress = Callable[[int, int], None]
"""Called with the bytes so far and the bytes in all."""

LEFTOVERS = (".download", ".part")
"""Suffixes of a download that is complete but not ported yet, and of an unfinished one."""

ATTEMPTS = 20
"""Largest number of connections for one URL; each must bring some bytes."""

CHUNK = 1 << 18
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cache_folder() -> Path:
    """Where fetched networks are kept: $JNST_CACHE, or jnst in the platform's cache folder.

    Raises:
        NetworkError: the cache is in the home folder, and there is none.
    """
    if named := os.environ.get("JNST_CACHE"):
        return _expanded(named)
    if sys.platform == "win32":
        return _expanded(os.environ.get("LOCALAPPDATA") or "~/AppData/Local") / "jnst"
    if sys.platform == "darwin":
        return _expanded("~/Library/Caches/jnst")
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "jnst"


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # neither $HOME nor a user of that name
        raise NetworkError(
            f"no cache: there is no home folder for {folder}; set JNST_CACHE to a folder"
        ) from None


def fetch(download: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Download a file into the folder and verify it; an unfinished download is continued.

    The URLs are tried in order. Two processes must not do this at once: lock the folder.

    Raises:
        NetworkError: no URL gave the right file; the message has the reason of each server. An
            unfinished part is kept, to be continued.
        OSError: the folder cannot be written to, or is full; nothing is kept.
    """
    target, part = (folder / f"{download.file}{suffix}" for suffix in LEFTOVERS)
    for path in (target, part):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise NetworkError(f"{path} is in the way: it is not a regular file")
    if target.is_file() and matches(target, download.bytes, download.digest):
        return target
    failures = []
    for url in download.urls:
        try:
            _fetch_from(url, part, download, progress or (lambda done, total: None))
        except (http.client.HTTPException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                part.unlink(missing_ok=True)
                raise
            if isinstance(error, OSError) and error.filename is not None:  # a file's, no server's
                raise
            failures.append(f"{urllib.parse.urlsplit(url).netloc}: {reason(error)}")
        else:
            os.replace(part, target)
            return target
    if kept := _size(part):
        failures.append(f"{kept} of {download.bytes} bytes are kept, to be continued")
    else:
        part.unlink(missing_ok=True)
    raise NetworkError("; ".join(failures))


def matches(path: Path, size: int, digest: str) -> bool:
    """Whether a file has the size and the digest ("algorithm:hexadecimal")."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:  # MD5 is allowed for this where it is disabled for security
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return found.hexdigest() == expected


def _fetch_from(url: str, part: Path, download: Download, progress: Progress) -> None:
    continued = part.exists()
    _receive(url, part, download.bytes, progress)
    if not matches(part, download.bytes, download.digest):
        part.unlink()
        if not continued:
            raise NetworkError(f"the file does not have the digest {download.digest}")
        _fetch_from(url, part, download, progress)  # the continued part may have been wrong


def _receive(url: str, part: Path, total: int, progress: Progress) -> None:
    """Download until `part` has `total` bytes."""
    for _ in range(ATTEMPTS):
        before = _size(part)
        if before >= total:
            return
        try:
            _continue(url, part, before, total, progress)
        except (http.client.HTTPException, OSError):
            if _size(part) <= before:
                raise
        if _size(part) in (before, total):
            break
    if _size(part) < total:
        raise NetworkError(f"broke off at {_size(part)} of {total} bytes")


def _continue(url: str, part: Path, before: int, total: int, progress: Progress) -> None:
    """Append the bytes from `before` on to `part`; remove `part` if the server has none."""
    headers = {"Range": f"bytes={before}-"} if before else {}
    with open_url(url, headers, most_bytes=total) as response:
        if before and _begins_elsewhere(response, before, total):
            part.unlink()
            return
        _check(response, total, begun=before > 0)
        done = before if response.status == 206 else 0
        with part.open("ab" if done else "wb") as file:
            while done < total and (chunk := response.read1(min(CHUNK, total - done))):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)


def _begins_elsewhere(response: http.client.HTTPResponse, before: int, total: int) -> bool:
    """Whether a response does not begin at byte `before`."""
    if response.status != 206:
        return response.status == 416
    if (given := response.headers.get("Content-Range")) is None:
        return response.headers.get("Content-Length") != str(total - before)
    return not re.fullmatch(rf"bytes {before}-\d+/({total}|\*)", given.strip())


def _check(response: http.client.HTTPResponse, total: int, *, begun: bool) -> None:
    """NetworkError unless a response is the file, or a part of it if one was asked for."""
    if response.status not in ((200, 206) if begun else (200,)):
        raise NetworkError(f"answers {response.status} {response.reason}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise NetworkError(f"sends it as {encoding}, which was not asked for")
    length = response.headers.get("Content-Length")
    if response.status == 200 and length not in (None, str(total)):
        raise NetworkError(f"has {length} bytes, not {total}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
