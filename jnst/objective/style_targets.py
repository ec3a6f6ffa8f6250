"""What is kept of the styles: at each layer, by each style loss, for each region of the image.

A *style target* is what is kept of the styles of one region by one style term. A style is described
by itself first; styles of one region are then mixed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.common.brief import brief
from jnst.common.validation import finite_number
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.vgg import extract_features
from jnst.objective.margin import add_margin, visible_maps
from jnst.objective.regions import position_weights, propagate_mask
from jnst.objective.style_losses import StyleLoss, named_style_loss
from jnst.objective.tiled import describe_in_tiles
from jnst.objective.variations import variation_of
from jnst.settings.layout import Layout
from jnst.settings.style_terms import StyleTerm

Image = Float[Array, "h w 3"]
Mask = Float[Array, "h w"]


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


class Description(struct.PyTreeNode):
    """What is kept of one style: the statistic of each style term by its name.

    `counted` is for each layer 1, or 0 where the mask leaves nothing of the style; `variation` is
    the style's own total variation. `weight` and `region` are those of `Style`.
    """

    statistics: Mapping[str, Any]
    counted: Mapping[str, Float[Array, ""]]
    variation: Float[Array, ""]
    weight: Float[Array, ""] | float = 1.0
    region: int = struct.field(pytree_node=False, default=0)

    def __repr__(self) -> str:
        return brief(self)


class Part(struct.PyTreeNode):
    """A region of the content that has styles: its mask with the margin, and its share."""

    region: int = struct.field(pytree_node=False)
    mask: Mask | None
    share: Float[Array, ""]


def as_styles(
    style: Float[Array, "_h _w 3"] | Style | Sequence[Style], regions: Float[Array, "n h w"] | None
) -> tuple[Style, ...]:
    """The styles as `Style`; ValueError for a weight, a mask or a region that is not accepted."""
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


def describe_style(
    network: FeatureNetwork, image: Image, mask: Mask | None, layout: Layout
) -> Description:
    """What is kept of a style image, without a margin, and of the part of it that counts.

    Raises:
        ValueError: a mask for a loss that takes none.
    """
    if mask is not None:
        _check_masks_are_taken(layout.style_terms())
    strides = strides_of(network)
    padded = add_margin(image, layout.margin)
    layers = tuple(dict.fromkeys(layout.style_layers))
    wide = None if mask is None else add_margin(mask[..., None], layout.margin)[..., 0]
    weights = {layer: weights_at(wide, layer, layout, strides) for layer in layers}
    if layout.tiles is not None and layers:
        statistics, features = describe_in_tiles(network, padded, layers, weights, layout)
    else:
        statistics, features = (
            {},
            extract_features(
                network,
                padded,
                layers,
                pooling=layout.pooling,
                precision=layout.precision,
                mesh=layout.mesh,
            ),
        )
    for term in layout.style_terms():
        if term.name not in statistics:
            layer = term.layer
            maps = visible_maps(features[layer], padded, layout.margin, strides[layer])
            describe = named_style_loss(term.loss).describe
            statistics[term.name] = describe(maps, weights[layer])
    return Description(
        statistics,
        {layer: _any(weights[layer], image.dtype) for layer in layers},
        variation_of(image, mask, layout.variation),
    )


def regions_of(
    styles: Sequence[Description], regions: Float[Array, "n h w"] | None, margin: int
) -> list[Part]:
    """The regions of the content that have styles."""
    if regions is None:
        return [Part(0, None, jnp.ones_like(styles[0].weight))] if styles else []
    numbers = sorted({each.region for each in styles})
    masks = [add_margin(regions[number][..., None], margin)[..., 0] for number in numbers]
    areas = [jnp.square(regions[number]).sum() for number in numbers]
    total = jnp.maximum(sum(areas), jnp.finfo(regions.dtype).tiny) if areas else 1
    return [
        Part(number, mask, area / total)
        for number, mask, area in zip(numbers, masks, areas, strict=True)
    ]


def weights_at(
    mask: Mask | None, layer: str, layout: Layout, strides: Mapping[str, int]
) -> Float[Array, "_h _w"] | None:
    """How much the positions of a layer count, inside the margin, by a mask with the margin."""
    if mask is None:
        return None
    seen = propagate_mask(mask, layer, layout.mask_propagation, strides=strides)
    return position_weights(visible_maps(seen, mask, layout.margin, strides[layer]))


def mixed_targets(
    term: StyleTerm,
    part: Part,
    styles: Sequence[Description],
    layout: Layout,
    strides: Mapping[str, int],
) -> list[StyleTarget]:
    """One target where the loss can mix styles, else one for each style.

    Raises:
        ValueError: the loss takes no masks.
    """
    loss = named_style_loss(term.loss)
    mine = [style for style in styles if style.region == part.region]
    if part.mask is not None:
        _check_masks_are_taken([term])
    counted = jnp.stack([style.counted[term.layer] for style in mine])
    dtype = counted.dtype
    shares, counts = shares_of(mine, counted)
    statistics = [style.statistics[term.name] for style in mine]
    weights = weights_at(part.mask, term.layer, layout, strides)
    # A mask may leave nothing of a region or of a style at a deep layer.
    whole = part.share * _any(weights, dtype) * counts
    if loss.mix:
        statistics, shares = [loss.mix(statistics, shares)], jnp.ones(1, dtype)
    return [
        StyleTarget(statistic, whole * share, _scale(loss, statistic, layout, dtype), weights)
        for statistic, share in zip(statistics, shares, strict=True)
    ]


def shares_of(
    styles: Sequence[Description], counted: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """What part of their region each of the styles has, and 1; without any weight 0, and 0."""
    amounts = jnp.stack([jnp.asarray(style.weight, counted.dtype) for style in styles]) * counted
    total = amounts.sum()
    shares = amounts / jnp.maximum(total, jnp.finfo(amounts.dtype).tiny)
    return shares, jnp.where(total == 0, 0, 1).astype(amounts.dtype)


def _any(weights: Mask | None, dtype: Any) -> Float[Array, ""]:
    return jnp.ones((), dtype) if weights is None else (weights.sum() != 0).astype(dtype)


def _scale(loss: StyleLoss, statistic: Any, layout: Layout, dtype: Any) -> Float[Array, ""]:
    if layout.convention != "relative" or loss.unit is None:
        return jnp.ones((), dtype)
    unit = loss.unit(statistic)
    return jnp.where(unit <= 0, 1, unit)  # of a style without features; NaN stays NaN


def _check_masks_are_taken(terms: Sequence[StyleTerm]) -> None:
    for term in terms:
        if not named_style_loss(term.loss).takes_masks:
            raise ValueError(f"style loss {term.loss} takes no masks; gram and wasserstein do")
