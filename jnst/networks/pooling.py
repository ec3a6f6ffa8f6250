"""Average and maximum pooling of squares of 2 x 2."""

import functools

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.networks.layers import Pooling


def pool(x: Float[Array, "h w c"], pooling: Pooling) -> Float[Array, "h//2 w//2 c"]:
    """Average or maximum of each 2 x 2 square; an odd last row or column is left out.

    By reshape rather than a window reduction: its gradient is a broadcast, which XLA fuses.
    """
    squares = in_squares(x)
    if pooling == "average":
        return squares.mean((1, 3))
    return functools.reduce(jnp.maximum, [squares[:, i, :, j] for i in (0, 1) for j in (0, 1)])


def in_squares(x: Float[Array, "h w *c"]) -> Float[Array, "h//2 2 w//2 2 *c"]:
    """A map in squares of 2 x 2, without an odd last row or column.

    Their maximum is `jnp.maximum` of the four parts: on CPU, XLA's reduction passes over NaN.
    """
    height, width = x.shape[0] // 2, x.shape[1] // 2
    return x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, *x.shape[2:])
