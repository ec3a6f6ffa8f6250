"""Losses that match patches or single features to those of the style."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jnst.losses._common import Scalar, safe_sqrt

BLOCK = 1024
"""Number of patches that are compared with all patches of the style at a time."""


def extract_patches(features: Float[Array, "h w c"], *, size: int = 3) -> Float[Array, "n d"]:
    """All `size` x `size` patches of features (H, W, C), each as a row of size^2 C numbers."""
    rows, columns = features.shape[0] - size + 1, features.shape[1] - size + 1
    shifted = [features[i : i + rows, j : j + columns] for i in range(size) for j in range(size)]
    return jnp.concatenate(shifted, -1).reshape(rows * columns, -1)


def patch_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "n d"],
    weights: Float[Array, "h w"] | None = None,
    target_weights: Float[Array, " n"] | Bool[Array, " n"] | None = None,
    *,
    size: int = 3,
) -> Scalar:
    """Mean squared distance of every patch from the style's most similar one.

    mean over patches i of mean (P_i - T_nn(i))^2, nn(i) = argmax_j P_i T_j / (|P_i| |T_j|), with
    `target` the `extract_patches` of the style (Li and Wand 2016, "Combining Markov random fields
    and convolutional neural networks for image synthesis", equations 2 and 3, a sum there). The
    choice of neighbors has no gradient. `weights` (H, W) are the weights of the patches by their
    center; patches of the style with a `target_weights` of 0 are not chosen.
    """
    patches = extract_patches(features, size=size)
    nearest = _nearest(jax.lax.stop_gradient(patches), target, target_weights)
    distances = jnp.square(patches - target[nearest]).mean(-1)
    if weights is None:
        return distances.mean()
    margin = size // 2
    inner = weights[margin : weights.shape[0] - margin, margin : weights.shape[1] - margin].ravel()
    return (inner * distances).sum() / jnp.maximum(inner.sum(), jnp.finfo(inner.dtype).tiny)


def _nearest(patches: Array, target: Array, target_weights: Array | None) -> Array:
    """The target with the largest cosine for each patch; the patch's length does not matter."""
    unit = target / jnp.maximum(jnp.linalg.norm(target, axis=-1, keepdims=True), 1e-12)
    out = 0.0 if target_weights is None else jnp.where(target_weights > 0, 0.0, -jnp.inf)
    return jax.lax.map(lambda patch: jnp.argmax(unit @ patch + out), patches, batch_size=BLOCK)


def contextual_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "h2 w2 c"],
    *,
    bandwidth: float = 0.5,
    epsilon: float = 1e-5,
) -> Scalar:
    """How well each style feature is matched by some feature of the image, at any position.

    -log mean_j max_i w_ij / sum_k w_ik with w_ij = exp ((1 - d_ij / (min_k d_ik + epsilon)) / h).
    h is the bandwidth, d_ij the cosine distance of image feature i and style feature j after the
    mean of the style is subtracted
    (Mechrez, Talmi, Zelnik-Manor 2018, "The contextual loss", equations 2 to 5). The
    matrix of all pairs of positions is in memory: use deep layers.
    """
    mean = target.mean((0, 1))
    image, style = (
        _unit((x - mean[None, None]).reshape(-1, x.shape[-1])) for x in (features, target)
    )
    distances = 1 - image @ style.T
    relative = distances / (distances.min(1, keepdims=True) + epsilon)
    shares = jax.nn.softmax((1 - relative) / bandwidth, axis=1)
    met = jnp.where(jnp.isnan(shares).any(0), jnp.nan, shares.max(0))  # which XLA passes over
    return -jnp.log(met.mean())


def _unit(vectors: Float[Array, "n c"]) -> Float[Array, "n c"]:
    length = safe_sqrt(jnp.square(vectors).sum(-1, keepdims=True))
    return vectors / jnp.maximum(length, 1e-12)
