"""VGG networks (Simonyan and Zisserman 2015): the Flax module, and `extract_features`."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jnst.common.devices import check_mesh
from jnst.common.validation import check_choice
from jnst.networks import winograd
from jnst.networks.convolution import convolve
from jnst.networks.feature_network import FeatureNetwork, own_features, strides_of
from jnst.networks.layers import (
    ARCHITECTURES,
    VGG19,
    Architecture,
    Pooling,
    Precision,
    architecture_of,
    check_layers,
    smallest_side,
    usual_preset,
)
from jnst.networks.pooling import pool
from jnst.networks.shared_rows import clear_below, pad_rows

Params = Mapping[str, Mapping[str, Array]]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("params", "mean"),
    meta_fields=("architecture", "pooling"),
    drop_fields=("name", "source", "license", "digest", "preset"),
)
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A VGG network in canonical form: RGB in [0, 1] minus `mean`, then conv1_1.

    `params` is `{"conv1_1": {"kernel": (3, 3, I, O), "bias": (O,)}, ...}`, all convolutions of its
    `architecture` unless it is from `prepare_network`; their widths may be any. `mean` is (3,).
    These are the leaves of the pytree. `architecture`, which the names in `params` tell, and
    `pooling`, with which it was trained, are static. The rest is the network's identity, which is
    no part of the pytree: what JAX makes of a network has none. `digest` is `network_digest` of it;
    `preset` is the preset that runs with it take by default. Unless it is given, the pooling tells
    it: "trained" for "max", "fast" for "average".

    Raises:
        ValueError: the convolutions in `params` are those of no VGG network.
    """

    params: Params
    mean: Float[Array, "3"]
    pooling: Pooling = "max"
    architecture: Architecture = None  # type: ignore[assignment]  # found in `params`
    name: str = ""
    source: str = ""
    license: str = ""
    digest: str = ""
    preset: str = ""

    def __post_init__(self) -> None:
        check_choice("pooling", self.pooling, Pooling)
        if self.architecture is None:
            found = architecture_of(self.params)
            if found is None:
                raise ValueError(
                    f"params has {', '.join(self.params) or 'nothing'}; all convolutions of "
                    f"{', '.join(ARCHITECTURES)} are accepted"
                )
            object.__setattr__(self, "architecture", found)
        if not self.preset:
            object.__setattr__(self, "preset", usual_preset(self.pooling))

    def replace(self, **changes: Any) -> "Network":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        convolutions = f"{len(self.params)} convolutions to {max(self.params, default='none')}"
        kind = f"{self.architecture.name}, {self.pooling} pooling, {convolutions}"
        return f"Network({self.name!r}, {kind}, digest {self.digest[:12]!r})"

    @property
    def strides(self) -> Mapping[str, int]:
        """The pixels between two positions of each layer's maps."""
        return self.architecture.strides

    def features(
        self, image: Float[Array, "h w 3"], layers: Iterable[str]
    ) -> dict[str, Float[Array, "_h _w _c"]]:
        """As `extract_features`, with its defaults."""
        return extract_features(self, image, layers)


class Convolution(nn.Module):
    """A 3 x 3 convolution with bias, in the precision of its input, which is padded with zeros."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "h w i"]) -> Float[Array, "h w o"]:
        if self.has_variable("params", "transformed"):
            x = winograd.convolve(x, self.get_variable("params", "transformed").astype(x.dtype))
        else:
            shape = (3, 3, x.shape[-1], self.features)
            kernel = self.param("kernel", nn.initializers.he_normal(), shape)
            x = convolve(x, kernel.astype(x.dtype))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return x + bias[None, None].astype(x.dtype)


class VGG(nn.Module):
    """The convolutional part of a VGG network, on (H, W, 3) with the mean already subtracted.

    Returns `{name: (H', W', C)}` for `layers` and computes nothing deeper than the deepest. What is
    returned has the type of x, in whatever precision it is computed. `widths` are the channels of
    the convolutions, in their order; () means the usual ones. Of a network that goes on `after` a
    layer, x are the maps of that layer. The devices of a `mesh` share the rows of all maps.
    """

    layers: tuple[str, ...]
    architecture: Architecture = VGG19
    pooling: Pooling = "max"
    precision: Precision = "float32"
    widths: tuple[int, ...] = ()
    after: str = ""
    mesh: Mesh | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "h w c"]) -> dict[str, Float[Array, "_h _w _c"]]:
        taken, dtype = {}, x.dtype
        convolutions = self.architecture.convolutions
        widths = dict(zip(convolutions, self.widths or self.architecture.widths, strict=False))
        if self.precision == "bfloat16":
            x = x.astype(jnp.bfloat16)
        before = len(self.architecture.layers_up_to([self.after] if self.after else []))
        order, rows = self.architecture.layers_up_to(self.layers)[before:], len(x)
        if self.mesh is not None:
            x = pad_rows(x, 2 ** sum(name.startswith("pool") for name in order), self.mesh)
        for name in order:
            if name.startswith("conv"):
                x = Convolution(widths[name], name=name)(x)
            elif name.startswith("relu"):
                x = relu(x)
            else:
                x, rows = pool(x, self.pooling), rows // 2
            x = clear_below(x, rows)
            if name in self.layers:
                taken[name] = x[:rows].astype(dtype)
        return taken


@jax.custom_vjp
def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The larger of x and 0. Its gradient is 0 where x is 0, and keeps one bit for each value.

    `jax.nn.relu` keeps the whole map. A selection, not a maximum: XLA would draw that into one call
    with the convolutions around it, which holds all maps between them.
    """
    return jnp.where(x <= 0, 0, x)  # NaN stays NaN


def _relu_forward(x: Array) -> tuple[Array, Array]:
    return relu(x), jnp.packbits(x > 0, axis=-1)


def _relu_backward(active: Array, gradient: Array) -> tuple[Array]:
    return (jnp.where(jnp.unpackbits(active, axis=-1, count=gradient.shape[-1]), gradient, 0),)


relu.defvjp(_relu_forward, _relu_backward)


def extract_features(
    network: FeatureNetwork,
    image: Float[Array, "h w 3"],
    layers: Iterable[str],
    *,
    pooling: Pooling | None = None,
    precision: Precision = "float32",
    mesh: Mesh | None = None,
) -> dict[str, Float[Array, "_h _w _c"]]:
    """Feature maps of an image at the named layers.

    `image` is (H, W, 3) sRGB in [0, 1]. `convB_K` is taken before its ReLU, `reluB_K` after it,
    `poolB` after pooling; block B's maps are (H // 2^(B-1), W // 2^(B-1), C). Nothing deeper than
    the deepest layer is computed. `pooling` is "average" (Gatys et al. 2016, section 2) or "max"
    (Simonyan and Zisserman 2015), by default the network's own. A network of another kind than VGG
    says itself what its layers are.

    With `precision` "bfloat16" the convolutions are computed in bfloat16, forward and backward.
    Maps and gradients still have the image's type. The relative loss is then off by less than
    0.5 %, the gradient by up to 10 % of its length. On CPU it gains nothing. The devices of a
    `mesh` share the rows of all maps, which are the same.

    Raises:
        ValueError: an unknown layer, pooling or precision, or one that a network of another kind
            does not take; an image that is not (H, W, 3) or is too small for the deepest layer; a
            network from `prepare_network` for fewer layers or another precision.

    >>> network, image = jnst.load_network("embedded"), jnp.full((16, 24, 3), 0.5)
    >>> maps = jnst.extract_features(network, image, ["relu1_1", "relu2_1"])
    >>> maps["relu1_1"].shape, maps["relu2_1"].shape
    ((16, 24, 64), (8, 12, 128))
    """
    strides = strides_of(network)
    layers = check_layers(layers, strides)
    if pooling is not None:
        check_choice("pooling", pooling, Pooling)
    check_choice("precision", precision, Precision)
    check_image("image", image, layers, strides)
    if not isinstance(network, Network):
        if pooling == "max" or precision != "float32":
            raise ValueError(
                f"pooling is {pooling!r} and precision {precision!r}; a network of one's own has "
                "its own, and takes None or 'average', and 'float32'"
            )
        return own_features(network, image, layers)
    mesh = None if mesh is None else check_mesh(mesh)
    centered = image - network.mean[None, None].astype(image.dtype)
    return maps_after(network, centered, layers, pooling=pooling, precision=precision, mesh=mesh)


def maps_after(
    network: Network,
    maps: Float[Array, "h w c"],
    layers: tuple[str, ...],
    *,
    after: str = "",
    pooling: Pooling | None = None,
    precision: Precision = "float32",
    mesh: Mesh | None = None,
) -> dict[str, Float[Array, "_h _w _c"]]:
    """The maps at `layers`, from those of the layer `after`, or from an image minus the mean."""
    params = needed_params(network, layers, precision)
    widths = tuple(len(layer["bias"]) for layer in params.values())
    vgg = VGG(
        layers, network.architecture, pooling or network.pooling, precision, widths, after, mesh
    )
    features = vgg.apply({"params": params}, maps)
    assert isinstance(features, dict)
    return features


def needed_params(network: Network, layers: Sequence[str], precision: Precision) -> Params:
    """The parameters of all convolutions up to the deepest of `layers`; ValueError without them."""
    needed = {}
    for name in network.architecture.layers_up_to(layers):
        if not name.startswith("conv"):
            continue
        needed[name] = network.params.get(name, {})
        if not needed[name] or (precision == "bfloat16" and "transformed" in needed[name]):
            raise ValueError(
                f"network has no kernel of {name} in {precision}; what prepare_network returns is "
                "for its layers and precision, take the network that it was made from"
            )
    return needed


def is_complete(network: Network) -> bool:
    """Whether the network has all its convolutions as they are in its file."""
    convolutions = network.architecture.convolutions
    return all("kernel" in network.params.get(name, {}) for name in convolutions)


def has_usual_widths(network: Any) -> bool:
    """Whether it is a VGG network of the usual widths, as a name or a file is taken to be."""
    if not isinstance(network, Network):
        return not isinstance(network, FeatureNetwork)
    usual = network.architecture.convolutions
    return all(len(layer["bias"]) == usual[name][-1] for name, layer in network.params.items())


def check_complete(network: Network) -> None:
    """ValueError unless the network `is_complete`."""
    if not is_complete(network):
        raise ValueError(
            "network has not all its kernels; take the one that prepare_network was called with"
        )


def check_image(
    name: str,
    image: Float[Array, "h w 3"],
    layers: Sequence[str],
    strides: Mapping[str, int] = VGG19.strides,
) -> None:
    """ValueError unless the image is floats (H, W, 3), enough for the deepest of `layers`."""
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"{name} has shape {image.shape}; (height, width, 3) is accepted")
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"{name} is of {image.dtype}; floats in [0, 1] are accepted")
    smallest = smallest_side(layers, strides)
    if min(image.shape[:2]) < smallest:
        deepest = [name for name in strides if name in layers][-1]
        raise ValueError(
            f"{name} is {image.shape[0]} x {image.shape[1]} pixels; "
            f"{deepest} needs at least {smallest} x {smallest}"
        )
