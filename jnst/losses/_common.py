"""What the losses share: the scales of the literature, and checks."""

from typing import Any, Literal, get_args

import jax.numpy as jnp
from jaxtyping import Array, Float

Convention = Literal["relative", "paper", "code", "johnson"]
Scalar = Float[Array, ""]


def mean_square(target: Array) -> Scalar:
    """What a relative loss is divided by: 1 for a target of zeros, a layer that is dead on it."""
    scale = jnp.square(target).mean()
    return jnp.where(scale == 0, 1, scale)


def check_same_shape(name: str, array: Array, target: Array) -> None:
    """ValueError unless both have one shape."""
    if array.shape != target.shape:
        raise ValueError(f"{name} has shape {array.shape}; its target has {target.shape}")


def unknown(name: str, value: str, literal: Any) -> ValueError:
    """The error for a string that is none of a `Literal` type's."""
    return ValueError(f"{name} is {value!r}; accepted: {', '.join(get_args(literal))}")


def safe_sqrt(x: Array) -> Array:
    """The square root, and 0 with gradient 0 where x is 0 or negative; NaN stays NaN."""
    nothing = x <= 0
    return jnp.where(nothing, 0, jnp.sqrt(jnp.where(nothing, 1, x)))
