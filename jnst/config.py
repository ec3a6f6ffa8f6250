"""The settings of a run: frozen, validated, plain values that a file can hold."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.checks import check_choice, check_name, finite_number, several, whole_number
from jnst.color import Color
from jnst.losses import Convention
from jnst.regions import Propagation
from jnst.style_losses import STYLE_LOSSES
from jnst.vgg import Pooling, check_layers, smallest_side

Pixels = Literal["free", "projected", "sigmoid"]
Optimizer = Literal["lbfgs", "adam", "sgd"]


Variation = Literal["l2", "l1", "nine_point"]


class Terms(struct.PyTreeNode):
    """One number for each term of the objective: the terms themselves, or their weights."""

    content: Mapping[str, Float[Array, ""]]
    style: Mapping[str, Float[Array, ""]]
    laplacian: Float[Array, ""] | None
    temporal: Float[Array, ""] | None
    total_variation: Float[Array, ""]


class StyleTerm(NamedTuple):
    """A style loss at a layer: the layer's name is the term's, if it has no other loss."""

    name: str
    layer: str
    loss: str


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
    levels: int = _setting(3, "sizes from coarse to fine; 1: full size only")
    level_factor: float = _setting(2.0, "how much larger each level is than the last")
    level_sizes: tuple[int, ...] | None = _setting(
        None, "longer sides of the levels before the last, in the place of levels"
    )
    level_steps: tuple[int, ...] | None = _setting(
        None, "steps of each level, in the place of steps; unset: 3/4 of the last level's"
    )
    optimizer: Optimizer = _setting("lbfgs", "how the image is moved")
    learning_rate: float | None = _setting(None, "of adam (unset: 0.02) or sgd (unset: 1)")
    learning_rate_decay: float = _setting(
        1.0, "what the learning rate is multiplied by every 100 steps (adam and sgd)"
    )
    pixels: Pixels = _setting(
        "free", "how values stay in [0, 1]: free (cut at the end), projected (each step), sigmoid"
    )
    averaging: float = _setting(
        0.0, "share of the past in an average of the images that is the result; 0: the best image"
    )
    init: str = _setting(
        "content",
        "the first image: content, style, grey, noise (uniform), gaussian (0.5, deviation 0.25), "
        "colours (gaussian, as the style's colours are), or a picture file",
    )
    init_content: float = _setting(0.0, "share of the content that is blended into the first image")
    seed: int = _setting(0, "of the noise")
    color: Color = _setting(
        "style",
        "whose colours: the style's; or the content's, by luminance (transferred alone), recombine "
        "(put together after), or matched before by cholesky, pca, symmetric or histogram",
    )
    content_weight: float = _setting(1.0, "alpha, of the content loss")
    style_weight: float = _setting(30.0, "beta, of the style loss")
    tv_weight: float = _setting(0.05, "of the total variation loss, in units of the style's own")
    content_layers: tuple[str, ...] = _setting(("relu4_2",), "where the content is matched")
    style_layers: tuple[str, ...] = _setting(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "where the style is matched"
    )
    style_loss: tuple[str, ...] = _setting(
        ("gram",), "what is matched there: one loss for all style layers, or one for each"
    )
    content_layer_weights: tuple[float, ...] | None = _setting(
        None, "one for each content layer; unset: equal, with sum 1"
    )
    style_layer_weights: tuple[float, ...] | None = _setting(
        None, "one for each style layer; unset: equal, with sum 1"
    )
    style_blend: tuple[float, ...] | None = _setting(
        None, "how much each style counts; unset: all alike"
    )
    style_scale: float = _setting(
        1.0, "longer side of the styles relative to the result's: larger makes larger strokes"
    )
    laplacian_weight: float = _setting(0.0, "of the distance of the content's edges")
    laplacian_pool: int = _setting(4, "pixels that are averaged before edges are taken")
    temporal_weight: float = _setting(0.0, "of the distance from the last frame, moved by its flow")
    mask_propagation: Propagation = _setting("simple", "what deep layers see of a mask")
    normalize_gradients: bool = _setting(
        False, "let every layer pull as hard as its weight says (adam and sgd)"
    )
    convention: Convention = _setting("relative", "scale of the losses: see jnst.losses")
    variation: Variation = _setting(
        "l2", "differences of neighbours: squares, absolute, or diagonals too"
    )
    pooling: Pooling = _setting("average", "between the blocks of the network")
    margin: int = _setting(
        16, "pixels beyond each border, optimised and cut off, so that no frame remains"
    )

    def __post_init__(self) -> None:
        for name, minimum in (("size", 1), ("steps", 0), ("levels", 1), ("seed", 0), ("margin", 0)):
            self._coerce(name, whole_number(name, getattr(self, name), minimum=minimum))
        decay = finite_number("learning_rate_decay", self.learning_rate_decay, minimum=0)
        self._coerce("learning_rate_decay", decay)
        self._check_levels()
        check_choice("pixels", self.pixels, Pixels)
        check_choice("color", self.color, Color)
        for name in ("averaging", "init_content"):
            share = finite_number(name, getattr(self, name), minimum=0)
            self._coerce(name, share)
            if share > 1 or (share == 1 and name == "averaging"):
                raise ValueError(f"{name} is {share}; a share of at most 1 is accepted")
        if self.pixels == "projected" and self.optimizer == "lbfgs":
            raise ValueError("pixels is 'projected', which adam and sgd take; lbfgs takes sigmoid")
        self._coerce(
            "laplacian_pool", whole_number("laplacian_pool", self.laplacian_pool, minimum=1)
        )
        for name in (
            "content_weight",
            "style_weight",
            "tv_weight",
            "laplacian_weight",
            "temporal_weight",
        ):
            self._coerce(name, finite_number(name, getattr(self, name), minimum=0))
        self._coerce("style_scale", finite_number("style_scale", self.style_scale, minimum=0.01))
        if self.learning_rate is not None:
            rate = finite_number("learning_rate", self.learning_rate, minimum=0)
            self._coerce("learning_rate", rate)
            if self.optimizer == "lbfgs":
                raise ValueError(f"learning_rate is {rate}; lbfgs takes none, adam and sgd do")
        if self.learning_rate_decay != 1 and self.optimizer == "lbfgs":
            raise ValueError("learning_rate_decay is not 1; adam and sgd take it, lbfgs does not")
        if self.normalize_gradients and self.optimizer == "lbfgs":
            raise ValueError("normalize_gradients is on; adam and sgd take it, lbfgs does not")
        if not isinstance(self.init, str | os.PathLike):
            raise ValueError(
                f"init is {self.init!r}; content, style, grey, noise, gaussian, colours, or a "
                "picture file is accepted"
            )
        self._coerce("init", os.fspath(self.init))
        check_choice("optimizer", self.optimizer, Optimizer)
        check_choice("convention", self.convention, Convention)
        check_choice("pooling", self.pooling, Pooling)
        check_choice("variation", self.variation, Variation)
        check_choice("mask_propagation", self.mask_propagation, Propagation)
        for layers, weights in (
            ("content_layers", "content_layer_weights"),
            ("style_layers", "style_layer_weights"),
        ):
            names = getattr(self, layers)
            names = (names,) if isinstance(names, str) else several(layers, names)
            check_layers(dict.fromkeys(names))
            self._coerce(layers, names)
            if (shares := getattr(self, weights)) is not None:
                shares = several(weights, shares)
                if len(shares) != len(names):
                    raise ValueError(
                        f"{weights} has {len(shares)} values; {len(names)} layers need as many"
                    )
                shares = tuple(finite_number(weights, share, minimum=0) for share in shares)
                self._coerce(weights, shares)
        check_layers(self.content_layers)  # one may not be named twice
        if not self.content_layers and not self.style_layers:
            raise ValueError("content_layers and style_layers are both empty; one is needed")
        self._check_style_loss()
        if self.style_blend is not None:
            amounts = several("style_blend", self.style_blend)
            amounts = tuple(finite_number("style_blend", x, minimum=0) for x in amounts)
            if not sum(amounts):
                raise ValueError(f"style_blend is {amounts}; a positive number is needed")
            self._coerce("style_blend", amounts)

        if self.margin % (stride := smallest_side(self.style_layers)):
            raise ValueError(
                f"margin is {self.margin}; a multiple of {stride} is accepted, "
                "the stride of the deepest style layer"
            )

    def _check_levels(self) -> None:
        factor = finite_number("level_factor", self.level_factor, minimum=1.1)
        self._coerce("level_factor", factor)
        for name in ("level_sizes", "level_steps"):
            if (values := getattr(self, name)) is not None:
                values = several(name, values)
                values = tuple(whole_number(name, value, minimum=1) for value in values)
                self._coerce(name, values)
        if self.level_sizes is not None and list(self.level_sizes) != sorted(set(self.level_sizes)):
            raise ValueError(f"level_sizes is {self.level_sizes}; they must rise")
        if self.level_steps is not None:
            count = self.levels if self.level_sizes is None else len(self.level_sizes) + 1
            if len(self.level_steps) != count:
                raise ValueError(
                    f"level_steps has {len(self.level_steps)} numbers; {count} levels need as many"
                )
            self._coerce("steps", sum(self.level_steps))

    def _check_style_loss(self) -> None:
        given = self.style_loss
        names = (given,) if isinstance(given, str) else several("style_loss", given)
        for name in names:
            check_name("style_loss", name, STYLE_LOSSES)
        if len(names) not in (1, len(self.style_layers)):
            raise ValueError(
                f"style_loss has {len(names)} names; one, or one for each of the "
                f"{len(self.style_layers)} style layers is accepted"
            )
        self._coerce("style_loss", names)
        terms = [term.name for term in self.style_terms()]
        if len(set(terms)) < len(terms):
            raise ValueError(f"style_layers name one twice with one loss: {', '.join(terms)}")

    def style_terms(self) -> tuple[StyleTerm, ...]:
        """The style losses and their layers, in the order of `style_layers`."""
        kinds = self.style_loss * (len(self.style_layers) // len(self.style_loss) or 1)
        names = [
            layer if self.style_layers.count(layer) == 1 else f"{layer}/{loss}"
            for layer, loss in zip(self.style_layers, kinds, strict=False)
        ]
        return tuple(map(StyleTerm, names, self.style_layers, kinds))

    def _coerce(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def weights(self) -> Terms:
        """The weight of each term, as arrays: a different value never recompiles."""
        return Terms(
            _spread(self.content_weight, self.content_layers, self.content_layer_weights),
            _spread(
                self.style_weight,
                [term.name for term in self.style_terms()],
                self.style_layer_weights,
            ),
            jnp.float32(self.laplacian_weight) if self.laplacian_weight else None,
            jnp.float32(self.temporal_weight) if self.temporal_weight else None,
            jnp.float32(self.tv_weight),
        )

    def layout(self) -> "Config":
        """The settings that targets depend on, all others at their defaults: static under jit."""
        names = (
            "content_layers", "style_layers", "style_loss", "convention", "pooling", "margin",
            "variation", "laplacian_pool", "mask_propagation", "normalize_gradients",
        )  # fmt: skip
        return Config(
            **{name: getattr(self, name) for name in names},
            laplacian_weight=float(self.laplacian_weight > 0),
            temporal_weight=float(self.temporal_weight > 0),
            optimizer="adam",
        )

    def replace(self, **settings: Any) -> "Config":
        """A copy with some fields changed, and those that hung on them as by default.

        Another optimizer takes its own rate, other layers equal weights, other steps or levels
        their usual shares.

        Raises:
            ValueError: a field that does not exist, or a value that is not accepted.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; known: {', '.join(known)}")
        freed: dict[str, Any] = {}
        if settings.get("optimizer", self.optimizer) != self.optimizer:
            freed |= {"learning_rate": None, "learning_rate_decay": 1.0, "pixels": "free"}
            freed |= {"normalize_gradients": False}
        if {"steps", "levels", "level_sizes"} & settings.keys():
            freed |= {"level_steps": None}
        if {"levels", "level_factor"} & settings.keys():
            freed |= {"level_sizes": None, "level_steps": None}
        for layers in ("content_layers", "style_layers"):
            if layers in settings:
                freed |= {f"{layers[:-1]}_weights": None}
        if "style_layers" in settings and len(self.style_loss) > 1:
            freed |= {"style_loss": ("gram",)}
        return dataclasses.replace(self, **{**freed, **settings})


def _spread(
    weight: float, layers: Sequence[str], shares: Sequence[float] | None
) -> dict[str, Float[Array, ""]]:
    shares = shares or [1 / len(layers) for _ in layers]
    return {name: jnp.float32(weight * share) for name, share in zip(layers, shares, strict=True)}
