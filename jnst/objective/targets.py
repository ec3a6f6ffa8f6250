"""What an image is compared with, from the content and the styles.

A *term* is one number that a weight multiplies. Whatever can be asked for is a target or a term:
several styles are mixed inside a target, regions are targets of one term.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.common.brief import brief
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.vgg import check_image, extract_features
from jnst.objective.extra_terms import ExtraTerms, Term, check_extra_terms, functions_of
from jnst.objective.margin import add_margin
from jnst.objective.style_targets import (
    Description,
    Part,
    Style,
    StyleTarget,
    as_styles,
    describe_style,
    mixed_targets,
    regions_of,
    shares_of,
)
from jnst.objective.tiled import check_tiles, features_in_tiles
from jnst.settings.config import Config
from jnst.settings.config_checks import check_for_network
from jnst.settings.layout import Layout

Image = Float[Array, "h w 3"]
Mask = Float[Array, "h w"]
Maps = Mapping[str, Float[Array, "_h _w _c"]]

FLATTEST_STEP = 1e-2
"""Between pixels, of a style that is flatter: it must not flatten the picture."""


class Targets(struct.PyTreeNode):
    """What the image is compared with, and how.

    `content` holds feature maps (H, W, C) by layer, `style` the targets of each style term.
    `original` is the content if the Laplacian is compared with it. `fixed` is an image and where
    (H, W) it stands whatever is optimized, `previous` one that the temporal term is compared with,
    and where. The total variation is taken in units of `total_variation`, the styles' own under the
    relative convention and else 1. `extra` has the functions of a program's own terms. The image
    that all this is for has `layout.margin` pixels on each side that are no part of the picture.
    """

    content: Mapping[str, Float[Array, "_h _w _c"]]
    style: Mapping[str, tuple[StyleTarget, ...]]
    original: Image | None
    fixed: tuple[Image, Mask] | None
    previous: tuple[Image, Mask] | None
    total_variation: Float[Array, ""]
    layout: Layout = struct.field(pytree_node=False)
    extra: tuple[tuple[str, Term], ...] = struct.field(pytree_node=False, default=())

    def __repr__(self) -> str:
        return brief(self)


def make_targets(
    network: FeatureNetwork,
    content: Image,
    style: Float[Array, "_h _w 3"] | Style | Sequence[Style],
    config: Config | Layout,
    *,
    regions: Float[Array, "n h w"] | None = None,
    previous: tuple[Image, Mask] | None = None,
    extra_terms: ExtraTerms | None = None,
) -> Targets:
    """Features of the content and statistics of the styles, at the layers `config` names.

    `config` is the settings, or their `Config.layout`, which is static under jit whatever the
    weights are.

    `content` has the size of the result; styles may have any. All are sRGB in [0, 1], without the
    margin of `config`: it is added here, so that no target shows the zeros beyond a border.
    Styles of one region are mixed by their weights; if all are 0 it has no style loss. Targets have
    the content's type. `regions` are the content's masks in [0, 1];
    without them there is one region, everything. The share of a region is its area's. What is in no
    region that has a style keeps its content. `previous` is what the last frame of a video
    became, moved to this one, and a mask (H, W) of where that is reliable: there the image is held
    to it by `temporal_weight`, or is it, if that is 0. `extra_terms` has further terms by name, a
    weight and a function of the image without its margin and of its features by layer; weights are
    for `Config.weights`, functions are static under jit.

    Raises:
        ValueError: layers that the network has not; an image that is too small for them; a style
            for a region that is not there, or a mask of another size than its image.
    """
    extra = check_extra_terms(extra_terms)
    strides = strides_of(network)
    layout = config.layout() if isinstance(config, Config) else config
    check_for_network(layout, strides, own_terms=bool(extra))
    check_tiles(network, layout, own_terms=bool(extra))
    styles = as_styles(style, regions)
    check_image("content", content, layout.content_layers, strides)
    for each in styles:
        check_image("style", each.image, layout.style_layers, strides)
    content, styles, regions, previous = jax.tree.map(
        partial(jnp.asarray, dtype=content.dtype), (content, styles, regions, previous)
    )
    targets = join_targets(
        network,
        content,
        describe_content(network, content, layout),
        [
            describe_style(network, each.image, each.mask, layout).replace(
                weight=each.weight, region=each.region
            )
            for each in styles
        ],
        layout,
        regions=regions,
        previous=previous,
    )
    return targets.replace(extra=functions_of(extra))


def describe_content(network: FeatureNetwork, content: Image, layout: Layout) -> Maps:
    """What is kept of a content, without a margin: its features, which have the margin."""
    image = add_margin(content, layout.margin)
    if layout.tiles is not None and layout.content_layers:
        return features_in_tiles(network, image, layout.content_layers, layout)
    return extract_features(
        network,
        image,
        layout.content_layers,
        pooling=layout.pooling,
        precision=layout.precision,
        mesh=layout.mesh,
    )


def join_targets(
    network: FeatureNetwork,
    content: Image,
    maps: Maps,
    styles: Sequence[Description],
    layout: Layout,
    *,
    regions: Float[Array, "n h w"] | None = None,
    previous: tuple[Image, Mask] | None = None,
) -> Targets:
    """As `make_targets`, from what is kept of the content and of each of the styles."""
    if layout.temporal and previous is None:
        raise ValueError("temporal_weight is given without a previous frame")
    strides = strides_of(network)
    original = add_margin(content, layout.margin)
    parts = regions_of(styles, regions, layout.margin)
    style_targets = {
        term.name: tuple(
            target
            for part in parts
            for target in mixed_targets(term, part, styles, layout, strides)
        )
        for term in layout.style_terms()
    }
    fixed = (original, _without_style(parts)) if regions is not None and parts else None
    if previous is not None:
        image, mask = previous
        padded = add_margin(mask[..., None], layout.margin)[..., 0]
        previous = add_margin(image, layout.margin), padded
    if not layout.temporal and previous is not None:
        fixed, previous = _both_fixed(fixed, previous), None
    variation = _variation(styles, layout, content.dtype)
    return Targets(
        maps,
        style_targets,
        original if layout.laplacian else None,
        fixed,
        previous,
        variation,
        layout,
    )


def _without_style(parts: Sequence[Part]) -> Mask:
    masks = [part.mask for part in parts if part.mask is not None]
    return 1 - jnp.clip(jnp.stack(masks).sum(0), 0, 1)


def _both_fixed(first: tuple[Image, Mask] | None, second: tuple[Image, Mask]) -> tuple[Image, Mask]:
    """One image of two, the first of which stands before the second."""
    if first is None:
        return second
    share = (1 - first[1]) * second[1]
    where = first[1] + share
    part = share / jnp.maximum(where, jnp.finfo(where.dtype).tiny)
    return first[0] + part[..., None] * (second[0] - first[0]), where


def _variation(styles: Sequence[Description], layout: Layout, dtype: jnp.dtype) -> Float[Array, ""]:
    """The unit of the total variation: the styles' own, as they are mixed."""
    if layout.convention != "relative" or not styles:
        return jnp.ones((), dtype)
    own = jnp.stack([style.variation for style in styles])
    shares, _ = shares_of(styles, jnp.ones_like(own))
    smallest = FLATTEST_STEP if layout.variation == "l1" else FLATTEST_STEP**2
    return jnp.maximum(jnp.vdot(shares, own), smallest)
