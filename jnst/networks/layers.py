"""The layers of the VGG networks (Simonyan and Zisserman 2015), and checks of layer names."""

import dataclasses
import functools
import types
from collections.abc import Iterable, Mapping
from typing import Literal

from jnst.common.validation import unknown

Pooling = Literal["average", "max"]
Precision = Literal["float32", "bfloat16"]


def usual_preset(pooling: Pooling) -> str:
    """The preset of a network that names none: networks trained on photographs have maxima."""
    return "trained" if pooling == "max" else "fast"


CHANNELS = (64, 128, 256, 512, 512)
"""The usual channels of each block."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The table of layers of a VGG network: five blocks of convolutions, a pooling after each.

    `depths` has the number of convolutions of each block; every convolution is 3 x 3 and has a
    ReLU.
    """

    name: str
    depths: tuple[int, ...]

    @functools.cached_property
    def convolutions(self) -> Mapping[str, tuple[int, int, int, int]]:
        """The usual kernel shape (3, 3, C_in, C_out) of each convolution, in order."""
        shapes, channels_in = {}, 3
        for block, (channels, depth) in enumerate(zip(CHANNELS, self.depths, strict=True), 1):
            for index in range(1, depth + 1):
                shapes[f"conv{block}_{index}"] = (3, 3, channels_in, channels)
                channels_in = channels
        return shapes

    @property
    def widths(self) -> tuple[int, ...]:
        """The usual channels of each convolution, in order."""
        return tuple(shape[-1] for shape in self.convolutions.values())

    @functools.cached_property
    def strides(self) -> Mapping[str, int]:
        """The pixels between two positions of each layer's maps, in the order of computation."""
        strides: dict[str, int] = {}
        for block, depth in enumerate(self.depths, 1):
            for index in range(1, depth + 1):
                names = f"conv{block}_{index}", f"relu{block}_{index}"
                strides |= dict.fromkeys(names, 1 << block - 1)
            strides[f"pool{block}"] = 1 << block
        return strides

    @functools.cached_property
    def layers(self) -> tuple[str, ...]:
        """Every layer in the order of computation: conv1_1, relu1_1, conv1_2, ..., pool5."""
        return tuple(self.strides)

    def layers_up_to(self, layers: Iterable[str]) -> tuple[str, ...]:
        """All layers up to the deepest of these, in the order of computation."""
        return self.layers[: 1 + max(map(self.layers.index, layers), default=-1)]


VGG11 = Architecture("VGG-11", (1, 1, 2, 2, 2))
VGG13 = Architecture("VGG-13", (2, 2, 2, 2, 2))
VGG16 = Architecture("VGG-16", (2, 2, 3, 3, 3))
VGG19 = Architecture("VGG-19", (2, 2, 4, 4, 4))

ARCHITECTURES: Mapping[str, Architecture] = types.MappingProxyType(
    {each.name: each for each in (VGG11, VGG13, VGG16, VGG19)}
)
"""The VGG networks by name. Every layer of a shallower one is a layer of VGG-19."""


def architecture_of(convolutions: Iterable[str]) -> Architecture | None:
    """The architecture that has just these convolutions; None if there is none."""
    names = set(convolutions)
    found = (each for each in ARCHITECTURES.values() if names == each.convolutions.keys())
    return next(found, None)


def check_layers(layers: Iterable[str], known: Iterable[str] = VGG19.layers) -> tuple[str, ...]:
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


def smallest_side(layers: Iterable[str], strides: Mapping[str, int] = VGG19.strides) -> int:
    """The smallest side of an image for which the deepest of `layers` has one position."""
    return max((strides[name] for name in layers), default=1)
