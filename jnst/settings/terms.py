"""One number for each term of the objective."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.common.brief import brief

if TYPE_CHECKING:
    from jnst.settings.config import Config


class Terms(struct.PyTreeNode):
    """One number for each term of the objective: the terms themselves, or their weights."""

    content: Mapping[str, Float[Array, ""]]
    style: Mapping[str, Float[Array, ""]]
    laplacian: Float[Array, ""] | None
    temporal: Float[Array, ""] | None
    total_variation: Float[Array, ""]
    extra: Mapping[str, Float[Array, ""]] = struct.field(default_factory=dict)

    def __repr__(self) -> str:
        return brief(self)


def weights_of(config: "Config", extra_terms: Mapping[str, tuple[float, Any]]) -> Terms:
    """The weight of each term, as arrays: a different value never recompiles."""
    style_terms = [term.name for term in config.style_terms()]
    return Terms(
        _spread(config.content_weight, config.content_layers, config.content_layer_weights),
        _spread(config.style_weight, style_terms, config.style_layer_weights),
        jnp.float32(config.laplacian_weight) if config.laplacian_weight else None,
        jnp.float32(config.temporal_weight) if config.temporal_weight else None,
        jnp.float32(config.tv_weight),
        {name: jnp.float32(weight) for name, (weight, _) in extra_terms.items()},
    )


def _spread(
    weight: float, names: Sequence[str], shares: Sequence[float] | None = None
) -> dict[str, Float[Array, ""]]:
    """`weight` times each share, by name; without `shares` they are equal, with sum 1."""
    shares = shares or [1 / len(names) for _ in names]
    return {name: jnp.float32(weight * share) for name, share in zip(names, shares, strict=True)}
