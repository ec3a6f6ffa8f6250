"""Files of MATLAB 5, read as a stream: structs are dicts, cells lists, arrays numpy's.

scipy is not used: its reader crashes on damaged files, and it reads the whole file into memory,
most of which are layers that jnst does not need. The format: MathWorks, "MAT-File Format", level 5.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from jnst.common.errors import NetworkError

START = b"MATLAB 5"

_NUMBERS = {
    1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8",
}  # fmt: skip
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_CHUNK = 1 << 16


MOST_BYTES, MOST_PARTS = 250_000_000, 100_000
"""Limits of what is kept of a file; a VGG-19 has 160 MB in float64, in some hundred parts."""


def read_variables(file: IO[bytes], *, largest: int) -> Iterator[tuple[str, Any]]:
    """The name and the value of each variable; arrays of more than `largest` elements are None.

    Raises:
        NetworkError: the file is damaged, or was written by a big-endian machine.
    """
    if file.read(128)[124:] != b"\x00\x01IM":
        raise NetworkError("is a MATLAB file of an unsupported version or byte order")
    budget = _Budget()
    while len(tag := file.read(8)) == 8:
        kind, size = np.frombuffer(tag, "<u4").tolist()
        content = _chunks(file, size)
        if kind == _COMPRESSED:
            stream = _Stream(_decompress(content), budget)
            kind, size = np.frombuffer(stream.read(8), "<u4").tolist()
        else:
            stream = _Stream(content, budget)
        if kind == _MATRIX:
            yield _matrix(stream, size, largest)
        for _ in content:
            pass


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        if not (chunk := file.read(min(size, _CHUNK))):
            raise NetworkError("is cut off")
        size -= len(chunk)
        yield chunk


def _decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    for chunk in chunks:
        while chunk:
            yield stream.decompress(chunk, _CHUNK)
            chunk = stream.unconsumed_tail


class _Budget:
    """What may still be kept of a file: a small file can claim any size."""

    def __init__(self) -> None:
        self.bytes, self.parts = MOST_BYTES, MOST_PARTS

    def take(self, *, data: int = 0, parts: int = 0) -> None:
        self.bytes, self.parts = self.bytes - data, self.parts - parts
        if min(self.bytes, self.parts) < 0:
            raise NetworkError("has more data than a VGG-19")


class _Stream:
    """Bytes that come in chunks."""

    def __init__(self, chunks: Iterator[bytes], budget: _Budget) -> None:
        self._chunks = chunks
        self.budget = budget
        self._rest = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        for _ in self._take(size):
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        self.position += size
        while size > 0:
            chunk = self._rest or next(self._chunks, None)
            if chunk is None:
                raise NetworkError("is cut off")
            part, self._rest = chunk[:size], chunk[size:]
            size -= len(part)
            yield part


def _element(stream: _Stream, longest: int) -> tuple[int, bytes | None]:
    """The type and the bytes of a data element; None for more than `longest`."""
    tag = stream.read(8)
    kind, size = np.frombuffer(tag, "<u4").tolist()
    if kind >> 16:  # up to four bytes in the tag itself
        return kind & 0xFFFF, tag[4 : 4 + (kind >> 16)]
    if size > longest:
        stream.skip(size)
        data = None
    else:
        stream.budget.take(data=size)
        data = stream.read(size)
    stream.skip(-size % 8)
    return kind, data


def _text(stream: _Stream) -> str:
    return (_element(stream, _CHUNK)[1] or b"").decode("latin1")


def _matrix(stream: _Stream, size: int, largest: int) -> tuple[str, Any]:
    """The name and the value of the array in the next `size` bytes."""
    if not size:
        return "", None
    end = stream.position + size
    flags = _element(stream, _CHUNK)[1] or b"\0"
    shape = np.frombuffer(_element(stream, _CHUNK)[1] or b"", "<i4").tolist()
    count = math.prod(shape)
    name = _text(stream)
    value: Any = None

    def parts(count: int) -> list[Any]:
        if not 0 <= 8 * count <= size:
            raise NetworkError("is damaged: an array of more elements than it has room for")
        stream.budget.take(parts=count)
        return [_part(stream, largest) for _ in range(count)]

    if flags[0] == _CELL:
        value = parts(count)
    elif flags[0] == _STRUCT:
        width = int.from_bytes(_element(stream, _CHUNK)[1] or b"", "little")
        names = _text(stream)
        fields = [names[i : i + width].rstrip("\0") for i in range(0, len(names), width)]
        values = parts(count * len(fields))
        starts = range(0, len(values), len(fields) or 1)
        value = [dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in starts]
    elif flags[0] == _CHAR:
        value = (_element(stream, _CHUNK)[1] or b"").decode("latin1").replace("\0", "")
    elif flags[0] in _NUMERIC:
        kind, data = _element(stream, 8 * largest)
        if data is not None and count <= largest:
            value = np.frombuffer(data, _NUMBERS[kind]).reshape(shape, order="F")
    stream.skip(end - stream.position)
    return name, value


def _part(stream: _Stream, largest: int) -> Any:
    kind, size = np.frombuffer(stream.read(8), "<u4").tolist()
    if kind != _MATRIX:
        raise NetworkError("is damaged: an array is missing")
    return _matrix(stream, size, largest)[1]
