"""What is minimised: targets from the content and the style, and the weighted sum of losses."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst import losses
from jnst.config import Config, Terms
from jnst.vgg import Network, Pooling, check_image, extract_features, smallest_side

SMALLEST_VARIATION = 1e-4
"""Total variation of a style with steps of 1/100: a flat one must not flatten the picture."""


class Targets(struct.PyTreeNode):
    """What the image's features are compared with, and how.

    `content` holds feature maps (H, W, C) by layer, `style` Gram matrices (C, C) by layer; the
    total variation is taken in units of `total_variation`, which is the style's own under the
    relative convention and else 1. The image that all this is for has `margin` pixels on each side
    that are no part of the picture.
    """

    content: Mapping[str, Float[Array, "_h _w _c"]]
    style: Mapping[str, Float[Array, "_c _c"]]
    total_variation: Float[Array, ""]
    pooling: Pooling = struct.field(pytree_node=False, default="average")
    convention: losses.Convention = struct.field(pytree_node=False, default="relative")
    margin: int = struct.field(pytree_node=False, default=0)


def make_targets(
    network: Network,
    content: Float[Array, "h w 3"],
    style: Float[Array, "h2 w2 3"],
    config: Config,
) -> Targets:
    """Features of the content and Gram matrices of the style, at the layers `config` names.

    `content` has the size of the result; `style` may have any. Both are sRGB in [0, 1], without
    the margin of `config`: it is added here, so that no target shows the zeros beyond a border.

    Raises:
        ValueError: an image that is too small for the layers.
    """
    check_image("content", content, config.content_layers)
    check_image("style", style, config.style_layers)
    relative = config.convention == "relative"
    variation = losses.total_variation_loss(jnp.asarray(style)) if relative else jnp.float32(1)
    content, style = add_margin(content, config.margin), add_margin(style, config.margin)
    content_maps = extract_features(network, content, config.content_layers, pooling=config.pooling)
    style_maps = extract_features(network, style, config.style_layers, pooling=config.pooling)
    grams = {
        name: losses.gram_matrix(_visible(name, maps, style, config.margin))
        for name, maps in style_maps.items()
    }
    return Targets(
        content_maps,
        grams,
        jnp.maximum(variation, SMALLEST_VARIATION),
        config.pooling,
        config.convention,
        config.margin,
    )


def total_loss(
    network: Network, image: Float[Array, "h w 3"], targets: Targets, weights: Terms
) -> tuple[Float[Array, ""], Terms]:
    """The objective, sum over terms of weight x loss, and the unweighted terms.

    `image` is (H, W, 3) sRGB in [0, 1] (values outside are allowed), of the content's size with
    the margin of `targets` around it. `weights` has a number for each layer of `targets`: see
    `Config.weights`. Gram matrices are those of the picture inside the margin.

    The content loss and the total variation are over the margin too.

    Raises:
        ValueError: an image whose features differ in shape from the targets.
    """
    layers = {**targets.content, **targets.style}
    features = extract_features(network, image, layers, pooling=targets.pooling)
    terms = Terms(
        {
            name: losses.content_loss(features[name], target, convention=targets.convention)
            for name, target in targets.content.items()
        },
        {
            name: losses.style_loss(
                losses.gram_matrix(_visible(name, features[name], image, targets.margin)),
                target,
                convention=targets.convention,
            )
            for name, target in targets.style.items()
        },
        losses.total_variation_loss(image) / targets.total_variation,
    )
    products = jax.tree.map(jnp.multiply, weights, terms)
    return jax.tree.reduce(jnp.add, products), terms


def add_margin(image: Float[Array, "h w c"], margin: int) -> Float[Array, "_h _w c"]:
    """The image with `margin` pixels of its reflection on each side."""
    return jnp.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")


def remove_margin(image: Float[Array, "h w c"], margin: int) -> Float[Array, "_h _w c"]:
    """The image without the outer `margin` pixels on each side."""
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]


def _visible(
    layer: str, features: Float[Array, "h w c"], image: Float[Array, "_h _w 3"], margin: int
) -> Float[Array, "_h2 _w2 c"]:
    """The features of the picture itself: the optimiser would else hide colours in the margin."""
    stride = smallest_side([layer])
    height, width = ((side - 2 * margin) // stride for side in image.shape[:2])
    first = margin // stride
    return features[first : first + height, first : first + width]
