"""Masks of regions, and what a layer of the network sees of them."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.common.validation import check_choice
from jnst.networks.layers import ARCHITECTURES, VGG19
from jnst.networks.pooling import in_squares
from jnst.settings.choices import Propagation


def propagate_mask(
    mask: Float[Array, "h w"],
    layer: str,
    method: Propagation = "simple",
    *,
    strides: Mapping[str, int] = VGG19.strides,
) -> Float[Array, "_h _w"]:
    """A mask (H, W) in [0, 1] at the positions of a layer.

    "simple": the mean of the mask over the pixels that were pooled. "all": the largest value in the
    receptive field, so that a position belongs to a region that it sees anything of. "inside": the
    smallest, so that it belongs only to a region that is all it sees. (Gatys, Ecker, Bethge,
    Hertzmann, Shechtman 2017, "Controlling perceptual factors in neural style transfer",
    section 5.1.)

    Raises:
        ValueError: an unknown method; another than "simple" with the strides of a network that is
            no VGG.
    """
    check_choice("mask propagation", method, Propagation)
    if method == "simple":
        return _block_means(mask, strides[layer])
    vgg = next((each for each in ARCHITECTURES.values() if each.strides == strides), None)
    if vgg is None:
        raise ValueError(
            f"mask_propagation is {method!r}; a network of one's own takes 'simple', as what its "
            "layers see is not known"
        )
    for name in vgg.layers_up_to([layer]):
        if name.startswith("pool"):
            mask = _pool(mask, method)
        elif name.startswith("conv"):
            mask = _spread(mask, method)
    return mask


def position_weights(mask: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """How much each position counts in guided statistics: T^2 / sum T^2 (Gatys et al. 2017).

    A mask that is 0 everywhere counts for nothing.
    """
    squared = jnp.square(mask)
    return squared / jnp.maximum(squared.sum(), jnp.finfo(mask.dtype).tiny)


def masked_variation(
    image: Float[Array, "h w c"], mask: Float[Array, "h w"], variation: str
) -> Float[Array, ""]:
    """The variation "l2", "l1" or "nine_point" of the part of an image that a mask counts.

    The mean over neighbors i, k of |x_i - x_k| or its square, weighted by T_i T_k.
    """
    size = jnp.abs if variation == "l1" else jnp.square
    every, later, earlier = slice(None), slice(1, None), slice(None, -1)

    def mean(one: tuple[slice, slice], other: tuple[slice, slice]) -> Float[Array, ""]:
        weights = mask[one] * mask[other]
        differences = size(image[one] - image[other]).mean(-1)
        return (weights * differences).sum() / jnp.maximum(
            weights.sum(), jnp.finfo(mask.dtype).tiny
        )

    straight = mean((later, every), (earlier, every)) + mean((every, later), (every, earlier))
    if variation != "nine_point":
        return straight
    diagonal = mean((later, later), (earlier, earlier)) + mean((later, earlier), (earlier, later))
    return 2 / 3 * straight + diagonal / 6


def _block_means(mask: Float[Array, "h w"], side: int) -> Float[Array, "_h _w"]:
    height, width = mask.shape[0] // side, mask.shape[1] // side
    blocks = mask[: side * height, : side * width].reshape(height, side, width, side)
    return blocks.mean((1, 3))


def _pool(mask: Float[Array, "h w"], method: Propagation) -> Float[Array, "_h _w"]:
    squares = in_squares(mask)
    parts = [squares[:, i, :, j] for i in (0, 1) for j in (0, 1)]
    return functools.reduce(jnp.maximum if method == "all" else jnp.minimum, parts)


def _spread(mask: Float[Array, "h w"], method: Propagation) -> Float[Array, "h w"]:
    """The largest or smallest value in the 3 x 3 pixels around each."""
    if method == "all":
        return jax.lax.reduce_window(mask, -jnp.inf, jax.lax.max, (3, 3), (1, 1), "SAME")
    return jax.lax.reduce_window(mask, jnp.inf, jax.lax.min, (3, 3), (1, 1), "SAME")
