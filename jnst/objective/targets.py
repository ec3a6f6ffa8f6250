"""What an image is compared with, from the content and the styles.

A *style target* is what is kept of the styles of one region, at one layer, by one style loss; a
*term* is one number that a weight multiplies. Whatever can be asked for is a target or a term:
several styles are mixed inside a target, regions are targets of one term.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst import losses
from jnst.common.brief import brief
from jnst.common.validation import finite_number
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.vgg import check_image, extract_features
from jnst.objective.extra_terms import ExtraTerms, Term, check_extra_terms, functions_of
from jnst.objective.margin import add_margin, visible_maps
from jnst.objective.regions import masked_variation, position_weights, propagate_mask
from jnst.objective.style_losses import StyleLoss, named_style_loss
from jnst.settings.config import Config, StyleTerm

Image = Float[Array, "h w 3"]
Mask = Float[Array, "h w"]

SMALLEST_STEP = 1e-2
"""Between pixels, of a style that is flatter: it must not flatten the picture."""


class Style(struct.PyTreeNode):
    """A style image (H, W, 3) sRGB in [0, 1], how much it counts, and where.

    `weight` is its share among the styles of its region; `mask` (H, W) in [0, 1] is the part of it
    that counts, all of it if None; `region` is the number of the content's mask it is for.
    """

    image: Image
    weight: Float[Array, ""] | float = 1.0
    mask: Mask | None = None
    region: int = struct.field(pytree_node=False, default=0)

    def __repr__(self) -> str:
        return brief(self)


Maps = Mapping[str, tuple[Array, Mask | None]]
"""The features of a style by layer, and how much their positions count."""


VARIATIONS: Mapping[str, Callable[[Image], Array]] = {
    "l2": losses.total_variation_loss,
    "l1": partial(losses.total_variation_loss, norm="l1"),
    "nine_point": losses.nine_point_variation_loss,
}


class StyleTarget(struct.PyTreeNode):
    """The statistic of the styles of one region, and the positions (H, W) of the image it is for.

    `share` is the target's part of its term, `scale` what its loss is divided by.
    """

    statistic: Any
    share: Float[Array, ""]
    scale: Float[Array, ""]
    weights: Mask | None

    def __repr__(self) -> str:
        return brief(self)


class Targets(struct.PyTreeNode):
    """What the image is compared with, and how.

    `content` holds feature maps (H, W, C) by layer, `style` the targets of each style term.
    `original` is the content, which the Laplacian is compared with. `fixed` is an image and where
    (H, W) it stands whatever is optimised, `previous` one that the temporal term is compared with,
    and where. The total variation is taken in units of `total_variation`, the styles' own under the
    relative convention and else 1. `extra` has the functions of a program's own terms. The image
    that all this is for has `layout.margin` pixels on each side that are no part of the picture.
    """

    content: Mapping[str, Float[Array, "_h _w _c"]]
    style: Mapping[str, tuple[StyleTarget, ...]]
    original: Image
    fixed: tuple[Image, Mask] | None
    previous: tuple[Image, Mask] | None
    total_variation: Float[Array, ""]
    layout: Config = struct.field(pytree_node=False)
    extra: tuple[tuple[str, Term], ...] = struct.field(pytree_node=False, default=())

    def __repr__(self) -> str:
        return brief(self)


def make_targets(
    network: FeatureNetwork,
    content: Image,
    style: Float[Array, "_h _w 3"] | Style | Sequence[Style],
    config: Config,
    *,
    regions: Float[Array, "n h w"] | None = None,
    previous: tuple[Image, Mask] | None = None,
    extra_terms: ExtraTerms | None = None,
) -> Targets:
    """Features of the content and statistics of the styles, at the layers `config` names.

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
    config.check_network(strides, own_terms=bool(extra))
    styles = _as_styles(style, regions)
    check_image("content", content, config.content_layers, strides)
    for each in styles:
        check_image("style", each.image, config.style_layers, strides)
    content, styles, regions, previous = jax.tree.map(
        partial(jnp.asarray, dtype=content.dtype), (content, styles, regions, previous)
    )
    original = add_margin(content, config.margin)
    content_maps = extract_features(
        network,
        original,
        config.content_layers,
        pooling=config.pooling,
        precision=config.precision,
    )
    parts = _regions(styles, regions, config.margin)
    described = [(each, _style_maps(network, each, config)) for each in styles]
    style_targets = {
        term.name: tuple(
            target
            for part in parts
            for target in _targets_of_part(term, part, described, config, strides)
        )
        for term in config.style_terms()
    }
    fixed = (original, _without_style(parts)) if regions is not None and parts else None
    if config.temporal_weight and previous is None:
        raise ValueError("temporal_weight is given without a previous frame")
    if previous is not None:
        image, mask = previous
        padded = add_margin(mask[..., None], config.margin)[..., 0]
        previous = add_margin(image, config.margin), padded
    if not config.temporal_weight and previous is not None:
        fixed, previous = _both_fixed(fixed, previous), None
    variation = _variation(styles, config, content.dtype)
    return Targets(
        content_maps,
        style_targets,
        original,
        fixed,
        previous,
        variation,
        config.layout(),
        functions_of(extra),
    )


class _Part(struct.PyTreeNode):
    """A region of the content that has styles: its mask with the margin, and its share."""

    region: int = struct.field(pytree_node=False)
    mask: Mask | None
    share: Float[Array, ""]


def _as_styles(
    style: Float[Array, "_h _w 3"] | Style | Sequence[Style], regions: Float[Array, "n h w"] | None
) -> tuple[Style, ...]:
    if isinstance(style, Style):
        styles = [style]
    elif isinstance(style, list | tuple):
        styles = list(style)
    else:
        styles = [Style(cast(Image, style))]
    count = 1 if regions is None else len(regions)
    for each in styles:
        if not 0 <= each.region < count:
            raise ValueError(f"a style is for region {each.region}; there are {count}, from 0 on")
        if not isinstance(each.weight, jax.core.Tracer):
            finite_number("a style's weight", float(each.weight), minimum=0)
        if each.mask is not None and each.mask.shape != each.image.shape[:2]:
            raise ValueError(
                f"a style's mask has shape {each.mask.shape}; its image has {each.image.shape[:2]}"
            )
    return tuple(styles)


def _regions(
    styles: Sequence[Style], regions: Float[Array, "n h w"] | None, margin: int
) -> list[_Part]:
    if regions is None:
        return [_Part(0, None, jnp.ones_like(styles[0].weight))] if styles else []
    numbers = sorted({each.region for each in styles})
    masks = [add_margin(regions[number][..., None], margin)[..., 0] for number in numbers]
    areas = [jnp.square(regions[number]).sum() for number in numbers]
    total = jnp.maximum(sum(areas), jnp.finfo(regions.dtype).tiny) if areas else 1
    return [
        _Part(number, mask, area / total)
        for number, mask, area in zip(numbers, masks, areas, strict=True)
    ]


def _without_style(parts: Sequence[_Part]) -> Mask:
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


def _style_maps(
    network: FeatureNetwork, style: Style, config: Config
) -> dict[str, tuple[Array, Mask | None]]:
    """Features of a style inside the margin, and the weights of their positions, by layer."""
    strides = strides_of(network)
    image = add_margin(style.image, config.margin)
    layers = dict.fromkeys(config.style_layers)
    features = extract_features(
        network, image, layers, pooling=config.pooling, precision=config.precision
    )
    mask = None
    if style.mask is not None:
        mask = add_margin(style.mask[..., None], config.margin)[..., 0]
    return {
        layer: (
            visible_maps(maps, image, config.margin, strides[layer]),
            _weights(mask, layer, config, strides),
        )
        for layer, maps in features.items()
    }


def _weights(
    mask: Mask | None, layer: str, config: Config, strides: Mapping[str, int]
) -> Mask | None:
    if mask is None:
        return None
    seen = propagate_mask(mask, layer, config.mask_propagation, strides=strides)
    return position_weights(visible_maps(seen, mask, config.margin, strides[layer]))


def _targets_of_part(
    term: StyleTerm,
    part: _Part,
    described: Sequence[tuple[Style, Maps]],
    config: Config,
    strides: Mapping[str, int],
) -> list[StyleTarget]:
    """One target where the loss can mix styles, else one for each style."""
    loss = named_style_loss(term.loss)
    styles = [
        (style, *maps[term.layer]) for style, maps in described if style.region == part.region
    ]
    masked = part.mask is not None or any(weights is not None for *_, weights in styles)
    if masked and not loss.takes_masks:
        raise ValueError(f"style loss {term.loss} takes no masks; gram and wasserstein do")
    dtype = styles[0][1].dtype
    counted = [_any(weights, dtype) for *_, weights in styles]
    shares, counts = _shares([style for style, _, _ in styles], jnp.stack(counted))
    statistics = [loss.describe(maps, weights) for _, maps, weights in styles]
    weights = _weights(part.mask, term.layer, config, strides)
    # A mask may leave nothing of a region or of a style at a deep layer.
    whole = part.share * _any(weights, dtype) * counts
    if loss.mix:
        statistics, shares = [loss.mix(statistics, shares)], jnp.ones(1, dtype)
    return [
        StyleTarget(statistic, whole * share, _scale(loss, statistic, config, dtype), weights)
        for statistic, share in zip(statistics, shares, strict=True)
    ]


def _shares(
    styles: Sequence[Style], counted: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """What part of their region each of the styles has, and 1; without any weight 0, and 0."""
    amounts = jnp.stack([style.weight for style in styles]) * counted
    total = amounts.sum()
    shares = amounts / jnp.maximum(total, jnp.finfo(amounts.dtype).tiny)
    return shares, jnp.where(total == 0, 0, 1).astype(amounts.dtype)


def _any(weights: Mask | None, dtype: Any) -> Float[Array, ""]:
    return jnp.ones((), dtype) if weights is None else (weights.sum() != 0).astype(dtype)


def _scale(loss: StyleLoss, statistic: Any, config: Config, dtype: Any) -> Float[Array, ""]:
    if config.convention != "relative" or loss.unit is None:
        return jnp.ones((), dtype)
    unit = loss.unit(statistic)
    return jnp.where(unit <= 0, 1, unit)  # of a style without features; NaN stays NaN


def _variation(styles: Sequence[Style], config: Config, dtype: Any) -> Float[Array, ""]:
    if config.convention != "relative" or not styles:
        return jnp.ones((), dtype)
    own = jnp.stack([_own_variation(style, config.variation) for style in styles])
    shares, _ = _shares(styles, jnp.ones_like(own))
    smallest = SMALLEST_STEP if config.variation == "l1" else SMALLEST_STEP**2
    return jnp.maximum(jnp.vdot(shares, own), smallest)


def _own_variation(style: Style, variation: str) -> Float[Array, ""]:
    if style.mask is None:
        return VARIATIONS[variation](style.image)
    return masked_variation(style.image, style.mask, variation)
