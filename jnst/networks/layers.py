"""The layers of VGG-19 (Simonyan and Zisserman 2015), and checks of layer names."""

import types
from collections.abc import Iterable, Mapping
from typing import Literal

from jnst.common.validation import unknown

Pooling = Literal["average", "max"]
Precision = Literal["float32", "bfloat16"]

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and number of convolutions of each block."""


def _convolution_shapes() -> dict[str, tuple[int, int, int, int]]:
    shapes, channels_in = {}, 3
    for block, (channels, depth) in enumerate(BLOCKS, 1):
        for index in range(1, depth + 1):
            shapes[f"conv{block}_{index}"] = (3, 3, channels_in, channels)
            channels_in = channels
    return shapes


def _strides() -> dict[str, int]:
    strides: dict[str, int] = {}
    for block, (_, depth) in enumerate(BLOCKS, 1):
        for index in range(1, depth + 1):
            strides |= dict.fromkeys((f"conv{block}_{index}", f"relu{block}_{index}"), 1 << block)
        strides[f"pool{block}"] = 2 << block
    return {name: stride // 2 for name, stride in strides.items()}


CONVOLUTIONS = _convolution_shapes()
"""Kernel shape (3, 3, C_in, C_out) of each of the sixteen convolutions, in order."""

STRIDES: Mapping[str, int] = types.MappingProxyType(_strides())
"""The pixels between two positions of each layer's maps, in the order of computation."""

LAYERS = tuple(STRIDES)
"""Every layer in the order of computation: conv1_1, relu1_1, conv1_2, ..., pool5."""


def check_layers(layers: Iterable[str], known: Iterable[str] = LAYERS) -> tuple[str, ...]:
    """The names as a tuple; ValueError for an unknown one, with the nearest and all known names."""
    layers, known = different_names(layers), tuple(known)
    for name in layers:
        if name not in known:
            raise ValueError(unknown("layer", name, known))
    return layers


def different_names(layers: Iterable[str]) -> tuple[str, ...]:
    """The names as a tuple; ValueError if one is there twice."""
    layers = (layers,) if isinstance(layers, str) else tuple(layers)
    if len(set(layers)) < len(layers):
        raise ValueError(f"one layer is named twice: {', '.join(layers)}")
    return layers


def layers_up_to(layers: Iterable[str]) -> tuple[str, ...]:
    """All of `LAYERS` up to the deepest of these, in the order of computation."""
    return LAYERS[: 1 + max(map(LAYERS.index, layers), default=-1)]


def smallest_side(layers: Iterable[str], strides: Mapping[str, int] = STRIDES) -> int:
    """The smallest side of an image for which the deepest of `layers` has one position."""
    return max((strides[name] for name in layers), default=1)
