"""The interface of a network: the strides of its layers, and the features of an image."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

from jnst.networks.layers import VGG19


@runtime_checkable
class FeatureNetwork(Protocol):
    """A network for `jnst.stylize`: a pytree with these two members. `Network` is one.

    `strides` maps the name of each layer to the pixels between two positions of its maps; it is no
    leaf of the pytree. `features(image, layers)` gives the maps of an image (H, W, 3), sRGB in
    [0, 1], by layer; a map has at least (H // stride, W // stride) positions. A
    `flax.struct.PyTreeNode` is a pytree. Recipes use the attribute `name`, if there is one.
    """

    @property
    def strides(self) -> Mapping[str, int]: ...

    def features(
        self, image: Float[Array, "h w 3"], layers: tuple[str, ...]
    ) -> Mapping[str, Float[Array, "_h _w _c"]]: ...


def strides_of(network: Any) -> Mapping[str, int]:
    """The strides of the layers of a network; for a name or a file those of VGG-19.

    VGG-19 has every layer of the other VGG networks, with the same stride.

    Raises:
        ValueError: the network is no pytree.
    """
    if not isinstance(network, FeatureNetwork):
        return VGG19.strides
    if jax.tree_util.all_leaves([network]):
        raise ValueError(
            f"network {type(network).__name__} is no pytree; make it a flax.struct.PyTreeNode"
        )
    return network.strides


def own_features(
    network: FeatureNetwork, image: Float[Array, "h w 3"], layers: tuple[str, ...]
) -> dict[str, Float[Array, "_h _w _c"]]:
    """The maps (H', W', C) of the user's own network, by layer.

    Raises:
        ValueError: a map is missing, or smaller than the stride of its layer implies.
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
