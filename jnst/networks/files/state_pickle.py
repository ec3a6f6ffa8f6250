"""Reading the pickle of a state dict as data: nothing in it is executed.

Python's own unpickler is not used, not even with a list of allowed names: a hostile pickle can make
it hash forever, overflow its stack, or change attributes of allowed objects.
"""

import pickletools
from typing import Any, NamedTuple

import numpy as np

from jnst.common.errors import NetworkError

LIMIT = 1 << 20
"""Largest number of bytes of a pickle; that of a VGG-19 has some thousand."""

DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
"""The storage classes of a state dict, without `torch.`, and the types of their elements."""

_LARGEST = 2**62
_SHOWN = 80
_MARK = object()


class Storage(NamedTuple):
    """A sequence of numbers in the file; several tensors may share one."""

    dtype: str
    key: str
    elements: int

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize


class StoredTensor(NamedTuple):
    """A tensor that is not read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Name(NamedTuple):
    """Stands for a class or a function that the pickle asks for."""

    text: str


_REBUILD = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_ADMITTED = {
    "collections.OrderedDict",
    "torch._utils._rebuild_parameter",
    *_REBUILD,
    *(f"torch.{name}" for name in DTYPES),
}


def read_pickle(data: bytes) -> tuple[Any, int, dict[str, Storage]]:
    """The first object in `data`, its length in bytes, and its storages by key.

    Raises:
        NetworkError: it is damaged, or has something other than tensors.
    """
    machine = _Machine()
    try:
        for opcode, argument, position in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.stack.pop(), (position or 0) + 1, machine.storages
            machine.take(opcode.name, argument)
    except NetworkError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise NetworkError(f"its pickle is damaged ({error})") from None
    raise NetworkError("its pickle is cut off")


class _Machine:
    """A pickle machine with only the operations that state dicts use."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def take(self, operation: str, argument: Any) -> None:
        """Execute one operation (see https://docs.python.org/3/library/pickletools.html)."""
        stack = self.stack
        match operation:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(_MARK)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[operation])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "INT" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "UNICODE" | "SHORT_BINSTRING" | "BINSTRING":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation[-1])
                stack[-count:] = [tuple(self._last(count))]
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "APPEND":
                self._append([stack.pop()])
            case "APPENDS":
                self._append(self._to_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._to_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_admit(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_admit(f"{module}.{name}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case "BUILD":  # the `_metadata` of a state dict
                stack.pop()
                _need(isinstance(stack[-1], dict))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case _:
                raise NetworkError(f"its pickle has a {operation}, which no state dict needs")

    def _last(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        _need(len(items) == count and not any(item is _MARK for item in items))
        return items

    def _to_mark(self) -> list[Any]:
        items = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _append(self, items: list[Any]) -> None:
        _need(isinstance(self.stack[-1], list))
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        _need(isinstance(self.stack[-1], dict) and len(items) % 2 == 0)
        for key, value in zip(items[::2], items[1::2], strict=True):
            _need(type(key) in (str, int))
            self.stack[-1][key] = value

    def _storage(self, identifier: Any) -> Storage:
        match identifier:
            case ("storage", _Name(text), str(key), _, int(elements), *view) if (
                text.removeprefix("torch.") in DTYPES
                and 0 <= elements < _LARGEST
                and view in ([], [None])
            ):
                storage = Storage(DTYPES[text.removeprefix("torch.")], key, elements)
                _need(self.storages.setdefault(key, storage) == storage)
                return storage
        raise NetworkError("its pickle holds more than tensors; save model.state_dict() alone")


def _need(condition: bool) -> None:
    if not condition:
        raise NetworkError("its pickle is damaged")


def _admit(text: str) -> _Name:
    if text in _ADMITTED:
        return _Name(text)
    raise NetworkError(
        f"its pickle asks for {text[:_SHOWN]}, which no state dict needs; nothing of it was run. "
        "Of a whole model, save model.state_dict()"
    )


def _call(function: Any, arguments: Any) -> Any:
    _need(isinstance(function, _Name) and isinstance(arguments, tuple))
    match function.text, arguments:
        case "collections.OrderedDict", ():
            return {}
        case "torch._utils._rebuild_parameter", (StoredTensor() as tensor, *_):
            return tensor
        case text, (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_) if (
            text in _REBUILD
        ):
            return _tensor(storage, offset, shape, strides)
    raise NetworkError("holds a tensor without numbers")


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple) -> StoredTensor:
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(
        type(number) is int and 0 <= number < _LARGEST for number in numbers
    ):
        raise NetworkError("holds a tensor of impossible shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.elements:
        raise NetworkError("holds a tensor that is longer than its numbers")
    return StoredTensor(storage, offset, shape, strides)
