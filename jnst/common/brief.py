"""A short `repr` for objects that hold arrays: types and shapes instead of numbers."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def brief(value: Any) -> str:
    """`repr` of a value with every array as its type and shape, such as float32[3,64]."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
        return _called(value, {name: getattr(value, name) for name in names})
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _called(value, value._asdict())
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {brief(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(brief, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return repr(value)


def _called(value: Any, fields: Mapping[str, Any]) -> str:
    inner = ", ".join(f"{name}={brief(each)}" for name, each in fields.items())
    return f"{type(value).__name__}({inner})"
