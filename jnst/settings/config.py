"""The settings of a run: frozen, validated, plain values that a file can hold."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jnst.common.validation import true_or_false, unknown
from jnst.networks.layers import STRIDES, Pooling, Precision
from jnst.settings.choices import (
    Color,
    Convention,
    Optimizer,
    Pixels,
    Propagation,
    Schedule,
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
"""In the place of what no file can hold."""


def _setting(default: Any, meaning: str, check: Check) -> Any:
    return dataclasses.field(default=default, metadata={"help": meaning, "check": check})


def _checked(config: type) -> type:
    """The class; a setting that it does not have is a ValueError that names the nearest."""
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
    """Everything that decides a result beside the two pictures and the network.

    Raises:
        ValueError: a setting that does not exist, or a value that is not accepted; the message
            names it.
    """

    size: int = _setting(512, "the longer side of the result in pixels", whole(1, LARGEST_SIDE))
    steps: int = _setting(200, "how many steps are taken, over all levels", whole(0, MOST_STEPS))
    levels: int = _setting(
        3, "how many sizes, from coarse to fine; 1: full size only", whole(1, MOST_LEVELS)
    )
    level_factor: float = _setting(
        2.0, "how much larger each level is than the one before", number(1.1, 100)
    )
    level_sizes: tuple[int, ...] | None = _setting(
        None,
        "the longer sides of the levels before the last, in the place of levels",
        list_of(whole(1, LARGEST_SIDE)),
    )
    level_steps: tuple[int, ...] | None = _setting(
        None,
        "the steps of each level, in the place of steps; unset: each has 3/4 of those before it",
        list_of(whole(1, MOST_STEPS)),
    )
    optimizer: Optimizer | Transformation = _setting(
        "lbfgs", "what moves the image; in Python also an optax optimizer", any_optimizer
    )
    learning_rate: float | Schedule | None = _setting(
        None,
        "how far adam (unset: 0.02) or sgd (unset: 1) moves; in Python also an optax schedule",
        any_rate,
    )
    learning_rate_decay: float = _setting(
        1.0,
        "what the learning rate is multiplied by every 100 steps, of adam and sgd",
        number(0, 100),
    )
    pixels: Pixels = _setting(
        "free",
        "how values stay in [0, 1]: free (cut at the end), projected (each step), sigmoid",
        choice(Pixels),
    )
    averaging: float = _setting(
        0.0,
        "the result is an average of the images, with this share of the past; 0: the best image",
        share,
    )
    init: str | None = _setting(
        None,
        "the first image: content, style, gray, mean (ImageNet's color), noise (uniform), "
        "gaussian (0.5, deviation 0.25), "
        "colors (gaussian, as the style's colors are), or a picture file; unset: content, "
        "of a texture colors, of a reconstruction noise",
        init_name,
    )
    init_content: float = _setting(0.0, "the share of the content in the first image", share)
    seed: int = _setting(
        0, "a number that the noise of the first image comes from", whole(0, 2**63 - 1)
    )
    color: Color = _setting(
        "style",
        "whose colors: the style's; or the content's, by luminance (transferred alone), recombine "
        "(put together after), or matched before by cholesky, pca, symmetric or histogram",
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
        "how smooth the result is: the weight of its variation in units of the style's",
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
        "what is matched there: one loss for all style layers, or one for each: see jnst.losses",
        loss_names,
    )
    content_layer_weights: tuple[float, ...] | None = _setting(
        None,
        "a weight for each content layer; unset: equal ones with sum 1",
        list_of(weight),
    )
    style_layer_weights: tuple[float, ...] | None = _setting(
        None,
        "a weight for each style layer; unset: equal ones with sum 1",
        list_of(weight),
    )
    style_blend: tuple[float, ...] | None = _setting(
        None,
        "how much each of several styles counts; unset: all alike",
        list_of(number(0, BLENDS[1])),
    )
    style_scale: float = _setting(
        1.0,
        "the size of the styles for the result's: larger makes larger strokes",
        number(0.01, 16),
    )
    laplacian_weight: float = _setting(
        0.0, "how strongly the edges of the content are kept; 0: not at all", weight
    )
    laplacian_pool: int = _setting(
        4, "the pixels that are averaged before edges are taken", whole(1, 4096)
    )
    temporal_weight: float = _setting(
        0.0, "how strongly a frame is held to the last one, moved by its flow", weight
    )
    mask_propagation: Propagation = _setting(
        "simple", "what deep layers see of a mask", choice(Propagation)
    )
    normalize_gradients: bool = _setting(
        False, "let every layer pull as hard as its weight says, with adam and sgd", true_or_false
    )
    convention: Convention = _setting(
        "relative", "the scale of the losses: see jnst.losses", choice(Convention)
    )
    variation: Variation = _setting(
        "l2",
        "what variation is: squares of differences of neighbors, their sizes, or diagonals too",
        choice(Variation),
    )
    pooling: Pooling = _setting(
        "average", "what is between the blocks of the network", choice(Pooling)
    )
    precision: Precision = _setting(
        "float32",
        "the numbers that features are computed in; bfloat16 is for GPU and TPU",
        choice(Precision),
    )
    margin: int = _setting(
        16,
        "pixels beyond each border that are optimized and cut off, so that no frame remains",
        whole(0, 1024),
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
        self, strides: Mapping[str, int] = STRIDES, *, own_terms: bool = False
    ) -> None:
        """ValueError unless these settings are for a network with such layers, VGG-19's if unset.

        `strides` has the pixels between two positions of each layer's maps, by name. With
        `own_terms` the maps of content layers are cut at the margin too.
        """
        check_for_network(self, strides, own_terms=own_terms)

    def plain(self) -> dict[str, Any]:
        """The settings as values that a file can hold: "own" for an optimizer or a schedule."""
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
        """The weight of each term, as arrays: a different value never recompiles.

        `extra_terms` are those that `make_targets` was given.
        """
        from jnst.settings.terms import weights_of  # with JAX, which nothing else here needs

        return weights_of(self, extra_terms or {})

    def layout(self) -> Layout:
        """The settings that targets depend on: static under jit."""
        return Layout(
            content_layers=self.content_layers,
            style_layers=self.style_layers,
            style_loss=self.style_loss,
            convention=self.convention,
            pooling=self.pooling,
            precision=self.precision,
            margin=self.margin,
            variation=self.variation,
            laplacian=self.laplacian_weight > 0,
            laplacian_pool=self.laplacian_pool,
            temporal=self.temporal_weight > 0,
            mask_propagation=self.mask_propagation,
            normalize_gradients=self.normalize_gradients,
        )

    def replace(self, **settings: Any) -> "Config":
        """A copy with some fields changed, and those that hung on them as by default.

        Another optimizer takes its own rate, other layers equal weights, other steps or levels
        their usual shares.

        Raises:
            ValueError: a field that does not exist, or a value that is not accepted.
        """
        return dataclasses.replace(self, **{**freed_by(self, settings), **settings})


def _is_object(value: Any) -> bool:
    return callable(value) or hasattr(value, "update")


def setting_names() -> tuple[str, ...]:
    """The names of all settings, in order."""
    return tuple(field.name for field in dataclasses.fields(Config))


def config_or_default(config: Config | None) -> Config:
    """The settings that were given, or those of `Config()`; ValueError if they are no Config."""
    if config is None:
        return Config()
    if not isinstance(config, Config):
        raise ValueError(f"config is of type {type(config).__name__}; a jnst.Config is accepted")
    return config
