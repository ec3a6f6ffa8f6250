"""JPEG files: decoding at reduced size, and files without an end marker."""

import io
import re
import struct

import numpy as np
from PIL import Image, JpegImagePlugin

START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # 0 is a stuffed byte, D0 to D7 restart
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_SCAN = 0xDA


def open_jpeg(data: bytes, scale: int = 1, *, decoded: bool = True) -> Image.Image:
    """The picture of a JPEG file at 1, 1/2, 1/4 or 1/8 of its size, or only its header.

    Raises:
        OSError: the data of a pixel is missing.
    """
    picture = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if not decoded or _load(picture, scale):
        return picture
    data = data.rstrip(b"\xff")
    if _all_coefficients(data):
        # What follows the last pixel is not looked at: with one missing it changes the picture.
        ended, *longer = (
            JpegImagePlugin.JpegImageFile(io.BytesIO(data + tail + _END))
            for tail in (b"", _tail(1), _tail(2))
        )
        if all(_load(each, scale) for each in (ended, *longer)):
            pixels = np.asarray(ended)
            if all(np.array_equal(pixels, np.asarray(each)) for each in longer):
                return ended
    raise OSError("the file is truncated")


def _tail(seed: int) -> bytes:
    """Empty coefficients that complete a cut file, after each of the eight restart markers."""
    noise = np.random.default_rng(seed).integers(0, 255, (16, 64), np.uint8)
    return b"".join(
        row.tobytes() + bytes([0xFF, 0xD0 + number % 8]) for number, row in enumerate(noise)
    )


def _load(picture: Image.Image, scale: int) -> bool:
    """Decode the picture; False if the file ends before the picture does."""
    if scale > 1:
        picture.draft(None, (picture.width // scale, picture.height // scale))
    try:
        picture.load()
    except OSError as error:
        if "truncated" in str(error):
            return False
        raise
    return True


def _all_coefficients(data: bytes) -> bool:
    """Whether the file has every scan: all coefficients of all components, with all bits."""
    missing: dict[int, set[int]] = {}
    place = 2
    while match := _MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if place + 2 > len(data):
            break
        [length] = struct.unpack_from(">H", data, place)
        body = data[place + 2 : place + length]
        place += length
        if marker in _FRAMES and len(body) > 5:
            missing = {number: set(range(64)) for number in body[6 : 6 + 3 * body[5] : 3]}
        elif marker == _SCAN and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[1 + 2 * body[0] :][:3]
            if bits & 15 == 0:
                for number in body[1 : 1 + 2 * body[0] : 2]:
                    missing.get(number, set()).difference_update(range(first, last + 1))
    return bool(missing) and not any(missing.values())
