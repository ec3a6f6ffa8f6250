"""The manifest: networks that can be downloaded by name, with their URLs and digests."""

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jnst.common.documents import parse_toml, read_document
from jnst.common.errors import NetworkError
from jnst.common.validation import check_name, several, shown, whole_number
from jnst.networks.connections import check_url
from jnst.networks.package_data import data_file
from jnst.networks.preprocessing import CONVENTIONS

EMBEDDED = "embedded"
"""The name of the network that the package carries."""

DIGESTS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""The accepted digest algorithms, with their number of hexadecimal digits."""

_MOST_BYTES = 1 << 40
_LONGEST_MANIFEST = 1 << 16
_LONGEST_TEXT = 1000
_FILE_NAME = re.compile(r"\w[\w.+-]{,99}")


@dataclasses.dataclass(frozen=True)
class Download:
    """An entry of the manifest; `digest` is "algorithm:hexadecimal" of the downloaded file."""

    name: str
    file: str
    urls: tuple[str, ...]
    bytes: int
    digest: str
    convention: str
    license: str
    citation: str

    def __post_init__(self) -> None:
        for field in ("name", "file"):
            if not _FILE_NAME.fullmatch(_text(field, getattr(self, field))):
                raise ValueError(
                    f"{field} is {shown(getattr(self, field))}; a file name is accepted"
                )
        if self.name == EMBEDDED:
            raise ValueError(f"{EMBEDDED} is the name of the embedded network; choose another")
        if not (urls := several("urls", self.urls)):
            raise ValueError("urls is empty; one is needed")
        for url in urls:
            check_url(_text("a url", url))
        whole_number("bytes", self.bytes, minimum=1, maximum=_MOST_BYTES)
        check_name("convention", self.convention, CONVENTIONS)
        for field in ("license", "citation"):
            _text(field, getattr(self, field))
        object.__setattr__(self, "urls", urls)
        object.__setattr__(self, "digest", _digest(self.digest))


def manifest() -> Mapping[str, Download]:
    """The networks of weights/manifest.toml, or of the file that $JNST_MANIFEST names.

    Raises:
        NetworkError: the file cannot be read, or is no manifest.
    """
    path = Path(os.environ.get("JNST_MANIFEST") or data_file("manifest.toml"))
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise NetworkError(f"{path}: no manifest of networks ({error.strerror})") from None
    return _read(path, changed)


@functools.lru_cache(1)
def _read(path: Path, changed: int) -> Mapping[str, Download]:
    """The entries of a manifest, which is read again only when it has `changed`."""
    try:
        entries = parse_toml(read_document(path, most_bytes=_LONGEST_MANIFEST))
        downloads = {name: _entry(name, entry) for name, entry in entries.items()}
        _check_files_differ(downloads)
    except OSError as error:
        raise NetworkError(f"{path}: no manifest of networks ({error.strerror})") from None
    except ValueError as error:
        raise NetworkError(f"{path}: no manifest of networks ({error})") from None
    return downloads


def _entry(name: str, entry: Any) -> Download:
    fields = [field.name for field in dataclasses.fields(Download) if field.name != "name"]
    if not isinstance(entry, dict):
        raise ValueError(f"{shown(name)} is {shown(entry)}; a table is accepted")
    if entry.keys() != set(fields):
        raise ValueError(
            f"{shown(name)} has {', '.join(map(shown, entry)) or 'nothing'}; "
            f"{', '.join(fields)} are accepted, all of them"
        )
    try:
        return Download(name=name, **entry)
    except ValueError as error:
        raise ValueError(f"{shown(name)}: {error}") from None


def _check_files_differ(downloads: Mapping[str, Download]) -> None:
    """ValueError if two entries share a file, as each would continue the other's download."""
    files = [download.file for download in downloads.values()]
    if twice := [file for file in files if files.count(file) > 1]:
        raise ValueError(f"{twice[0]} is the file of two networks")


def _digest(value: Any) -> str:
    digest = _text("digest", value).lower()
    algorithm, _, digits = digest.partition(":")
    if len(digits) != DIGESTS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digits):
        raise ValueError(
            f"digest is {shown(value)}; ALGORITHM:HEXADECIMAL with one of "
            f"{', '.join(DIGESTS)} is accepted"
        )
    return digest


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError(
            f"{name} is {shown(value)}; a line of at most {_LONGEST_TEXT} characters is accepted"
        )
    return value
