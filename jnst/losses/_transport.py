"""Losses of one-dimensional distributions: sliced Wasserstein, histograms of channels."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jnst.losses._common import Scalar


def random_directions(
    key: Key[Array, ""], channels: int, count: int | None = None, *, dtype: Any = jnp.float32
) -> Float[Array, "c p"]:
    """Random unit vectors (C, `count`); by default as many as channels."""
    vectors = jax.random.normal(key, (channels, count or channels), dtype)
    return vectors / jnp.linalg.norm(vectors, axis=0, keepdims=True)


def quantiles(
    features: Float[Array, "h w c"],
    directions: Float[Array, "c p"] | None = None,
    weights: Float[Array, "h w"] | None = None,
    *,
    count: int | None = None,
) -> Float[Array, "q p"]:
    """The sorted projections of features (H, W, C) on each direction, (Q, P).

    Without directions, those of each channel. Q is `count`, by default H W. Quantile q is the value
    below which (q + 1/2) / Q of the positions are, linearly interpolated. `weights` (H, W), at
    least 0 with sum 1, are the weights of the positions.
    """
    values, weights = _sort(features, directions, weights)
    if weights is None:
        return _at(values, _centers(count or len(values), values.dtype))
    centers = _middles(weights)
    points = _centers(count or len(values), values.dtype)
    return jax.vmap(lambda x, y: jnp.interp(points, x, y), 1, 1)(centers, values)


def sliced_wasserstein_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "q p"],
    directions: Float[Array, "c p"] | None = None,
    weights: Float[Array, "h w"] | None = None,
) -> Scalar:
    """Squared sliced Wasserstein distance of features (H, W, C) from the quantiles of a style.

    Mean over directions v and positions of (sort (F v) - sort (S v))^2, where `target` is
    `quantiles` of the style S on the same `directions`; it is stretched linearly to H W positions
    (Heitz, Vanhoey, Chambon, Belcour 2021, "A sliced Wasserstein loss for neural texture
    synthesis", equation 3). `weights` is as in `quantiles`.
    """
    values, weights = _sort(features, directions, weights)
    if weights is None:
        return jnp.square(values - _at(target, _centers(len(values), values.dtype))).mean()
    wanted = _at(target, _middles(weights))
    return (weights * jnp.square(values - wanted)).sum(0).mean()


def histogram_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "q c"],
    weights: Float[Array, "h w"] | None = None,
) -> Scalar:
    """Mean squared distance of features (H, W, C) from themselves after histogram matching.

    mean (F - R(F))^2, where R matches each channel to the style's histogram by a monotone map.
    `target` are the `quantiles` of the style (Risser, Wilmot, Barnes 2017, "Stable and controllable
    neural texture synthesis and style transfer using histogram losses", equation 5, a sum there;
    with exact distributions instead of 256 bins).
    """
    return sliced_wasserstein_loss(features, target, None, weights)


def _sort(
    features: Array, directions: Array | None, weights: Array | None
) -> tuple[Array, Array | None]:
    """Projections (H W, P), each column ascending, and the weights in the same orders."""
    values = features.reshape(-1, features.shape[-1])
    if directions is not None:
        values = values @ directions
    if weights is None:
        return _all_or_none(jnp.sort(values, 0)), None
    spread = jnp.broadcast_to(weights.reshape(-1, 1), values.shape)
    # Positions of weight 0 go to the end, as copies of the largest value.
    largest = jnp.where(spread > 0, values, -jnp.inf).max(0)
    values = jnp.where(spread > 0, values, jnp.where(jnp.isfinite(largest), largest, 0))
    values, spread = jax.lax.sort((values, spread), dimension=0, num_keys=1)
    return _all_or_none(values), spread


def _all_or_none(values: Float[Array, "n p"]) -> Float[Array, "n p"]:
    """Sorted columns; a column with a NaN becomes all NaN, or most quantiles would hide it."""
    return jnp.where(jnp.isnan(values[-1:]), jnp.nan, values)


def _middles(weights: Float[Array, "n p"]) -> Float[Array, "n p"]:
    """The rank of each value in its distribution, in [0, 1], at the middle of its weight."""
    amounts = weights * len(weights)  # equal weights are 1, whose sums are exact
    return (jnp.cumsum(amounts, 0) - amounts / 2) / len(weights)


def _centers(count: int, dtype: Any) -> Float[Array, " n"]:
    return (jnp.arange(count, dtype=dtype) + 0.5) / count


def _at(table: Float[Array, "q p"], points: Array) -> Array:
    """Each column of a table of quantiles at points in (0, 1), linearly interpolated."""
    place = jnp.clip(points * len(table) - 0.5, 0, len(table) - 1)
    below = jnp.floor(place).astype(int)
    share = (place - below.astype(place.dtype)).reshape(len(place), -1)
    below = below.reshape(len(place), -1)
    above = jnp.minimum(below + 1, len(table) - 1)
    low, high = (jnp.take_along_axis(table, index, 0) for index in (below, above))
    return low + share * (high - low)
