"""The settings of a run: frozen, validated, plain values that a file can hold."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.checks import check_choice, finite_number, whole_number
from jnst.losses import Convention
from jnst.vgg import Pooling, check_layers, smallest_side

Optimizer = Literal["lbfgs", "adam", "sgd"]


class Terms(struct.PyTreeNode):
    """One number for each term of the objective: the terms themselves, or their weights."""

    content: Mapping[str, Float[Array, ""]]
    style: Mapping[str, Float[Array, ""]]
    total_variation: Float[Array, ""]


def _setting(default: Any, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": meaning})


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a result beside the two pictures and the network.

    Raises:
        ValueError: a value that is not accepted; the message names it.
    """

    size: int = _setting(512, "longer side of the result in pixels")
    steps: int = _setting(200, "gradient evaluations, over all levels")
    levels: int = _setting(3, "sizes from coarse to fine, each twice the last; 1: full size only")
    optimizer: Optimizer = _setting("lbfgs", "how the image is moved")
    learning_rate: float | None = _setting(None, "of adam (unset: 0.02) or sgd (unset: 1)")
    init: str = _setting("content", "the first image: content, noise, style, or a picture file")
    seed: int = _setting(0, "of the noise, which is uniform in [0, 1]")
    content_weight: float = _setting(1.0, "alpha, of the content loss")
    style_weight: float = _setting(30.0, "beta, of the style loss")
    tv_weight: float = _setting(0.05, "of the total variation loss, in units of the style's own")
    content_layers: tuple[str, ...] = _setting(("relu4_2",), "where the content is matched")
    style_layers: tuple[str, ...] = _setting(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "where the style is matched"
    )
    content_layer_weights: tuple[float, ...] | None = _setting(
        None, "one for each content layer; unset: equal, with sum 1"
    )
    style_layer_weights: tuple[float, ...] | None = _setting(
        None, "one for each style layer; unset: equal, with sum 1"
    )
    convention: Convention = _setting("relative", "scale of the losses: see jnst.losses")
    pooling: Pooling = _setting("average", "between the blocks of the network")
    margin: int = _setting(
        16, "pixels beyond each border, optimised and cut off, so that no frame remains"
    )

    def __post_init__(self) -> None:
        for name, minimum in (("size", 1), ("steps", 0), ("levels", 1), ("seed", 0), ("margin", 0)):
            self._coerce(name, whole_number(name, getattr(self, name), minimum=minimum))
        for name in ("content_weight", "style_weight", "tv_weight"):
            self._coerce(name, finite_number(name, getattr(self, name), minimum=0))
        if self.learning_rate is not None:
            rate = finite_number("learning_rate", self.learning_rate, minimum=0)
            self._coerce("learning_rate", rate)
            if self.optimizer == "lbfgs":
                raise ValueError(f"learning_rate is {rate}; lbfgs takes none, adam and sgd do")
        if not isinstance(self.init, str | os.PathLike):
            raise ValueError(
                f"init is {self.init!r}; content, noise, style, or a picture file is accepted"
            )
        self._coerce("init", os.fspath(self.init))
        check_choice("optimizer", self.optimizer, Optimizer)
        check_choice("convention", self.convention, Convention)
        check_choice("pooling", self.pooling, Pooling)
        for layers, weights in (
            ("content_layers", "content_layer_weights"),
            ("style_layers", "style_layer_weights"),
        ):
            names = check_layers(getattr(self, layers))
            if not names:
                raise ValueError(f"{layers} is empty; at least one layer is accepted")
            self._coerce(layers, names)
            if (shares := getattr(self, weights)) is not None:
                if len(shares) != len(names):
                    raise ValueError(
                        f"{weights} has {len(shares)} values; {len(names)} layers need as many"
                    )
                shares = tuple(finite_number(weights, share, minimum=0) for share in shares)
                self._coerce(weights, shares)

        if self.margin % (stride := smallest_side(self.style_layers)):
            raise ValueError(
                f"margin is {self.margin}; a multiple of {stride} is accepted, "
                "the stride of the deepest style layer"
            )

    def _coerce(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def weights(self) -> Terms:
        """The weight of each term, as arrays: a different value never recompiles."""
        return Terms(
            _spread(self.content_weight, self.content_layers, self.content_layer_weights),
            _spread(self.style_weight, self.style_layers, self.style_layer_weights),
            jnp.float32(self.tv_weight),
        )

    def layout(self) -> "Config":
        """The settings that targets depend on, all others at their defaults: static under jit."""
        names = ("content_layers", "style_layers", "convention", "pooling", "margin")
        return Config(**{name: getattr(self, name) for name in names})

    def replace(self, **settings: Any) -> "Config":
        """A copy with some fields changed; a ValueError names a field that does not exist."""
        known = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; known: {', '.join(known)}")
        return dataclasses.replace(self, **settings)


def _spread(
    weight: float, layers: Sequence[str], shares: Sequence[float] | None
) -> dict[str, Float[Array, ""]]:
    shares = shares or [1 / len(layers)] * len(layers)
    return {name: jnp.float32(weight * share) for name, share in zip(layers, shares, strict=True)}
