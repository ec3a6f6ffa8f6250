"""State dicts in files of `torch.save`, read without torch; tensors are read lazily."""

import contextlib
import dataclasses
import math
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from jnst.common.errors import NetworkError
from jnst.networks.files.state_pickle import LIMIT, Storage, StoredTensor, read_pickle

BLOCK = 1 << 18
"""Numbers that are read at a time, so that float64 needs no more memory than float32."""

MOST_GAPS = 8
"""Largest ratio of the numbers that a strided tensor spans to its own."""

LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of the container before PyTorch 1.6."""


@dataclasses.dataclass(frozen=True)
class TorchFile:
    """An open file of `torch.save`: the object in it, and access to its numbers.

    `open_storage(storage, start)` opens the bytes of a storage from `start` on.
    """

    content: Any
    open_storage: Callable[[Storage, int], contextlib.AbstractContextManager[IO[bytes]]]

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """The numbers of a tensor; a large float64 tensor is read as float32.

        Raises:
            NetworkError: the file ends before they do.
        """
        steps = [(n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)]
        count, storage = sum(steps) + 1, tensor.storage
        if count > MOST_GAPS * math.prod(tensor.shape):
            raise NetworkError(f"has a tensor that is spread over {count} numbers")
        narrow = storage.dtype == "bfloat16" or (storage.dtype == "<f8" and count > BLOCK)
        numbers = np.empty(count, "<f4" if narrow else storage.dtype)
        with self.open_storage(storage, tensor.offset * storage.itemsize) as file:
            for start in range(0, count, BLOCK):
                block = numbers[start : start + BLOCK]
                data = file.read(block.size * storage.itemsize)
                if len(data) < block.size * storage.itemsize:
                    raise NetworkError("is cut off: its numbers end early")
                block[:] = _numbers(storage.dtype, data)
        strides = [step * numbers.itemsize for step in tensor.strides]
        return np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides, writeable=False)


def open_zip(archive: zipfile.ZipFile) -> TorchFile:
    """The container since PyTorch 1.6: a pickle, and one member for each storage.

    Raises:
        NetworkError: it is damaged, or its pickle asks for anything but tensors.
    """
    names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if len(names) != 1:
        raise NetworkError("is a zip file that is neither PyTorch's nor numpy's")
    folder = names[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist():
        with archive.open(f"{folder}byteorder") as order:
            _check_byte_order(little=order.read(6) == b"little")
    with archive.open(names[0]) as file:
        content, _, _ = read_pickle(file.read(LIMIT))

    @contextlib.contextmanager
    def open_storage(storage: Storage, start: int) -> Iterator[IO[bytes]]:
        with archive.open(f"{folder}data/{storage.key}") as file:
            file.seek(start)
            yield file

    return TorchFile(content, open_storage)


def open_legacy(file: IO[bytes]) -> TorchFile:
    """The container before PyTorch 1.6.

    Four pickles (magic number, version, machine, object), one of the storages' keys, then for each
    storage its number of elements in eight bytes and the elements.

    Raises:
        NetworkError: it is damaged, or its pickle asks for anything but tensors.
    """
    head = file.read(LIMIT)
    position = 0
    contents: list[Any] = []
    storages: dict[str, Storage] = {}
    for _ in range(5):
        content, length, found = read_pickle(head[position:])
        contents.append(content)
        storages |= found
        position += length
    _, _, machine, content, keys = contents
    _check_byte_order(little=isinstance(machine, dict) and machine.get("little_endian") is True)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NetworkError("its list of storages is damaged")
    begin = {}
    for key in keys:
        file.seek(position)
        elements = int.from_bytes(file.read(8), "little")
        if key not in storages or elements != storages[key].elements:
            raise NetworkError(f"is cut off or damaged at storage {key!r}")
        begin[key] = position + 8
        position += 8 + elements * storages[key].itemsize

    @contextlib.contextmanager
    def open_storage(storage: Storage, start: int) -> Iterator[IO[bytes]]:
        if storage.key not in begin:
            raise NetworkError(f"storage {storage.key!r} is missing")
        file.seek(begin[storage.key] + start)
        yield file

    return TorchFile(content, open_storage)


def _check_byte_order(*, little: bool) -> None:
    if not little:
        raise NetworkError("was written by a big-endian machine; save it again on another")


def _numbers(dtype: str, data: bytes) -> np.ndarray:
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, dtype)
