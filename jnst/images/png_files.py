"""PNG chunks: a file with only what a decoder needs, so that other damage does no harm."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import imagecodecs
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_SRGB_GAMMA = 45455
_NEARLY_SRGB = 0.02  # relative tolerance: 1/2.2 is written as 45454 to 45500
_LARGEST_PROFILE = 2**24  # bytes
_REC_709, _LINEAR, _SRGB_TRANSFER = 1, 8, 13  # codes of ITU-T H.273
_PRIMARIES = {
    _REC_709: (0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    9: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046),  # Rec. 2020
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
_D65 = (0.3127, 0.329)
_DECODED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf")


class PngFile(NamedTuple):
    """A PNG taken apart: `pixels`, a PNG with only the chunks of the pixels, and the metadata."""

    pixels: bytes
    profile: bytes | None
    texts: dict[str, str]


def read_png(data: bytes) -> PngFile:
    """Read a PNG file; ancillary chunks may be damaged, and the end may be missing.

    The profile is that of the chunk iCCP, or is made from cICP, or from gAMA and cHRM; it is None
    for sRGB. Texts are those of uncompressed iTXt chunks.

    Raises:
        ValueError: the checksum of a critical chunk is wrong.
    """
    kept: list[bytes] = [SIGNATURE]
    colors: dict[bytes, bytes] = {}
    texts: dict[str, str] = {}
    for name, body in _chunks(data):
        if name in _DECODED:
            kept.append(_chunk(name, body))
        elif name in (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"):
            colors.setdefault(name, body)
        elif name == b"iTXt":
            keyword, _, rest = body.partition(b"\0")
            if rest[:1] == b"\0":  # not compressed; language and translated keyword follow
                text = rest[2:].split(b"\0", 2)[-1]
                texts.setdefault(keyword.decode("latin-1"), text.decode(errors="replace"))
    kept.append(_chunk(b"IEND", b""))
    return PngFile(b"".join(kept), _profile(colors), texts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk up to IEND, or to the end of a cut file."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IEND" or not name.isalpha():
            return
        body = data[place + 8 : place + 8 + length]
        checksum = data[place + 8 + length : place + 12 + length]
        place += 12 + length
        if len(checksum) == 4 and checksum != struct.pack(">I", zlib.crc32(name + body)):
            if name[:1].isupper():
                raise ValueError(f"PNG: the checksum of its chunk {name.decode()} is wrong")
            continue
        if len(checksum) == 4 or name == b"IDAT":
            yield name, body


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def _profile(colors: dict[bytes, bytes]) -> bytes | None:
    """The ICC profile; the specification ranks the chunks cICP, iCCP, sRGB, gAMA and cHRM."""
    if (code := colors.get(b"cICP")) and len(code) == 4 and code[0] in _PRIMARIES:
        if code[1] == _LINEAR:
            return _made(1.0, _D65, _PRIMARIES[code[0]])
        if code[1] == _SRGB_TRANSFER:
            return None if code[0] == _REC_709 else _made(None, _D65, _PRIMARIES[code[0]])
    if b"iCCP" in colors:
        return _inflated(colors[b"iCCP"])
    if b"sRGB" in colors:
        return None
    return _from_gamma(colors.get(b"gAMA", b""), colors.get(b"cHRM", b""))


def _inflated(body: bytes) -> bytes | None:
    decoder = zlib.decompressobj()
    try:
        profile = decoder.decompress(body.partition(b"\0")[2][1:], _LARGEST_PROFILE)
    except zlib.error:
        return None
    return profile if decoder.eof else None


def _from_gamma(gamma: bytes, primaries: bytes) -> bytes | None:
    value = struct.unpack(">I", gamma)[0] if len(gamma) == 4 else _SRGB_GAMMA
    points = [_D65, *zip(*[iter(_PRIMARIES[_REC_709])] * 2, strict=True)]
    given = points
    if len(primaries) == 32:
        numbers = [number / 1e5 for number in struct.unpack(">8I", primaries)]
        given = list(zip(numbers[::2], numbers[1::2], strict=True))
    nearly = abs(value - _SRGB_GAMMA) <= _NEARLY_SRGB * _SRGB_GAMMA
    if value == 0 or (nearly and np.allclose(points, given, atol=2e-3)):
        return None
    white, *rest = given
    return _made(None if nearly else 1e5 / value, white, [x for point in rest for x in point])


def _made(gamma: float | None, white: Sequence[float], primaries: Sequence[float]) -> bytes | None:
    """An ICC profile for RGB: linear light is samples ** gamma, or the curve of sRGB if None."""
    if gamma is None:
        codes = np.linspace(0, 1, 4096)
        light = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
        curve = {"transferfunction": np.rint(light * 65535).astype(np.uint16)}
    else:
        curve = {"gamma": gamma}
    points = [(x, y, 1.0) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]
    try:
        return imagecodecs.cms_profile(
            "rgb",
            whitepoint=(*white, 1.0),
            primaries=[value for point in points for value in point],
            **curve,
        )
    except imagecodecs.CmsError:
        return None
