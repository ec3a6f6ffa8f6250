"""One number for each term of the objective."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.common.brief import brief


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


def spread(
    weight: float, names: Sequence[str], shares: Sequence[float] | None = None
) -> dict[str, Float[Array, ""]]:
    """`weight` times each share, by name; without `shares` they are equal, with sum 1."""
    shares = shares or [1 / len(names) for _ in names]
    return {name: jnp.float32(weight * share) for name, share in zip(names, shares, strict=True)}
