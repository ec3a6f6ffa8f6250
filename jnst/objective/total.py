"""What is minimized: the weighted sum of losses.

A *term* is one number that a weight multiplies. See `jnst.objective.targets` for what the image
is compared with.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst import losses
from jnst.losses._content import content_loss_of_sum
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.vgg import extract_features
from jnst.objective.extra_terms import extra_term
from jnst.objective.margin import remove_margin, visible_maps
from jnst.objective.style_losses import named_style_loss
from jnst.objective.style_targets import StyleTarget
from jnst.objective.targets import Targets
from jnst.objective.tiled import Measured, measure_in_tiles
from jnst.objective.variations import VARIATIONS
from jnst.settings.layout import Layout
from jnst.settings.style_terms import StyleTerm
from jnst.settings.terms import Terms

Image = Float[Array, "h w 3"]


def total_loss(
    network: FeatureNetwork, image: Image, targets: Targets, weights: Terms
) -> tuple[Float[Array, ""], Terms]:
    """The objective, sum over terms of weight x loss, and the unweighted terms.

    `image` is (H, W, 3) sRGB in [0, 1] (values outside are allowed), of the content's size with
    the margin of `targets` around it. `weights` has a number for each term of `targets`: see
    `Config.weights`. Style statistics and a program's own terms are those of the picture inside the
    margin; the other terms are over the margin too.

    Raises:
        ValueError: an image whose features differ in shape from the targets; `weights` for other
            terms; an own term that is no scalar.
    """
    layout = targets.layout
    strides = strides_of(network)
    image = hold_fixed(image, targets)
    if layout.tiles is None:
        features = extract_features(
            network,
            image,
            layout.layers(),
            pooling=layout.pooling,
            precision=layout.precision,
            mesh=layout.mesh,
        )
        measured = Measured({}, {}, features)
    else:
        measured = measure_in_tiles(network, image, targets)
    content = _content_terms(targets, weights, measured)
    style = _style_terms(image, targets, weights, measured, strides)
    laplacian = None
    if targets.original is not None:
        laplacian = losses.laplacian_loss(image, targets.original, pool=layout.laplacian_pool)
    temporal = None
    if targets.previous is not None:
        temporal = losses.temporal_loss(image, *targets.previous)
    variation = VARIATIONS[layout.variation](image) / targets.total_variation
    extra = _own_terms(image, measured.maps, targets, strides)
    values = Terms(content, style, laplacian, temporal, variation, extra)
    if extra.keys() != weights.extra.keys():
        raise ValueError(
            f"weights are for the own terms {list(weights.extra)}, targets for {list(extra)}; "
            "Config.weights takes the extra_terms that make_targets took"
        )
    products = jax.tree.map(
        lambda weight, value: jnp.asarray(weight, value.dtype) * value, weights, values
    )
    return jax.tree.reduce(jnp.add, products), values


def _content_terms(
    targets: Targets, weights: Terms, measured: Measured
) -> dict[str, Float[Array, ""]]:
    layout, content = targets.layout, {}
    for name, target in targets.content.items():
        if name in measured.squares:
            content[name] = content_loss_of_sum(measured.squares[name], target, layout.convention)
        else:
            maps = _seen(measured.maps[name], weights.content[name], layout)
            content[name] = losses.content_loss(maps, target, convention=layout.convention)
    return content


def _style_terms(
    image: Image,
    targets: Targets,
    weights: Terms,
    measured: Measured,
    strides: Mapping[str, int],
) -> dict[str, Float[Array, ""]]:
    layout, style = targets.layout, {}
    for term in layout.style_terms():
        parts, loss = targets.style[term.name], named_style_loss(term.loss)
        if term.name in measured.sums:
            assert loss.compare is not None
            distances = [
                loss.compare(sums, part.statistic, layout.convention)
                for sums, part in zip(measured.sums[term.name], parts, strict=True)
            ]
        else:
            maps = _seen(measured.maps[term.layer], weights.style[term.name], layout)
            inside = visible_maps(maps, image, layout.margin, strides[term.layer])
            distances = [
                loss(inside, part.weights, part.statistic, layout.convention) for part in parts
            ]
        style[term.name] = _style_term(term, distances, parts, image.dtype)
    return style


def _seen(maps: Array, weight: Array, layout: Layout) -> Array:
    """The maps as a term takes them."""
    return unit_gradient(maps, weight) if layout.normalize_gradients else maps


def _own_terms(
    image: Image, features: Mapping[str, Array], targets: Targets, strides: Mapping[str, int]
) -> dict[str, Float[Array, ""]]:
    """The values of a program's own terms, of the picture inside the margin."""
    if not targets.extra:
        return {}
    margin = targets.layout.margin
    picture = remove_margin(image, margin)
    maps = {
        layer: visible_maps(each, image, margin, strides[layer]) for layer, each in features.items()
    }
    return {name: extra_term(name, function, picture, maps) for name, function in targets.extra}


def hold_fixed(image: Image, targets: Targets) -> Image:
    """The image, and what is fixed where it is: the content where there is no style."""
    if targets.fixed is None:
        return image
    fixed, where = targets.fixed
    return image + where[..., None] * (fixed - image)


@jax.custom_vjp
def unit_gradient(features: Array, weight: Array) -> Array:
    """The features as they are; their gradient is scaled to an L1 norm of `weight`.

    Johnson's neural-style, `-normalize_gradients`: every layer then pulls as hard as its weight
    says. What is optimized is no longer the gradient of one loss.
    """
    return features


unit_gradient.defvjp(
    lambda features, weight: (features, weight),
    lambda weight, gradient: (
        jnp.asarray(weight, gradient.dtype) * gradient / (jnp.abs(gradient).sum() + 1e-8),
        jnp.zeros_like(weight),
    ),
)


def _style_term(
    term: StyleTerm, distances: Sequence[Any], parts: Sequence[StyleTarget], dtype: Any
) -> Float[Array, ""]:
    for distance in distances:
        if jnp.shape(distance) != ():
            raise ValueError(
                f"style loss {term.loss} gives a distance of shape {jnp.shape(distance)}; "
                "a scalar is accepted"
            )
    shares = [part.share / part.scale for part in parts]
    products = [share * distance for share, distance in zip(shares, distances, strict=True)]
    return sum(products, start=jnp.zeros((), dtype))
