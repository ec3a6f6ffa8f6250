"""What a setting is made of: the checks that fields of `Config` have, and how far they go."""

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
"""The first images that have a name: see `jnst.runs.initial_image.first_image`."""

LARGEST_SIDE = 100_000  # pixels
MOST_STEPS = 1_000_000
MOST_LEVELS = 64
LARGEST_NUMBER = 3e38  # of float32
BLENDS = 1e-30, 1e30
"""Between which lies the largest share of a style, so that their sum is a number of float32."""

Check = Callable[[str, Any], Any]
"""A setting as a plain value, from its name and what was given; ValueError if not accepted."""


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


def list_of(check: Check) -> Check:
    """A list of what `check` accepts."""
    return lambda name, values: tuple(check(name, value) for value in several(name, values))


def _names(name: str, value: Any) -> tuple[str, ...]:
    value = plain(value)
    names = [value] if isinstance(value, str) else list(map(plain, several(name, value)))
    for each in names:
        if not isinstance(each, str):
            raise ValueError(f"{name} has {shown(each)}; names are accepted")
    return tuple(map(str, names))


def layer_names(name: str, value: Any) -> tuple[str, ...]:
    """Layers of a network; one may stand without a list."""
    return _names(name, value)


def loss_names(name: str, value: Any) -> tuple[str, ...]:
    """Style losses; one may stand without a list."""
    names, known = _names(name, value), style_loss_names()
    for loss in names:
        if loss not in known:
            raise ValueError(
                f"{name} is {shown(loss)}; {choice_of(loss, known)}, and what "
                "jnst.register_style_loss, or --plugin, adds"
            )
    return names


def init_name(name: str, value: Any) -> str:
    """A first image that has a name, or the path of one."""
    value = plain(value)
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(
            f"{name} is {shown(value)}; {', '.join(INITS)}, or a picture file is accepted"
        )
    return str(os.fsdecode(value))


def any_optimizer(name: str, value: Any) -> str | Transformation:
    """One of the names, or an optimizer of optax's kind."""
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
    """A learning rate, or a schedule of one."""
    return value if callable(value) else weight(name, value)
