"""Variation of an image, and its distance from the last frame."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses._common import Scalar, unknown

Norm = Literal["l2", "l1"]
Reduction = Literal["mean", "sum"]


def total_variation_loss(
    image: Float[Array, "h w c"],
    *,
    norm: Norm = "l2",
    reduction: Reduction = "mean",
) -> Scalar:
    """Total variation: the differences d of vertical and horizontal neighbors.

    `image` is (H, W, C). `norm` "l2" takes d^2 (Mahendran and Vedaldi 2015, beta = 2), "l1"
    takes |d| (Rudin, Osher, Fatemi 1992, anisotropic). `reduction` "sum" is the sum of all;
    "mean" is the mean over vertical neighbors plus the mean over horizontal ones.

    Raises:
        ValueError: an unknown norm or reduction.

    >>> image = jnp.array([[[0.0], [0.5]]])  # two pixels of one channel
    >>> float(jnst.total_variation_loss(image)), float(jnst.total_variation_loss(image, norm="l1"))
    (0.25, 0.5)
    """
    vertical, horizontal = jnp.diff(image, axis=0), jnp.diff(image, axis=1)
    match norm:
        case "l2":
            vertical, horizontal = jnp.square(vertical), jnp.square(horizontal)
        case "l1":
            vertical, horizontal = jnp.abs(vertical), jnp.abs(horizontal)
        case _:
            raise unknown("norm", norm, Norm)
    match reduction:
        case "mean":
            # An image of one row or column has no neighbors that way.
            counts = max(1, vertical.size), max(1, horizontal.size)
            return vertical.sum() / counts[0] + horizontal.sum() / counts[1]
        case "sum":
            return vertical.sum() + horizontal.sum()
    raise unknown("reduction", reduction, Reduction)


def temporal_loss(
    image: Float[Array, "h w c"], previous: Float[Array, "h w c"], weights: Float[Array, "h w"]
) -> Scalar:
    """Distance of a frame x from the last one moved to it, w: mean over H W C of weight (x - w)^2.

    `weights` (H, W) is 0 where the motion is not reliable (Ruder, Dosovitskiy, Brox 2016,
    "Artistic style transfer for videos", equation 7).
    """
    return (weights[..., None] * jnp.square(image - previous)).mean()


def nine_point_variation_loss(image: Float[Array, "h w c"]) -> Scalar:
    """Variation with diagonal neighbors too (Crowson 2021, style-transfer-pytorch).

    `image` is (H, W, C), extended by one repeated pixel at each border. The result is a sum of
    means of squared differences: 2/3 times those to the right and below, 1/6 times the diagonal
    ones.
    """
    x = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    inner = x[1:-1, 1:-1]
    straight = jnp.square(x[1:-1, 2:] - inner).mean() + jnp.square(x[2:, 1:-1] - inner).mean()
    down, up = jnp.square(x[1:, 1:] - x[:-1, :-1]), jnp.square(x[1:, :-1] - x[:-1, 1:])
    return 2 / 3 * straight + (down.mean() + up.mean()) / 6
