"""Checks of arguments, with messages that say what came and what is accepted."""

import contextlib
import math
import numbers
from collections.abc import Iterable
from typing import Any, get_args


def check_choice(name: str, value: Any, literal: Any) -> None:
    """ValueError unless `value` is one of the strings of a `Literal` type."""
    check_name(name, value, get_args(literal))


def check_name(name: str, value: Any, known: Iterable[str]) -> None:
    """ValueError unless `value` is one of the names."""
    if value not in (names := list(known)):
        raise ValueError(f"{name} is {value!r}; accepted: {', '.join(names)}")


def several(name: str, value: Any) -> tuple[Any, ...]:
    """`value` as a tuple; ValueError unless it is a list of some kind."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{name} is {value!r}; a list is accepted")
    return tuple(value)


def whole_number(name: str, value: Any, *, minimum: int) -> int:
    """`value` as an int; ValueError unless it is a whole number of at least `minimum`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} is {value!r}; a whole number of at least {minimum} is accepted")
    return int(value)


def finite_number(name: str, value: Any, *, minimum: float) -> float:
    """`value` as a float; ValueError unless it is a finite number of at least `minimum`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    with contextlib.suppress(OverflowError):  # a whole number beyond all floats
        if number and math.isfinite(value) and value >= minimum:
            return float(value)
    raise ValueError(f"{name} is {value!r}; a finite number of at least {minimum} is accepted")
