"""What settings are checked for together: each by itself is already as it should be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jnst.common.validation import whole_number
from jnst.networks.layers import check_layers, different_names
from jnst.settings.fields import BLENDS, LARGEST_NUMBER, MOST_LEVELS, MOST_STEPS

if TYPE_CHECKING:
    from jnst.settings.config import Config
    from jnst.settings.layout import Layout


def check_together(config: "Config") -> None:
    """ValueError if settings do not go together; the message names them."""
    _check_optimizer(config)
    _check_levels(config)
    _check_layers(config)
    _check_style_loss(config)
    if config.averaging == 1:
        raise ValueError("averaging is 1.0; a number of at least 0 and under 1 is accepted")
    if config.style_blend is not None and max(config.style_blend, default=0) < BLENDS[0]:
        raise ValueError(f"style_blend is {config.style_blend}; a positive number is needed")


def check_for_network(
    config: "Config | Layout", strides: Mapping[str, int], *, own_terms: bool
) -> None:
    """As `Config.check_network`."""
    for setting in ("content_layers", "style_layers"):
        layers = getattr(config, setting)
        missing = [layer for layer in layers if layer not in strides]
        if missing and layers == getattr(type(config), setting, None):
            raise ValueError(
                f"unknown layer {missing[0]!r}, which is a default of {setting}; "
                f"this network has {', '.join(strides)}"
            )
    check_layers(config.layers(), strides)
    for layer in config.layers() if own_terms else config.style_layers:
        if config.margin % strides[layer]:
            raise ValueError(
                f"margin is {config.margin}; a multiple of {strides[layer]} is accepted, "
                f"the stride of {layer}"
            )


def _check_optimizer(config: "Config") -> None:
    if not isinstance(config.optimizer, str):
        if callable(config.learning_rate):
            raise ValueError(
                "learning_rate is a schedule, which adam and sgd take; an optax optimizer has "
                "its own"
            )
        if config.learning_rate_decay != 1:
            raise ValueError(
                "learning_rate_decay is not 1; adam and sgd take it, an optimizer of optax "
                "has its own schedule"
            )
    if config.optimizer != "lbfgs":
        return
    if config.pixels == "projected":
        raise ValueError("pixels is 'projected', which adam and sgd take; lbfgs takes sigmoid")
    if config.learning_rate is not None:
        raise ValueError(
            f"learning_rate is {config.learning_rate}; lbfgs takes none, adam and sgd do"
        )
    if config.learning_rate_decay != 1:
        raise ValueError("learning_rate_decay is not 1; adam and sgd take it, lbfgs does not")
    if config.normalize_gradients:
        raise ValueError("normalize_gradients is on; adam and sgd take it, lbfgs does not")


def _check_levels(config: "Config") -> None:
    sizes = config.level_sizes or ()
    if list(sizes) != sorted(set(sizes)):
        raise ValueError(f"level_sizes is {sizes}; rising sizes are accepted")
    if len(sizes) >= MOST_LEVELS:
        raise ValueError(
            f"level_sizes has {len(sizes)} numbers; at most {MOST_LEVELS - 1} are accepted"
        )
    if config.level_steps is not None:
        count = config.levels if config.level_sizes is None else len(config.level_sizes) + 1
        if len(config.level_steps) != count:
            raise ValueError(
                f"level_steps has {len(config.level_steps)} numbers; "
                f"expected {count}, one for each level"
            )
        steps = sum(config.level_steps)
        whole_number("the sum of level_steps", steps, minimum=0, maximum=MOST_STEPS)


def _check_layers(config: "Config") -> None:
    for layers, weights in (
        ("content_layers", "content_layer_weights"),
        ("style_layers", "style_layer_weights"),
    ):
        count, shares = len(getattr(config, layers)), getattr(config, weights)
        if shares is not None and len(shares) != count:
            raise ValueError(
                f"{weights} has {len(shares)} values; expected {count}, one for each layer"
            )
        weight = f"{weights.partition('_')[0]}_weight"
        if max(shares or (0,)) * getattr(config, weight) > LARGEST_NUMBER:
            raise ValueError(
                f"{weight} times {weights} is more than {LARGEST_NUMBER}, the largest float32"
            )
    different_names(config.content_layers)
    if not config.content_layers and not config.style_layers:
        raise ValueError("content_layers and style_layers are both empty; one is needed")


def _check_style_loss(config: "Config") -> None:
    if len(config.style_loss) not in (1, len(config.style_layers)):
        raise ValueError(
            f"style_loss has {len(config.style_loss)} names; expected 1, or "
            f"{len(config.style_layers)}, one for each style layer"
        )
    terms = [term.name for term in config.style_terms()]
    if len(set(terms)) < len(terms):
        raise ValueError(f"style_layers has one layer and loss twice: {', '.join(terms)}")
