"""The settings of a run: frozen, validated, plain values that a file can hold."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from jnst.common.validation import did_you_mean, whole_number
from jnst.networks.layers import STRIDES, Pooling, Precision, check_layers, different_names
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
from jnst.settings.fields import (
    BLENDS,
    LARGEST_NUMBER,
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
    switch,
    weight,
    whole,
)

if TYPE_CHECKING:
    from jnst.settings.terms import Terms


OWN = "own"
"""In the place of what no file can hold."""


class StyleTerm(NamedTuple):
    """A style loss at a layer: the layer's name is the term's, if it has no other loss."""

    name: str
    layer: str
    loss: str


def _setting(default: Any, meaning: str, check: Check) -> Any:
    return dataclasses.field(default=default, metadata={"help": meaning, "check": check})


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a result beside the two pictures and the network.

    Raises:
        ValueError: a value that is not accepted; the message names it.
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
        "the first image: content, style, grey, mean (ImageNet's colour), noise (uniform), "
        "gaussian (0.5, deviation 0.25), "
        "colours (gaussian, as the style's colours are), or a picture file; unset: content, "
        "of a texture colours, of a reconstruction noise",
        init_name,
    )
    init_content: float = _setting(0.0, "the share of the content in the first image", share)
    seed: int = _setting(
        0, "a number that the noise of the first image comes from", whole(0, 2**63 - 1)
    )
    color: Color = _setting(
        "style",
        "whose colours: the style's; or the content's, by luminance (transferred alone), recombine "
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
        False, "let every layer pull as hard as its weight says, with adam and sgd", switch
    )
    convention: Convention = _setting(
        "relative", "the scale of the losses: see jnst.losses", choice(Convention)
    )
    variation: Variation = _setting(
        "l2",
        "what variation is: squares of differences of neighbours, their sizes, or diagonals too",
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
        "pixels beyond each border that are optimised and cut off, so that no frame remains",
        whole(0, 1024),
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                self._coerce(field.name, field.metadata["check"](field.name, value))
        self._check_optimizer()
        self._check_levels()
        self._check_layers()
        self._check_style_loss()
        if self.averaging == 1:
            raise ValueError("averaging is 1.0; a share of the past under 1 is accepted")
        if self.style_blend is not None and max(self.style_blend, default=0) < BLENDS[0]:
            raise ValueError(f"style_blend is {self.style_blend}; a positive number is needed")

    def _check_optimizer(self) -> None:
        if not isinstance(self.optimizer, str):
            if callable(self.learning_rate):
                raise ValueError(
                    "learning_rate is a schedule; an optimizer of optax has its own, adam and sgd "
                    "take one"
                )
            if self.learning_rate_decay != 1:
                raise ValueError(
                    "learning_rate_decay is not 1; adam and sgd take it, an optimizer of optax "
                    "has its own schedule"
                )
        if self.optimizer != "lbfgs":
            return
        if self.pixels == "projected":
            raise ValueError("pixels is 'projected', which adam and sgd take; lbfgs takes sigmoid")
        if self.learning_rate is not None:
            raise ValueError(
                f"learning_rate is {self.learning_rate}; lbfgs takes none, adam and sgd do"
            )
        if self.learning_rate_decay != 1:
            raise ValueError("learning_rate_decay is not 1; adam and sgd take it, lbfgs does not")
        if self.normalize_gradients:
            raise ValueError("normalize_gradients is on; adam and sgd take it, lbfgs does not")

    def _check_levels(self) -> None:
        if self.level_sizes is not None and list(self.level_sizes) != sorted(set(self.level_sizes)):
            raise ValueError(f"level_sizes is {self.level_sizes}; they must rise")
        sizes = self.level_sizes or ()
        if len(sizes) >= MOST_LEVELS:
            raise ValueError(
                f"level_sizes has {len(sizes)} numbers; at most {MOST_LEVELS - 1} are accepted"
            )
        if self.level_steps is not None:
            count = self.levels if self.level_sizes is None else len(self.level_sizes) + 1
            if len(self.level_steps) != count:
                raise ValueError(
                    f"level_steps has {len(self.level_steps)} numbers; {count} levels need as many"
                )
            steps = sum(self.level_steps)
            whole_number("the sum of level_steps", steps, minimum=0, maximum=MOST_STEPS)
            self._coerce("steps", steps)

    def _check_layers(self) -> None:
        for layers, weights in (
            ("content_layers", "content_layer_weights"),
            ("style_layers", "style_layer_weights"),
        ):
            count, shares = len(getattr(self, layers)), getattr(self, weights)
            if shares is not None and len(shares) != count:
                raise ValueError(f"{weights} has {len(shares)} values; {count} layers need as many")
            weight = f"{weights.partition('_')[0]}_weight"
            if max(shares or (0,)) * getattr(self, weight) > LARGEST_NUMBER:
                raise ValueError(
                    f"{weight} times {weights} is more than {LARGEST_NUMBER}, the most of float32"
                )
        different_names(self.content_layers)
        if not self.content_layers and not self.style_layers:
            raise ValueError("content_layers and style_layers are both empty; one is needed")

    def _check_style_loss(self) -> None:
        if len(self.style_loss) not in (1, len(self.style_layers)):
            raise ValueError(
                f"style_loss has {len(self.style_loss)} names; one, or one for each of the "
                f"{len(self.style_layers)} style layers is accepted"
            )
        terms = [term.name for term in self.style_terms()]
        if len(set(terms)) < len(terms):
            raise ValueError(f"style_layers name one twice with one loss: {', '.join(terms)}")

    def check_network(
        self, strides: Mapping[str, int] = STRIDES, *, own_terms: bool = False
    ) -> None:
        """ValueError unless these settings are for a network with such layers, VGG-19's if unset.

        `strides` has the pixels between two positions of each layer's maps, by name. With
        `own_terms` the maps of content layers are cut at the margin too.
        """
        check_layers(self.layers(), strides)
        for layer in self.layers() if own_terms else self.style_layers:
            if self.margin % strides[layer]:
                raise ValueError(
                    f"margin is {self.margin}; a multiple of {strides[layer]} is accepted, "
                    f"the stride of {layer}"
                )

    def plain(self) -> dict[str, Any]:
        """The settings as values that a file can hold: "own" for an optimizer or a schedule."""
        return {
            field.name: OWN if _is_object(value := getattr(self, field.name)) else value
            for field in dataclasses.fields(self)
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
        return tuple(dict.fromkeys([*self.content_layers, *self.style_layers]))

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

    def weights(self, extra_terms: Mapping[str, tuple[float, Any]] | None = None) -> "Terms":
        """The weight of each term, as arrays: a different value never recompiles.

        `extra_terms` are those that `make_targets` was given.
        """
        import jax.numpy as jnp  # which settings need for this alone

        from jnst.settings.terms import Terms, spread

        return Terms(
            spread(self.content_weight, self.content_layers, self.content_layer_weights),
            spread(
                self.style_weight,
                [term.name for term in self.style_terms()],
                self.style_layer_weights,
            ),
            jnp.float32(self.laplacian_weight) if self.laplacian_weight else None,
            jnp.float32(self.temporal_weight) if self.temporal_weight else None,
            jnp.float32(self.tv_weight),
            {name: jnp.float32(weight) for name, (weight, _) in (extra_terms or {}).items()},
        )

    def layout(self) -> "Config":
        """The settings that targets depend on, all others at their defaults: static under jit."""
        names = (
            "content_layers", "style_layers", "style_loss", "convention", "pooling", "margin",
            "precision", "variation", "laplacian_pool", "mask_propagation", "normalize_gradients",
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

        >>> config = jnst.Config(optimizer="adam", learning_rate=0.1)
        >>> config.replace(size=256).learning_rate
        0.1
        >>> config.replace(optimizer="lbfgs").learning_rate is None
        True
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            if name not in known:
                nearest = did_you_mean(name, known)
                raise ValueError(f"unknown setting {name!r}; {nearest}known: {', '.join(known)}")
        freed: dict[str, Any] = {}
        if settings.get("optimizer", self.optimizer) != self.optimizer:
            freed |= {"learning_rate": None, "learning_rate_decay": 1.0}
            if settings["optimizer"] == "lbfgs":
                freed |= {"pixels": "free", "normalize_gradients": False}
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


def _is_object(value: Any) -> bool:
    return callable(value) or hasattr(value, "update")


def config_or_default(config: Config | None) -> Config:
    """The settings that were given, or those of `Config()`; ValueError if they are no Config."""
    if config is None:
        return Config()
    if not isinstance(config, Config):
        raise ValueError(f"config is of type {type(config).__name__}; a jnst.Config is accepted")
    return config
