"""Style losses by name: what is kept of a style, how styles are mixed, how far an image is."""

import dataclasses
import hashlib
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst import losses
from jnst.common.validation import shown
from jnst.losses import Convention
from jnst.losses._common import safe_sqrt
from jnst.settings.style_loss_names import BuiltIn, registered

MOST_PAIRS, MOST_PATCHES = 2**26, 2**29
"""Of positions of the image and of the style: a matrix of them is held, or gone through."""

QUANTILES = 1024
"""Points of a style's distributions that are kept."""

Features = Float[Array, "h w c"]
OtherFeatures = Float[Array, "_h _w c"]
Weights = Float[Array, "h w"] | None
Statistic = Any
Sums = Any


@dataclasses.dataclass(frozen=True)
class StyleLoss:
    """A style loss that any layer can have.

    `describe(features, weights)` is the statistic of a style, any pytree of arrays: features are
    (H, W, C), weights (H, W) with sum 1 say how much each position counts, or are None if all count
    alike.
    `distance(features, weights, statistic, convention)` is the loss of an image, a scalar. A loss
    that needs no more than sums over positions also has `sums(features, weights, statistic)`, any
    pytree, which is added up over the parts of an image, and `compare(sums, statistic,
    convention)`, a scalar: it can be computed in tiles, and needs no `distance`.
    `mix(statistics, shares)` is the statistic between styles; without it an image has a distance
    from each style, weighted. `unit(statistic)` is the loss of features of zeros, which the
    relative convention divides by; without it, the loss has no dimension. One that heeds weights
    `takes_masks`; another is refused where there are masks. Where `mix` is given, the shape of a
    statistic does not depend on the style's size; with `sums`, the mixture of the parts of a style
    is the statistic of the whole.

    Raises:
        ValueError: neither `distance` nor `sums`; `sums` without `compare` and `mix`.
    """

    describe: Callable[[Features, Weights], Statistic]
    distance: Callable[[Features, Weights, Statistic, Convention], Float[Array, ""]] | None = None
    mix: Callable[[Sequence[Statistic], Float[Array, " n"]], Statistic] | None = None
    unit: Callable[[Statistic], Float[Array, ""]] | None = None
    takes_masks: bool = False
    sums: Callable[[Features, Weights, Statistic], Sums] | None = None
    compare: Callable[[Sums, Statistic, Convention], Float[Array, ""]] | None = None

    def __post_init__(self) -> None:
        if self.distance is None and self.sums is None:
            raise ValueError("a style loss has neither distance nor sums; one of them is needed")
        if self.sums is not None and (self.compare is None or self.mix is None):
            raise ValueError("a style loss with sums has compare and mix too")

    def __call__(
        self, features: Features, weights: Weights, statistic: Statistic, convention: Convention
    ) -> Float[Array, ""]:
        """The loss of an image whose features are not in tiles."""
        if self.distance is not None:
            return self.distance(features, weights, statistic, convention)
        assert self.sums is not None and self.compare is not None
        return self.compare(self.sums(features, weights, statistic), statistic, convention)


def _mix_linearly(statistics: Sequence[Statistic], shares: Float[Array, " n"]) -> Statistic:
    return jax.tree.map(
        lambda *values: sum(s * v for s, v in zip(shares, values, strict=True)), *statistics
    )


def _gram(features: Features, weights: Weights) -> Float[Array, "c c"]:
    if weights is None:
        return losses.gram_matrix(features)
    return losses.gram_matrix(safe_sqrt(weights * weights.size)[..., None] * features)


def _gram_sums(features: Features, weights: Weights, _: Array) -> Float[Array, "c c"]:
    return _gram(features, weights)


def _of_grams(loss: Callable[[Array, Array, Convention], Array]) -> StyleLoss:
    return StyleLoss(_gram, mix=_mix_linearly, takes_masks=True, sums=_gram_sums, compare=loss)


def _moment_sums(
    features: Features, weights: Weights, target: losses.Moments
) -> tuple[Float[Array, " c"], Float[Array, "c c"]]:
    """First and second moments about the target's mean.

    About 0 they would lose the variance to rounding; about the mean they could not be added up.
    """
    features = features - target.mean[None, None]
    if weights is None:
        return features.mean((0, 1)), _gram(features, None)
    return jnp.einsum("hw,hwc->c", weights, features), _gram(features, weights)


def _moments_of(
    sums: tuple[Float[Array, " c"], Float[Array, "c c"]], target: losses.Moments
) -> losses.Moments:
    first, second = sums
    return losses.Moments(target.mean + first, second - jnp.outer(first, first))


def _of_moments(loss: Callable[[losses.Moments, losses.Moments], Array]) -> StyleLoss:
    return StyleLoss(
        losses.moments,
        lambda features, weights, target, _: loss(losses.moments(features, weights), target),
        losses.mix_moments,
        unit=lambda target: loss(jax.tree.map(jnp.zeros_like, target), target),
        takes_masks=True,
        sums=_moment_sums,
        compare=lambda sums, target, _: loss(_moments_of(sums, target), target),
    )


class _Rooted(struct.PyTreeNode):
    """Moments of styles; once they are mixed, also the root that every step would compute."""

    moments: losses.Moments
    root: Float[Array, "c c"] | None = None


def _mix_rooted(parts: Sequence[_Rooted], shares: Float[Array, " n"]) -> _Rooted:
    moments = losses.mix_moments([part.moments for part in parts], shares)
    return _Rooted(moments, losses.wasserstein_root(moments))


def _wasserstein(given: losses.Moments, target: _Rooted) -> Float[Array, ""]:
    return losses.wasserstein_loss(given, target.moments, root=target.root)


def _mean_square(quantiles: Float[Array, "q p"]) -> Float[Array, ""]:
    return jnp.square(quantiles).mean()


def _directions(features: Features) -> Float[Array, "c c"]:
    """The same at every step, as L-BFGS needs one loss; Heitz et al. 2021 draw them anew."""
    return losses.random_directions(jax.random.key(0), features.shape[-1], dtype=features.dtype)


def _patches(features: Features, weights: Weights) -> tuple[Array, Array | None]:
    features, weights = _three_by_three(features, weights)
    inner = None if weights is None else weights[1:-1, 1:-1].ravel()
    return losses.extract_patches(features), inner


def _patch_distance(
    features: Features, weights: Weights, target: tuple[Array, Array | None], _: Convention
) -> Float[Array, ""]:
    _check_pairs("patches", features[..., 0].size * len(target[0]), MOST_PATCHES)
    features, weights = _three_by_three(features, weights)
    return losses.patch_loss(features, target[0], weights, target[1])


def _patch_unit(target: tuple[Array, Array | None]) -> Float[Array, ""]:
    """All patches are as similar to one of zeros: it is compared with the first that counts."""
    patches, weights = target
    first = 0 if weights is None else jnp.argmax(weights > 0)
    return jnp.square(patches[first]).mean()


def _three_by_three(
    features: Features, weights: Weights
) -> tuple[OtherFeatures, Float[Array, "_h _w"] | None]:
    """Maps of deep layers may have no 3 x 3 patch: their border is repeated."""
    missing = [max(0, 3 - side) for side in features.shape[:2]]
    before = [(side, 0) for side in missing]
    if weights is not None:
        weights = jnp.pad(weights, before, "edge")
    return jnp.pad(features, [*before, (0, 0)], "edge"), weights


def _check_pairs(name: str, pairs: int, most: int) -> None:
    if pairs > most:
        raise ValueError(
            f"style loss {name} compares {pairs} pairs of positions; at most {most} are accepted: "
            "take deeper layers or a smaller size"
        )


def _contextual(
    features: Features, weights: Weights, target: OtherFeatures, _: Convention
) -> Float[Array, ""]:
    _check_pairs("contextual", features[..., 0].size * target[..., 0].size, MOST_PAIRS)
    return losses.contextual_loss(features, target)


STYLE_LOSSES: Mapping[str, StyleLoss] = types.MappingProxyType(
    {
        "gram": _of_grams(
            lambda gram, target, convention: losses.style_loss(gram, target, convention=convention)
        ),
        "balanced_gram": _of_grams(lambda gram, target, _: losses.balanced_gram_loss(gram, target)),
        "mean_variance": _of_moments(losses.mean_variance_loss),
        "covariance": _of_moments(losses.covariance_loss),
        "gram_mean_deviation": _of_moments(losses.gram_mean_deviation_loss),
        "wasserstein": StyleLoss(
            lambda features, weights: _Rooted(losses.moments(features, weights)),
            lambda features, weights, target, _: _wasserstein(
                losses.moments(features, weights), target
            ),
            _mix_rooted,
            unit=lambda target: _wasserstein(jax.tree.map(jnp.zeros_like, target.moments), target),
            takes_masks=True,
            sums=lambda features, weights, target: _moment_sums(features, weights, target.moments),
            compare=lambda sums, target, _: _wasserstein(_moments_of(sums, target.moments), target),
        ),
        "sliced_wasserstein": StyleLoss(
            lambda features, weights: losses.quantiles(
                features, _directions(features), weights, count=QUANTILES
            ),
            lambda features, weights, target, _: losses.sliced_wasserstein_loss(
                features, target, _directions(features), weights
            ),
            _mix_linearly,
            unit=_mean_square,
            takes_masks=True,
        ),
        "histogram": StyleLoss(
            lambda features, weights: losses.quantiles(features, None, weights, count=QUANTILES),
            lambda features, weights, target, _: losses.histogram_loss(features, target, weights),
            _mix_linearly,
            unit=_mean_square,
            takes_masks=True,
        ),
        "patches": StyleLoss(
            _patches,
            _patch_distance,
            unit=_patch_unit,
            takes_masks=True,
        ),
        "contextual": StyleLoss(lambda features, _: features, _contextual),
    }
)
"""The library's own by name: see `jnst.losses` for the formulas and the papers."""


def register_style_loss(name: str, loss: StyleLoss) -> None:
    """Give a style loss of one's own a name, which `Config`, plans and the command then accept.

    The command takes the module that does so by `--plugin`. Another loss may take the name later,
    as when a cell of a notebook is run again: JAX then forgets all that it has compiled.

    Raises:
        ValueError: the name is no identifier or one of the library's; no `StyleLoss`.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"the name of a style loss is {shown(name)}; an identifier is accepted")
    if name in get_args(BuiltIn):
        raise ValueError(f"style loss {name} is the library's own; another name is accepted")
    if not isinstance(loss, StyleLoss):
        raise ValueError(f"style loss {name} is {shown(loss)}; a jnst.StyleLoss is accepted")
    if registered.get(name, loss) != loss:
        jax.clear_caches()
    registered[name] = loss


def fingerprint(name: str) -> str:
    """What tells an own style loss from another of its name: the source that it is written in."""
    loss, texts = registered[name], []
    functions = (loss.describe, loss.distance, loss.mix, loss.unit, loss.sums, loss.compare)
    for function in filter(None, functions):
        try:
            texts.append(inspect.getsource(inspect.getmodule(function) or function))
        except (OSError, TypeError):  # typed into a console
            texts.append(repr(getattr(function, "__code__", function)))
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def named_style_loss(name: str) -> StyleLoss:
    """The style loss of one of the `style_loss_names`."""
    return registered[name] if name in registered else STYLE_LOSSES[name]
