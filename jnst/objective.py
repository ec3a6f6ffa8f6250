"""What is minimised: targets from the content and the style, and the weighted sum of losses."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst import losses
from jnst.config import Config, Terms
from jnst.vgg import Network, Pooling, extract_features


class Targets(struct.PyTreeNode):
    """What the image's features are compared with, and how.

    `content` holds feature maps (H, W, C) by layer, `style` Gram matrices (C, C) by layer.
    """

    content: Mapping[str, Float[Array, "_h _w _c"]]
    style: Mapping[str, Float[Array, "_c _c"]]
    pooling: Pooling = struct.field(pytree_node=False, default="average")
    convention: losses.Convention = struct.field(pytree_node=False, default="relative")


def make_targets(
    network: Network,
    content: Float[Array, "h w 3"],
    style: Float[Array, "h2 w2 3"],
    config: Config,
) -> Targets:
    """Features of the content and Gram matrices of the style, at the layers `config` names.

    `content` has the size of the result; `style` may have any. Both are sRGB in [0, 1].

    Raises:
        ValueError: an image that is too small for the layers.
    """
    content_maps = extract_features(network, content, config.content_layers, pooling=config.pooling)
    style_maps = extract_features(network, style, config.style_layers, pooling=config.pooling)
    return Targets(
        content_maps,
        {name: losses.gram_matrix(features) for name, features in style_maps.items()},
        config.pooling,
        config.convention,
    )


def total_loss(
    network: Network, image: Float[Array, "h w 3"], targets: Targets, weights: Terms
) -> tuple[Float[Array, ""], Terms]:
    """The objective, sum over terms of weight x loss, and the unweighted terms.

    `image` is (H, W, 3) sRGB in [0, 1] (values outside are allowed), of the content's size.
    `weights` has a number for each layer of `targets`: see `Config.weights`.
    """
    features = extract_features(
        network, image, {**targets.content, **targets.style}, pooling=targets.pooling
    )
    terms = Terms(
        {
            name: losses.content_loss(features[name], target, convention=targets.convention)
            for name, target in targets.content.items()
        },
        {
            name: losses.style_loss(
                losses.gram_matrix(features[name]), target, convention=targets.convention
            )
            for name, target in targets.style.items()
        },
        losses.total_variation_loss(image),
    )
    products = jax.tree.map(jnp.multiply, weights, terms)
    return jax.tree.reduce(jnp.add, products), terms
