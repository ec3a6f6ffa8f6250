"""Shared by the losses: conventions, checks, a safe square root."""

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Convention = Literal["relative", "paper", "code", "johnson"]
Scalar = Float[Array, ""]


def mean_square(target: Array) -> Scalar:
    """The divisor of a relative loss: the mean square of the target, or 1 if it is all zero."""
    scale = jnp.square(target).mean()
    return jnp.where(scale == 0, 1, scale)


def check_same_shape(name: str, array: Array | jax.ShapeDtypeStruct, target: Array) -> None:
    """ValueError unless both have the same shape."""
    if array.shape != target.shape:
        raise ValueError(f"{name} has shape {array.shape}; its target has {target.shape}")


def unknown(name: str, value: str, literal: Any) -> ValueError:
    """The error for a string that is not in a `Literal` type."""
    return ValueError(f"{name} is {value!r}; accepted: {', '.join(get_args(literal))}")


def safe_sqrt(x: Array) -> Array:
    """The square root, and 0 with gradient 0 where x is 0 or negative; NaN stays NaN."""
    nothing = x <= 0
    return jnp.where(nothing, 0, jnp.sqrt(jnp.where(nothing, 1, x)))
