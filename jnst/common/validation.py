"""Checks of arguments; their messages say what was given and what is accepted."""

import contextlib
import difflib
import math
import numbers
from collections.abc import Iterable, Mapping, Set
from typing import Any, get_args

_LONGEST = 80  # characters of a value in a message


def plain(value: Any) -> Any:
    """A scalar of NumPy, JAX or another library as a Python scalar; other values unchanged."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def shown(value: Any) -> str:
    """`repr` of a value for a message: one line, shortened to 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number too long to write"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def did_you_mean(value: Any, known: Iterable[str]) -> str:
    """Text for a message, such as "did you mean 'size'? "; "" if no known name is similar."""
    nearest = difflib.get_close_matches(value, list(known), n=1) if isinstance(value, str) else ()
    return f"did you mean {nearest[0]!r}? " if nearest else ""


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """ "unknown setting 'sise'; did you mean 'size'? known: size, steps", for a message."""
    names = list(known)
    return f"unknown {what} {name!r}; {did_you_mean(name, names)}known: {', '.join(names)}"


def choice_of(value: Any, known: Iterable[str]) -> str:
    """ "did you mean 'size'? accepted: size, steps", for a message."""
    names = list(known)
    return f"{did_you_mean(value, names)}accepted: {', '.join(names)}"


def true_or_false(name: str, value: Any) -> bool:
    """`value` as a bool; ValueError unless it is True or False."""
    value = plain(value)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}; True or False is accepted")
    return value


def check_choice(name: str, value: Any, literal: Any) -> str:
    """`value` as text; ValueError unless it is one of the strings of a `Literal` type."""
    return check_name(name, value, get_args(literal))


def check_name(name: str, value: Any, known: Iterable[str]) -> str:
    """`value` as text; ValueError unless it is one of the names."""
    value, names = plain(value), list(known)
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name} is {shown(value)}; {choice_of(value, names)}")
    return str(value)


def several(name: str, value: Any) -> tuple[Any, ...]:
    """`value` as a tuple; ValueError unless it is a list of some kind."""
    value = plain(value)
    if isinstance(value, str | bytes | Mapping | Set) or not isinstance(value, Iterable):
        raise ValueError(f"{name} is {shown(value)}; a list is accepted")
    return tuple(value)


def whole_number(name: str, value: Any, *, minimum: int, maximum: int | None = None) -> int:
    """`value` as an int; ValueError unless it is a whole number in this range."""
    value = plain(value)
    number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not number or value < minimum or (maximum is not None and value > maximum):
        raise ValueError(
            f"{name} is {shown(value)}; a whole number of {_range(minimum, maximum)} is accepted"
        )
    return int(value)


def finite_number(name: str, value: Any, *, minimum: float, maximum: float | None = None) -> float:
    """`value` as a float; ValueError unless it is a finite number in this range."""
    value = plain(value)
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    with contextlib.suppress(OverflowError):  # a whole number beyond all floats
        inside = number and math.isfinite(value) and value >= minimum
        if inside and (maximum is None or value <= maximum):
            return float(value)
    raise ValueError(
        f"{name} is {shown(value)}; a finite number of {_range(minimum, maximum)} is accepted"
    )


def _range(minimum: float, maximum: float | None) -> str:
    return f"at least {minimum}" + ("" if maximum is None else f" and at most {maximum}")
