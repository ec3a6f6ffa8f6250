"""State dicts in files of `torch.save`, without torch: both containers, tensors read lazily.

A `.pth` is a pickle, and a pickle is a program. This one is given the few names that a state dict
needs, none of which does anything but note what it was called with; any other name is refused.
"""

import collections
import contextlib
import dataclasses
import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import numpy as np

from jnst.vgg import NetworkError

PICKLE_LIMIT = 1 << 20
"""Bytes of a pickle that are read; a VGG-19's has some thousand."""

BLOCK = 1 << 18
"""Numbers that are read at a time, so that float64 takes no more memory than float32."""

LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number that the container before PyTorch 1.6 begins with."""

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


@dataclasses.dataclass(frozen=True, slots=True)
class StorageType:
    """What stands for `torch.FloatStorage` and its like."""

    dtype: str

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize

    def numbers(self, data: bytes) -> np.ndarray:
        """Those that are stored in the bytes; bfloat16 is the upper half of a float32."""
        if self.dtype == "bfloat16":
            return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        return np.frombuffer(data, self.dtype)


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file; several tensors may share one."""

    type: StorageType
    key: str
    elements: int


@dataclasses.dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of a state dict that has not been read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Rebuild:
    """What stands for the functions that make a tensor of a storage."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Any:
        shape, strides = tuple(shape), tuple(strides)
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, Storage) or len(shape) != len(strides):
            raise NetworkError("holds a tensor without numbers")
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise NetworkError("holds a tensor of impossible shape")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if 0 not in shape and last >= storage.elements:
            raise NetworkError("holds a tensor that is longer than its numbers")
        return StoredTensor(storage, offset, shape, strides)


class _RebuildParameter:
    __slots__ = ()

    def __call__(self, tensor: Any, *_: Any) -> Any:
        return tensor


_ADMITTED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _Rebuild(),
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    **{("torch", name): StorageType(dtype) for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise NetworkError(
                f"its pickle asks for {module}.{name}, which no state dict needs; nothing of it "
                "was run. Of a whole model, save model.state_dict()"
            ) from None

    def persistent_load(self, identifier: Any) -> Storage:
        match identifier:
            case ("storage", StorageType() as kind, str(key), _, int(elements), *view):
                if elements >= 0 and view in ([], [None]):
                    return self.storages.setdefault(key, Storage(kind, key, elements))
        raise NetworkError("its pickle holds more than tensors; save model.state_dict() alone")


@dataclasses.dataclass(frozen=True)
class TorchFile:
    """An open file of `torch.save`: the object in it, and its numbers where they lie.

    `open_storage` gives the bytes of a storage from one on.
    """

    content: Any
    open_storage: Callable[[Storage, int], contextlib.AbstractContextManager[IO[bytes]]]

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """The numbers of a tensor, of more than `BLOCK` in float32.

        Raises:
            NetworkError: the file ends before they do.
        """
        steps = [(n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True)]
        count, kind = sum(steps) + 1, tensor.storage.type
        narrow = kind.dtype == "bfloat16" or (kind.dtype == "<f8" and count > BLOCK)
        numbers = np.empty(count, "<f4" if narrow else kind.dtype)
        with self.open_storage(tensor.storage, tensor.offset * kind.itemsize) as file:
            for start in range(0, count, BLOCK):
                block = numbers[start : start + BLOCK]
                data = file.read(block.size * kind.itemsize)
                if len(data) < block.size * kind.itemsize:
                    raise NetworkError("is cut off: its numbers end early")
                block[:] = kind.numbers(data)
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
        content, _ = _unpickle(file.read(PICKLE_LIMIT))

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
    head = file.read(PICKLE_LIMIT)
    position = 0
    contents: list[Any] = []
    storages: dict[str, Storage] = {}
    for _ in range(5):
        content, length = _unpickle(head[position:], storages)
        contents.append(content)
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
        position += 8 + elements * storages[key].type.itemsize

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


def _unpickle(data: bytes, storages: dict[str, Storage] | None = None) -> tuple[Any, int]:
    """The first object in `data`, and its length; its storages are added by key."""
    try:
        # Python's unpickler allocates a table as long as the largest index that is named.
        length = 0
        for opcode, argument, position in pickletools.genops(data):
            length = (position or 0) + 1
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > PICKLE_LIMIT:
                raise NetworkError("its pickle is damaged")
        unpickler = _Unpickler(io.BytesIO(data[:length]))
        content = unpickler.load()
    except NetworkError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise NetworkError(f"its pickle is damaged ({error})") from None
    if storages is not None:
        storages |= unpickler.storages
    return content, length
