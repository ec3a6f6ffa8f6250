"""Networks made ready for the many passes of a run."""

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

import jax
from jaxtyping import Array

from jnst.common.validation import check_choice
from jnst.networks import winograd
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.layers import Precision, check_layers
from jnst.networks.vgg import Network, needed_params

Kind = TypeVar("Kind", bound=FeatureNetwork)


def prepare_network(
    network: Kind,
    layers: Iterable[str],
    *,
    precision: Precision = "float32",
    shared_rows: bool = False,
) -> Kind:
    """What many passes up to the deepest of `layers` need of a network, and nothing else.

    Deeper convolutions are left out. On CPU, in float32, kernels are transformed once for all
    passes where `jnst.networks.winograd.best_tile` has one, of side t: `params` has
    `{"transformed": (t + 2, t + 2, I, O), "bias": (O,)}` of these layers, whose features differ by
    rounding (1e-5 of their deviation); not where devices share the rows of an image
    (`shared_rows`), which would gather them for that. A network of another kind is returned as it
    is.

    Raises:
        ValueError: as `extract_features` of the same layers and precision.
    """
    check_choice("precision", precision, Precision)
    if not isinstance(network, Network):
        return network
    params = needed_params(network, check_layers(layers, network.strides), precision)
    kernels = {name: layer["kernel"] for name, layer in params.items() if "kernel" in layer}
    # Winograd's products are differences too small for bfloat16.
    if shared_rows or precision != "float32":
        kernels = {}
    kernels = {name: each for name, each in kernels.items() if winograd.best_tile(each.shape)}
    transformed = {
        name: {"transformed": kernel, "bias": params[name]["bias"]}
        for name, kernel in _transform_kernels(kernels).items()
    }
    return cast(Kind, network.replace(params={**params, **transformed}))


@jax.jit
def _transform_kernels(kernels: Mapping[str, Array]) -> Mapping[str, Array]:
    return {
        name: winograd.transform_kernel(kernel, winograd.best_tile(kernel.shape))
        for name, kernel in kernels.items()
    }


def restore_network(network: Kind) -> Kind:
    """A network from `prepare_network` with kernels that are not transformed, for few passes.

    Its programs compile in about a quarter of the time. Features differ by rounding. A network of
    another kind is returned as it is.
    """
    if not isinstance(network, Network):
        return network
    kernels = {
        name: layer["transformed"]
        for name, layer in network.params.items()
        if "transformed" in layer
    }
    restored = {
        name: {"kernel": kernel, "bias": network.params[name]["bias"]}
        for name, kernel in _restore_kernels(kernels).items()
    }
    return cast(Kind, network.replace(params={**network.params, **restored}))


@jax.jit
def _restore_kernels(kernels: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: winograd.restore_kernel(kernel) for name, kernel in kernels.items()}
