"""Presets: recipes from the literature by name, as changes to the defaults of `Config`."""

import types
from collections.abc import Mapping
from typing import Any

from jnst.common.errors import NetworkError
from jnst.common.validation import check_name, shown
from jnst.networks.manifest import EMBEDDED
from jnst.settings.config import Config

CONVOLUTIONS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CHANNELS = (64, 128, 256, 512, 512)

PRESETS: Mapping[str, Mapping[str, Any]] = types.MappingProxyType(
    {
        # jnst's default: coarse to fine, L-BFGS, relative losses.
        "fast": {},
        # The same for networks trained on photographs: a few strong channels are nearly all of
        # their Gram matrices, and the coarsest size would lose the content.
        "trained": {
            "levels": 2,
            "steps": 150,
            "content_layers": ("relu3_1", "relu4_2"),
            "style_loss": ("balanced_gram",),
            "tv_weight": 0.5,
        },
        # Gatys, Ecker, Bethge 2016, "Image style transfer using convolutional neural networks":
        # the paper as it is written, alpha / beta = 1e-3. It does not say how many steps.
        "gatys2016": {
            "levels": 1,
            "steps": 500,
            "init": "noise",
            "content_layers": ("conv4_2",),
            "style_layers": CONVOLUTIONS,
            "content_weight": 1.0,
            "style_weight": 1000.0,
            "tv_weight": 0.0,
            "convention": "paper",
            "pooling": "average",
            "margin": 0,
        },
        # Their code, github.com/leongatys/PytorchNeuralStyleTransfer, the notebook's first part.
        "gatys2016-code": {
            "levels": 1,
            "steps": 500,
            "content_layers": ("relu4_2",),
            "style_layers": RELUS,
            "content_weight": 1.0,
            "style_weight": 1.0,
            "style_layer_weights": tuple(1e3 / channels**2 for channels in CHANNELS),
            "tv_weight": 0.0,
            "convention": "code",
            "pooling": "max",
            "margin": 0,
        },
        # Johnson 2015, github.com/jcjohnson/neural-style, its defaults; it starts from the mean
        # of the network, with noise of 0.001 in 0-255 that is left out here. Without its total
        # variation, a gradient of 1e-3 times the differences in 0-255.
        "johnson2015": {
            "levels": 1,
            "steps": 1000,
            "init": "mean",
            "content_layers": ("relu4_2",),
            "style_layers": RELUS,
            "content_weight": 5.0,
            "style_weight": 100.0,
            "style_layer_weights": (1.0,) * 5,
            "tv_weight": 0.0,
            "convention": "johnson",
            "pooling": "max",
            "margin": 0,
        },
        # Chollet, keras.io/examples/generative/neural_style_transfer: sums of squares in 0-255,
        # here of [0, 1]: its rate of 100 is 100 / 255^2. Its Gram matrices are divided by the
        # image's size, which is 4^(b-1) times that of block b's maps, and by 3 channels at every
        # layer. Without its total variation.
        "keras": {
            "size": 400,
            "levels": 1,
            "steps": 4000,
            "optimizer": "sgd",
            "learning_rate": 100 / 255**2,
            "learning_rate_decay": 0.96,
            "content_layers": ("relu5_2",),
            "style_layers": RELUS,
            "content_weight": 2 * 2.5e-8,
            "style_weight": 1e-6,
            "style_layer_weights": tuple(
                channels**2 / 9 * 16.0**-block / 5 for block, channels in enumerate(CHANNELS)
            ),
            "tv_weight": 0.0,
            "convention": "paper",
            "pooling": "max",
            "margin": 0,
        },
        # Crowson 2021, github.com/crowsonkb/style-transfer-pytorch, its defaults; our margin in the
        # place of its replicated border.
        "crowson2021": {
            "level_sizes": (128, 181, 256, 362),
            "level_steps": (1000, 500, 500, 500, 500),
            "optimizer": "adam",
            "learning_rate": 0.02,
            "pixels": "projected",
            "averaging": 0.99,
            "content_layers": ("relu4_2",),
            "style_layers": RELUS,
            "style_loss": ("wasserstein",),
            "content_weight": 0.015,
            "style_weight": 1.0,
            "style_layer_weights": tuple(4.0**power / 341 for power in (4, 3, 2, 1, 0)),
            "tv_weight": 2.0,
            "variation": "nine_point",
            "convention": "code",
            "pooling": "max",
        },
    }
)


NETWORKS: Mapping[str, str] = types.MappingProxyType(
    {
        "fast": "embedded",
        "trained": "hed",
        "gatys2016": "imagenet",
        "gatys2016-code": "imagenet",
        "johnson2015": "imagenet",
        "keras": "imagenet",
        "crowson2021": "torchvision",
    }
)
"""The network that each preset was designed for. Absolute losses do not carry over to another."""


PURPOSES: Mapping[str, str] = types.MappingProxyType(
    {
        "fast": "jnst's default: coarse to fine, relative losses, in a minute or two.",
        "trained": "jnst's default for networks trained on photographs: hed, imagenet and others.",
        "gatys2016": "Gatys, Ecker and Bethge as the paper describes it, from noise.",
        "gatys2016-code": "The code that its authors published, from the content.",
        "johnson2015": "The defaults of Johnson's neural-style.",
        "keras": "The example by Chollet in the documentation of Keras.",
        "crowson2021": "Crowson's style-transfer-pytorch: Wasserstein losses, large pictures.",
    }
)
"""What `jnst presets` says of each preset."""


def preset(name: str, **settings: Any) -> Config:
    """The settings of a preset, with some of them changed.

    Raises:
        ValueError: an unknown preset or setting, or a value that is not accepted.

    >>> config = jnst.preset("gatys2016", size=256)
    >>> config.size, config.steps, config.init
    (256, 500, 'noise')
    """
    check_name("preset", name, PRESETS)
    return Config(**PRESETS[name]).replace(**settings)


def preset_of(network: Any) -> Config:
    """The settings of the preset that a network names.

    `network` is what `load_network` takes, or a network.

    Raises:
        NetworkError: there is no such network, or no such preset.
    """
    if network == EMBEDDED:
        return preset("fast")
    from jnst.networks.loading import stated_preset  # with JAX, which nothing else here needs

    name = stated_preset(network)
    if name not in PRESETS:
        raise NetworkError(
            f"{getattr(network, 'name', network)} names the preset {shown(name)}; accepted: "
            f"{', '.join(PRESETS)}"
        )
    return preset(name)


def config_or_default(config: Config | None, network: Any) -> Config:
    """`config`, or for None the preset of the network; ValueError for anything else.

    Raises:
        NetworkError: there is no such network.
    """
    if config is None:
        return preset_of(network)
    if not isinstance(config, Config):
        raise ValueError(f"config is of type {type(config).__name__}; a jnst.Config is accepted")
    return config
