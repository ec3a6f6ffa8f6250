"""Ranges of numbers in the plan of a sweep, as numpy's."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jnst.settings.setting_types import setting_type
from jnst.sweeps.folder import SweepError

RANGES: Mapping[str, Callable[..., np.ndarray]] = {"linspace": np.linspace, "logspace": np.logspace}


def range_values(title: str, field: str, given: Mapping[str, Any], *, most: int) -> list[Any]:
    """The values of a range, whole numbers for a field that takes no others.

    `title` is what messages call the plan.

    Raises:
        SweepError: no range, one of more than `most` values, or one beyond all numbers.
    """
    [(kind, numbers)] = given.items() if len(given) == 1 else [("", ())]
    count = numbers[2] if isinstance(numbers, list) and len(numbers) == 3 else None
    if (
        kind not in RANGES
        or not all(_is_finite(number) for number in numbers)
        or not isinstance(count, int)
        or not 0 <= count <= most
    ):
        raise SweepError(
            f"{title}: {field} is {dict(given)!r}; {{linspace = [first, last, count]}} or "
            "{logspace = [exponent, exponent, count]} is accepted"
        )
    with np.errstate(over="ignore"):
        values = RANGES[kind](*numbers).tolist()
    if not all(map(_is_finite, values)):
        raise SweepError(f"{title}: {field} is {dict(given)!r}, which goes beyond all numbers")
    each, is_list, _ = setting_type(field)
    whole = each is int and not is_list and all(value == round(value) for value in values)
    return [round(value) for value in values] if whole else values


def _is_finite(number: Any) -> bool:
    return isinstance(number, int | float) and abs(number) < sys.float_info.max
