"""What is asked of a network: its layers, and the features of an image."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

from jnst.networks.layers import STRIDES


@runtime_checkable
class FeatureNetwork(Protocol):
    """A network for `jnst.stylize` and the like: a pytree with these two; `Network` is one.

    `strides` has the pixels between two positions of each layer's maps, by the layers' names; it
    is no leaf of the pytree. `features(image, layers)` are the maps of an image (H, W, 3), sRGB in
    [0, 1]: at least (H // stride, W // stride, C) of each of the layers. A `flax.struct.PyTreeNode`
    is a pytree; its `name` is what the recipe says.
    """

    @property
    def strides(self) -> Mapping[str, int]: ...

    def features(
        self, image: Float[Array, "h w 3"], layers: tuple[str, ...]
    ) -> Mapping[str, Float[Array, "_h _w _c"]]: ...


def strides_of(network: Any) -> Mapping[str, int]:
    """The strides of all layers of a network, of a VGG-19 if it is a name or a file.

    Raises:
        ValueError: JAX would take the network for one value.
    """
    if not isinstance(network, FeatureNetwork):
        return STRIDES
    if jax.tree_util.all_leaves([network]):
        raise ValueError(
            f"network {type(network).__name__} is no pytree; flax.struct.PyTreeNode makes it one"
        )
    return network.strides


def own_features(
    network: FeatureNetwork, image: Float[Array, "h w 3"], layers: tuple[str, ...]
) -> dict[str, Float[Array, "_h _w _c"]]:
    """The maps of a network of another kind than VGG-19, (H', W', C) by layer.

    Raises:
        ValueError: one is missing, or no map of the size that its stride says.
    """
    maps = network.features(image, layers)
    for name in layers:
        if name not in maps:
            raise ValueError(f"network {type(network).__name__} gives no maps of layer {name!r}")
        least = tuple(side // network.strides[name] for side in image.shape[:2])
        shape = maps[name].shape
        if len(shape) != 3 or shape[0] < least[0] or shape[1] < least[1]:
            raise ValueError(
                f"network {type(network).__name__} gives maps of shape {shape} of layer {name!r}; "
                f"by its stride {network.strides[name]} at least {least[0]} x {least[1]} positions "
                "(height, width, channels) are accepted"
            )
    return {name: maps[name] for name in layers}
