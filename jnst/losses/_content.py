"""Distances from the content: of features (Gatys 2016), of edges (Li 2017)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses._common import Convention, Scalar, check_same_shape, mean_square, unknown


def content_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "h w c"],
    *,
    convention: Convention = "relative",
) -> Scalar:
    """Squared distance of feature maps F (`features`) and P (`target`), both (H, W, C).

    "paper"     1/2 sum (F - P)^2   (Gatys et al. 2016, equation 1)
    "code"      mean (F - P)^2
    "johnson"   mean (F - P)^2
    "relative"  mean (F - P)^2 / mean P^2  (undivided where P is all zero)

    Raises:
        ValueError: an unknown convention; shapes that differ.

    >>> features = jnp.ones((2, 2, 3))
    >>> float(jnst.content_loss(features, 2 * features))
    0.25
    >>> float(jnst.content_loss(features, 2 * features, convention="paper"))
    6.0
    """
    check_same_shape("features", features, target)
    return content_loss_of_sum(jnp.square(features - target).sum(), target, convention)


def content_loss_of_sum(
    squares: Scalar, target: Float[Array, "h w c"], convention: Convention
) -> Scalar:
    """As `content_loss`, from sum (F - P)^2 over all positions and channels."""
    match convention:
        case "paper":
            return squares / 2
        case "code" | "johnson":
            return squares / target.size
        case "relative":
            return squares / target.size / mean_square(target)
    raise unknown("convention", convention, Convention)


def laplacian_loss(
    image: Float[Array, "h w c"], target: Float[Array, "h w c"], *, pool: int = 4
) -> Scalar:
    """Mean squared distance of the Laplacians of two images, averaged over squares first.

    Both are (H, W, C) in [0, 1]. x is the mean over each `pool` x `pool` square, summed over
    channels; rows and columns beyond the last whole square are left out. D x = 4 x - (its four
    neighbors). The loss is the mean of (D image - D target)^2 over squares with four neighbors
    (Li, Xu, Nie, Chua 2017, "Laplacian-steered neural style transfer", equation 4, a sum there).

    Raises:
        ValueError: shapes that differ, or fewer than 3 x 3 squares.
    """
    check_same_shape("image", image, target)
    height, width = image.shape[0] // pool, image.shape[1] // pool
    if min(height, width) < 3:
        raise ValueError(
            f"image has shape {image.shape}; at least {3 * pool} x {3 * pool} pixels are accepted"
        )
    difference = (image - target)[: height * pool, : width * pool]
    x = difference.reshape(height, pool, width, pool, -1).mean((1, 3)).sum(-1)
    laplacian = 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
    return jnp.square(laplacian).mean()
