"""The style losses of a run with their layers and names."""

from collections.abc import Sequence
from typing import NamedTuple


class StyleTerm(NamedTuple):
    """A style loss at a layer.

    `name` is the layer's name, or "layer/loss" where a layer has several losses.
    """

    name: str
    layer: str
    loss: str


def named_style_terms(layers: Sequence[str], losses: Sequence[str]) -> tuple[StyleTerm, ...]:
    """A term for each of the layers; one loss is that of them all."""
    each = [*losses] * (len(layers) // len(losses) or 1)
    names = [
        layer if layers.count(layer) == 1 else f"{layer}/{loss}"
        for layer, loss in zip(layers, each, strict=False)
    ]
    return tuple(map(StyleTerm, names, layers, each))
