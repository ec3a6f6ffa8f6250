"""Files of pictures: what is in them, or one line that says why not."""

import contextlib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import tifffile
from PIL import Image

from jnst.checks import shown

WRITTEN_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF")
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)  # a Path has one stroke of two


class ImageError(ValueError):
    """A picture that cannot be read or written; the message names the path and what is wrong."""


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out, before any work starts, whether `save_image` could write to `path`.

    Raises:
        ImageError: the suffix is of no format that is written, the folder does not exist or cannot
            be written to, or `path` is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN_FORMATS:
        accepted = ", ".join(WRITTEN_FORMATS)
        raise ImageError(f"{path}: the suffix is {path.suffix!r}; accepted: {accepted}")
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, not a file")
        if not path.parent.is_dir():
            raise ImageError(f"{path}: there is no folder {path.parent}")
        # A look at the permissions would say yes to root everywhere, so a file is made.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from error


def read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}")
        data = path.read_bytes()
    except OSError as error:
        if _URL.match(str(path)):
            raise ImageError(f"{shown(str(path))} is a URL; download it first") from None
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"{path}: there is no such file") from None
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise ImageError(f"{path}: the file is empty")
    return data


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Decoders raise whatever they run into in a damaged file; what they warn of stays inside."""
    logger = tifffile.logger()
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.UnidentifiedImageError:
        accepted = ", ".join(READ_FORMATS)
        raise ImageError(f"{path}: no picture that can be read; accepted: {accepted}") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot be read ({reason})") from error
    finally:
        logger.disabled = disabled
