"""The checks of the fields of `Config`, and their limits."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from jnst.common.validation import (
    check_choice,
    choice_of,
    finite_number,
    plain,
    several,
    shown,
    whole_number,
)
from jnst.settings.choices import Optimizer, Schedule, Transformation
from jnst.settings.style_loss_names import style_loss_names

INITS = ("content", "style", "gray", "mean", "noise", "gaussian", "colors")
"""The named first images: see `jnst.runs.initial_image.first_image`."""

LARGEST_SIDE = 100_000  # pixels
SMALLEST_TILE = 16  # pixels
MOST_STEPS = 1_000_000
MOST_LEVELS = 64
LARGEST_NUMBER = 3e38  # of float32
BLENDS = 1e-30, 1e30
"""Limits of the largest `style_blend` share, so that the sum of all shares fits float32."""

Check = Callable[[str, Any], Any]
"""Validates and converts a setting.

Takes the name and the given value, returns a plain value, raises ValueError."""


def whole(minimum: int, maximum: int) -> Check:
    """A whole number in a range."""
    return partial(whole_number, minimum=minimum, maximum=maximum)


def number(minimum: float, maximum: float) -> Check:
    """A finite number in a range."""
    return partial(finite_number, minimum=minimum, maximum=maximum)


weight, share = number(0, LARGEST_NUMBER), number(0, 1)


def choice(literal: Any) -> Check:
    """One of the strings of a `Literal` type."""
    return partial(check_choice, literal=literal)


def any_tile(name: str, value: Any) -> int | str | None:
    """The side of a tile, "auto", or None, which text says as "none"."""
    value = plain(value)
    if value is None or value == "none":
        return None
    if value == "auto":
        return "auto"
    try:
        return whole_number(name, value, minimum=SMALLEST_TILE, maximum=LARGEST_SIDE)
    except ValueError:
        raise ValueError(
            f"{name} is {shown(value)}; a whole number of pixels of at least {SMALLEST_TILE}, "
            "auto or none is accepted"
        ) from None


def list_of(check: Check) -> Check:
    """A list whose entries pass `check`."""
    return lambda name, values: tuple(check(name, value) for value in several(name, values))


def _names(name: str, value: Any) -> tuple[str, ...]:
    value = plain(value)
    names = [value] if isinstance(value, str) else list(map(plain, several(name, value)))
    for each in names:
        if not isinstance(each, str):
            raise ValueError(f"{name} has {shown(each)}; names are accepted")
    return tuple(map(str, names))


def layer_names(name: str, value: Any) -> tuple[str, ...]:
    """A list of layer names, or one name."""
    return _names(name, value)


def loss_names(name: str, value: Any) -> tuple[str, ...]:
    """A list of style losses, or one."""
    names, known = _names(name, value), style_loss_names()
    for loss in names:
        if loss not in known:
            raise ValueError(
                f"{name} is {shown(loss)}; {choice_of(loss, known)}, and names registered by "
                "jnst.register_style_loss or --plugin"
            )
    return names


def init_name(name: str, value: Any) -> str:
    """The name of a first image (`INITS`), or the path of a picture."""
    value = plain(value)
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(
            f"{name} is {shown(value)}; {', '.join(INITS)}, or a picture file is accepted"
        )
    return str(os.fsdecode(value))


def any_optimizer(name: str, value: Any) -> str | Transformation:
    """The name of an optimizer, or an optax optimizer."""
    if callable(getattr(value, "init", None)) and callable(getattr(value, "update", None)):
        try:
            hash(value)
        except TypeError:
            raise ValueError(f"{name} is {shown(value)}, which is not hashable") from None
        return value
    if not isinstance(plain(value), str):
        names = ", ".join(get_args(Optimizer))
        raise ValueError(f"{name} is {shown(value)}; {names} or an optax optimizer is accepted")
    return check_choice(name, value, Optimizer)


def any_rate(name: str, value: Any) -> float | Schedule:
    """A learning rate, or an optax schedule."""
    return value if callable(value) else weight(name, value)
