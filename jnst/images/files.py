"""Access to picture files, with one-line errors."""

import contextlib
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from jnst.common.errors import one_line
from jnst.common.memory import free_host_memory
from jnst.common.validation import shown
from jnst.images.quiet import quiet_decoders

WRITTEN_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CONVERT = "save it as JPEG or PNG first"
RAW_PHOTOGRAPH = "a raw photograph: develop it and save it as TIFF, PNG or JPEG first"
_OTHER_FORMATS = (
    (rb"....ftyp(hei|hev|mif1|msf1)", f"HEIC: {_CONVERT}"),
    (rb"....ftypcrx |II\*\0....CR|FUJIFILMCCD-RAW|IIU\0|IIRO|IIRS|FOVb", RAW_PHOTOGRAPH),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a video: jnst video takes .mp4, .mov, .webm, .mkv"),
    (rb"%PDF|%!PS", "PDF or PostScript: save the page as PNG first"),
    (rb"8BPS|gimp xcf", "a project of Photoshop or GIMP: export it as PNG or TIFF first"),
    (rb"\s*(<\?xml.*|<!--.*)?<svg", "SVG: export it as PNG first"),
    (rb"\s*<(!doctype|html|HTML|!DOCTYPE)", "a web page: download the picture itself"),
    (rb"\0\0\0\x0cjP  |\xffO\xffQ", f"JPEG 2000: {_CONVERT}"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", f"JPEG XL: {_CONVERT}"),
    (rb"v/1\x01|#\?RADIANCE", "high dynamic range: save it as PNG or TIFF of [0, 1] first"),
)

_UNIT, _BLENDED = 24, 48  # bytes a pixel while it becomes three floats; with alpha, or from CMYK
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)  # a Path turns "//" into "/"


class UnknownFormatError(ValueError):
    """A file of an unsupported format."""


class ImageError(ValueError):
    """A picture that cannot be read or written; the message names the path and the reason."""


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out, before any work starts, whether `save_image` could write to `path`.

    Raises:
        ImageError: the suffix is of no supported format, or as `check_place`.
    """
    path = Path(path)
    _check_name(path)
    if path.suffix.lower() not in WRITTEN_FORMATS and not path.is_dir():
        accepted = ", ".join(WRITTEN_FORMATS)
        raise ImageError(f"{path}: the suffix is {path.suffix!r}; accepted: {accepted}")
    check_place(path)


def _check_name(path: Path) -> None:
    if "\0" in str(path):
        raise ImageError(f"{shown(str(path))}: no file has such a name")


def check_place(path: Path) -> None:
    """Find out whether a file of any kind could be written to `path`.

    Raises:
        ImageError: its folder does not exist or cannot be written to, or it is a folder, a device
            or a pipe.
    """
    _check_name(path)
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder; a file in it is accepted, such as {path}/a.png")
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is not a regular file")
        if not path.parent.is_dir():
            raise ImageError(f"{path}: there is no folder {path.parent}")
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # which refuses a name that is too long
        # Root has permission everywhere, also on read-only disks, so a file is made.
        with tempfile.NamedTemporaryFile(dir=os.path.realpath(path.parent), prefix=".jnst."):
            pass
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from error


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file.

    Raises:
        ImageError: as `opened_file`, or the file is larger than the free memory.
    """
    with opened_file(path) as file:
        if (needed := os.fstat(file.fileno()).st_size) > (free := free_host_memory()):
            raise ImageError(f"{path}: has {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
        return file.read()


def file_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a regular file, read in parts.

    Raises:
        ImageError: as `opened_file`.
    """
    with opened_file(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def opened_file(path: Path) -> Iterator[io.BufferedReader]:
    """A context with a regular file, opened for reading.

    Raises:
        ImageError: there is none, it is empty, or it cannot be read.
    """
    _check_name(path)
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}")
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ImageError(f"{path}: the file is empty")
            yield file
    except OSError as error:
        if _URL.match(str(path)):
            raise ImageError(f"{shown(str(path))} is a URL; download it first") from None
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"{path}: there is no such file") from None
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """A context that turns any exception of a decoder into an ImageError and hides its warnings."""
    try:
        with quiet_decoders():
            yield
    except UnknownFormatError as error:
        raise ImageError(f"{path}: {error}") from None
    except Exception as error:
        reason = one_line(error)
        raise ImageError(f"{path}: cannot be read ({reason})") from error


def refuse_format(data: bytes) -> NoReturn:
    """Raise an error that says what kind of file this is and what to do about it.

    Raises:
        UnknownFormatError: always.
    """
    for pattern, message in _OTHER_FORMATS:
        if re.match(pattern, data[:1024], re.DOTALL):
            raise UnknownFormatError(message)
    accepted = ", ".join(READ_FORMATS)
    raise UnknownFormatError(f"no picture that can be read; accepted: {accepted}")


def check_picture_memory(
    shape: tuple[int, int], decoded: int, factor: int, *, blended: bool
) -> None:
    """ValueError unless a picture of (height, width), reduced by a factor, fits into memory.

    A pixel takes `decoded` bytes before it is reduced; `blended`: it has alpha or black ink.
    """
    pixel = decoded + (_BLENDED if blended else _UNIT) / factor**2
    needed, free = shape[0] * shape[1] * pixel, free_host_memory()
    if needed > free:
        raise ValueError(
            f"{shape[0]} x {shape[1]} pixels need about {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; a smaller size needs less"
        )
