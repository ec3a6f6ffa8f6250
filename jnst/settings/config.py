"""`Config`: the settings of a run, validated, frozen, and storable in a file."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from jnst.common.validation import true_or_false, unknown
from jnst.networks.layers import VGG19, Pooling, Precision
from jnst.settings.choices import (
    Color,
    Convention,
    Optimizer,
    Pixels,
    Propagation,
    Schedule,
    TileUntil,
    Transformation,
    Variation,
)
from jnst.settings.config_changes import freed_by
from jnst.settings.config_checks import check_for_network, check_together
from jnst.settings.fields import (
    BLENDS,
    LARGEST_SIDE,
    MOST_LEVELS,
    MOST_STEPS,
    Check,
    any_optimizer,
    any_rate,
    any_tile,
    choice,
    init_name,
    layer_names,
    list_of,
    loss_names,
    number,
    share,
    weight,
    whole,
)
from jnst.settings.layout import Layout
from jnst.settings.style_terms import StyleTerm

if TYPE_CHECKING:
    from jnst.settings.terms import Terms


OWN = "own"
"""Written to a file in place of an optimizer or a schedule, which a file cannot hold."""


def _setting(default: Any, meaning: str, check: Check) -> Any:
    return dataclasses.field(default=default, metadata={"help": meaning, "check": check})


def _checked(config: type) -> type:
    """A class decorator: an unknown setting is a ValueError that suggests the nearest name."""
    make = config.__init__  # type: ignore[misc]

    @functools.wraps(make)
    def checked(self: Any, *values: Any, **settings: Any) -> None:
        for name in settings:
            if name not in setting_names():
                raise ValueError(unknown("setting", name, setting_names()))
        make(self, *values, **settings)

    config.__init__ = checked  # type: ignore[misc]
    return config


@_checked
@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run. With the pictures and the network they determine the result.

    With `tile` "auto" that is but for rounding, and for what is done where memory is scarce.

    Raises:
        ValueError: a setting that does not exist, or a value that is not accepted; the message
            names it.
    """

    size: int = _setting(512, "the longer side of the result in pixels", whole(1, LARGEST_SIDE))
    steps: int = _setting(200, "number of steps, over all levels", whole(0, MOST_STEPS))
    levels: int = _setting(
        3, "number of sizes, from coarse to fine; 1: full size only", whole(1, MOST_LEVELS)
    )
    level_factor: float = _setting(
        2.0, "size of each level divided by the size of the one before", number(1.1, 100)
    )
    level_sizes: tuple[int, ...] | None = _setting(
        None,
        "the longer sides of all levels but the last; replaces levels",
        list_of(whole(1, LARGEST_SIDE)),
    )
    level_steps: tuple[int, ...] | None = _setting(
        None,
        "the steps of each level; replaces steps; unset: each has 3/4 of the steps before it",
        list_of(whole(1, MOST_STEPS)),
    )
    optimizer: Optimizer | Transformation = _setting(
        "lbfgs", "the optimizer; in Python also one of optax", any_optimizer
    )
    learning_rate: float | Schedule | None = _setting(
        None,
        "learning rate of adam (unset: 0.02) or sgd (unset: 1); in Python also an optax schedule",
        any_rate,
    )
    learning_rate_decay: float = _setting(
        1.0,
        "factor on the learning rate every 100 steps; for adam and sgd",
        number(0, 100),
    )
    pixels: Pixels = _setting(
        "free",
        "how pixels stay in [0, 1]: free (clipped at the end), projected (clipped at each step), "
        "sigmoid (never outside)",
        choice(Pixels),
    )
    averaging: float = _setting(
        0.0,
        "share of the earlier images in a running average, which is the result; 0: the result is "
        "the best image",
        share,
    )
    init: str | None = _setting(
        None,
        "the first image: content, style, gray, mean (ImageNet's mean color), noise (uniform), "
        "gaussian (mean 0.5, deviation 0.25), colors (gaussian, with the style's mean and "
        "covariance of colors), or a picture file; unset: content; for a texture colors; for "
        "a reconstruction noise",
        init_name,
    )
    init_content: float = _setting(0.0, "share of the content in the first image", share)
    seed: int = _setting(0, "seed of the noise in the first image", whole(0, 2**63 - 1))
    color: Color = _setting(
        "style",
        "whose colors the result has: style, or the content's by one of luminance (only light and "
        "dark are transferred), recombine (the content's colors are put back at the end), "
        "cholesky, pca, symmetric, histogram (the style is recolored before)",
        choice(Color),
    )
    content_weight: float = _setting(1.0, "how strongly the shapes of the content are kept", weight)
    style_weight: float = _setting(
        30.0,
        "how strong the style is: 0.3 subtle, 3 clear, 30 strong, 100 hides the content",
        weight,
    )
    tv_weight: float = _setting(
        0.05,
        "how smooth the result is: weight of its total variation, in units of the style's",
        weight,
    )
    content_layers: tuple[str, ...] = _setting(
        ("relu4_2",), "the layers where the content is matched", layer_names
    )
    style_layers: tuple[str, ...] = _setting(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        "the layers where the style is matched",
        layer_names,
    )
    style_loss: tuple[str, ...] = _setting(
        ("gram",),
        "the style loss: one for all style layers, or one for each; see jnst.losses",
        loss_names,
    )
    content_layer_weights: tuple[float, ...] | None = _setting(
        None,
        "one weight for each content layer; unset: equal, with sum 1",
        list_of(weight),
    )
    style_layer_weights: tuple[float, ...] | None = _setting(
        None,
        "one weight for each style layer; unset: equal, with sum 1",
        list_of(weight),
    )
    style_blend: tuple[float, ...] | None = _setting(
        None,
        "the share of each style; unset: equal",
        list_of(number(0, BLENDS[1])),
    )
    style_scale: float = _setting(
        1.0,
        "size of the styles relative to the result: larger makes larger strokes",
        number(0.01, 16),
    )
    laplacian_weight: float = _setting(
        0.0, "how strongly the edges of the content are kept; 0: off", weight
    )
    laplacian_pool: int = _setting(
        4, "side of the squares that are averaged before edges are taken, in pixels", whole(1, 4096)
    )
    temporal_weight: float = _setting(
        0.0, "how strongly a video frame is held to the last result, moved by the flow", weight
    )
    mask_propagation: Propagation = _setting(
        "simple",
        "how a region reaches deep layers: simple (averaged), all (positions that see any of it), "
        "inside (positions that see nothing else)",
        choice(Propagation),
    )
    normalize_gradients: bool = _setting(
        False,
        "scale each layer's gradient to its weight; for adam and sgd",
        true_or_false,
    )
    convention: Convention = _setting(
        "relative", "the scale of the losses: see jnst.losses", choice(Convention)
    )
    variation: Variation = _setting(
        "l2",
        "differences of neighbors: l2 (squares), l1 (sizes), nine_point (squares, diagonals too)",
        choice(Variation),
    )
    pooling: Pooling | None = _setting(
        None,
        "the pooling between the blocks of the network; unset: as it was trained",
        choice(Pooling),
    )
    precision: Precision = _setting(
        "float32",
        "number type of the features; bfloat16 is for GPU and TPU",
        choice(Precision),
    )
    margin: int = _setting(
        16,
        "pixels added beyond each border, optimized and then cut off, so that no frame remains",
        whole(0, 1024),
    )
    tile: int | Literal["auto"] | None = _setting(
        "auto",
        "side of the tiles in pixels that features are computed in, with the same result in less "
        "memory: a number, none, or auto (only what does not fit whole)",
        any_tile,
    )
    tile_until: TileUntil = _setting(
        "pool2",
        "the layers that a tile of a given side goes through: up to a pooling layer, behind which "
        "maps are whole, or all, with the least memory and the most work",
        choice(TileUntil),
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                self._coerce(field.name, field.metadata["check"](field.name, value))
        check_together(self)
        if self.level_steps is not None:
            self._coerce("steps", sum(self.level_steps))

    def check_network(
        self, strides: Mapping[str, int] = VGG19.strides, *, own_terms: bool = False
    ) -> None:
        """Check that a network has the layers of these settings; VGG-19's by default.

        `strides` maps the name of each layer to the pixels between two positions of its maps. With
        `own_terms` the maps of content layers are cut at the margin too.

        Raises:
            ValueError: a layer is unknown, or the margin is no multiple of its stride.
        """
        check_for_network(self, strides, own_terms=own_terms)

    def plain(self) -> dict[str, Any]:
        """The settings as plain values for a file; an optimizer or a schedule becomes "own"."""
        return {
            name: OWN if _is_object(value := getattr(self, name)) else value
            for name in setting_names()
        }

    def __getstate__(self) -> dict[str, Any]:
        return self.plain()  # what optax makes cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self._coerce(name, value)

    def __deepcopy__(self, _: Any) -> "Config":
        return self

    def layers(self) -> tuple[str, ...]:
        """The layers whose features the objective needs, each once."""
        return self.layout().layers()

    def style_terms(self) -> tuple[StyleTerm, ...]:
        """The style losses and their layers, in the order of `style_layers`."""
        return self.layout().style_terms()

    def _coerce(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def weights(self, extra_terms: Mapping[str, tuple[float, Any]] | None = None) -> "Terms":
        """The weight of each term as an array, so that another value never recompiles.

        `extra_terms` are the ones given to `make_targets`.
        """
        from jnst.settings.terms import weights_of  # with JAX, which nothing else here needs

        return weights_of(self, extra_terms or {})

    def layout(self) -> Layout:
        """The settings that targets depend on: static under jit."""
        return Layout.of(self)

    def replace(self, **settings: Any) -> "Config":
        """A copy with some fields changed.

        Fields that only make sense with the old value go back to their defaults: the learning rate
        with another optimizer, layer weights with other layers, `level_steps` with other steps or
        levels.

        Raises:
            ValueError: a field that does not exist, or a value that is not accepted.

        >>> config = jnst.Config(optimizer="adam", learning_rate=0.1)
        >>> config.replace(size=256).learning_rate
        0.1
        >>> config.replace(optimizer="lbfgs").learning_rate is None
        True
        """
        return dataclasses.replace(self, **{**freed_by(self, settings), **settings})


def _is_object(value: Any) -> bool:
    return callable(value) or hasattr(value, "update")


@functools.cache
def setting_names() -> tuple[str, ...]:
    """The names of all settings, in order."""
    return tuple(field.name for field in dataclasses.fields(Config))
