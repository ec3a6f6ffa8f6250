"""Reading of untrusted JSON and TOML, with limits on size and depth."""

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

DEEPEST = 32
"""Levels of nesting that are accepted; jnst's own files have at most four."""


def read_document(path: Path, *, most_bytes: int) -> str:
    """The text of a regular file in UTF-8.

    Raises:
        ValueError: it is no regular file, larger than `most_bytes`, or not UTF-8.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise ValueError("not a regular file" if path.exists() else "there is no such file")
    if (size := path.stat().st_size) > most_bytes:
        raise ValueError(f"{size} bytes, at most {most_bytes} are accepted")
    with path.open("rb") as file:
        content = file.read(size) if size else b""  # /proc and /dev: no size, may never end
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not text in UTF-8") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML document.

    Raises:
        ValueError: it is not TOML, or nested deeper than `DEEPEST`.
    """
    try:
        return _checked(tomllib.loads(text))
    except RecursionError:
        raise _too_deep() from None


def parse_json(text: str | bytes) -> Any:
    """The content of a JSON document.

    Raises:
        ValueError: it is not JSON (which has no NaN and no infinity), names something twice, or is
            nested deeper than `DEEPEST`.
    """
    try:
        parsed = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_each_once
        )
        return _checked(parsed)
    except RecursionError:
        raise _too_deep() from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is too large for a float")
    return number


def _each_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{name[:80]!r} is there twice")
        values[name] = value
    return values


def _checked(document: Any) -> Any:
    """The document, unless it is nested too deep for what reads or prints it afterwards."""
    level = [document]
    for _ in range(DEEPEST):
        level = [item for value in level for item in _items(value)]
        if not level:
            return document
    raise _too_deep()


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {DEEPEST} deep")
