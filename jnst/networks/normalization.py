"""The normalized network of the paper: every filter has a mean activation of 1."""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.images.sources import Source, listed, numbered, open_image
from jnst.networks.files.canonical import network_digest
from jnst.networks.layers import Pooling
from jnst.networks.vgg import Network, check_complete, extract_features

Image = Float[Array, "_h _w 3"] | Float[np.ndarray, "_h _w 3"]

LEAST = 0.01
"""Share of the layer's mean activation: a filter that has less is hardly ever active."""


def normalize_network(
    network: Network, images: Iterable[Source], *, pooling: Pooling | None = None
) -> Network:
    """Scale every filter so that its mean activation over images and positions is 1.

    kernel'[i, o] = kernel[i, o] m[l-1, i] / m[l, o] and bias'[o] = bias[o] / m[l, o], with m[l, o]
    the mean of reluB_K's channel o. For a filter that is hardly ever active m is 1 % of the layer's
    mean over all filters: scaled to 1, it would be as large as all others together in an image
    where it is active. ReLUs and both poolings commute with a positive scale, so only the scales of
    the features change (Gatys, Ecker and Bethge 2016, section 2). `images` are of any kind that
    `jnst.stylize` takes. The means depend on the pooling; the result keeps `pooling`, by default
    the network's own.

    Raises:
        ValueError: there are no images, or one is too small; an unknown pooling; a network from
            `prepare_network`.
    """
    check_complete(network)
    sources = listed("images", images)
    if not sources:
        raise ValueError("images is empty; at least one is accepted")
    opened = [open_image(*named) for named in numbered("image", sources)]
    normalized = network.replace(pooling=pooling or network.pooling)
    means = mean_activations(normalized, opened)
    least = {name: LEAST * mean.mean() or 1.0 for name, mean in means.items()}
    normalized = _divide(
        normalized, {name: np.maximum(mean, least[name]) for name, mean in means.items()}
    )
    # Once more for the rounding of filters that are rarely active.
    again = mean_activations(normalized, opened)
    normalized = _divide(
        normalized,
        {name: np.where(means[name] < least[name], 1, mean) for name, mean in again.items()},
    )
    normalized = normalized.replace(
        name=f"{network.name}-normalized",
        source=f"{network.source}; mean activation 1 on {len(opened)} images, "
        f"{normalized.pooling} pooling",
        license=network.license,
    )
    return normalized.replace(digest=network_digest(normalized))


def mean_activations(
    network: Network, images: Iterable[Image]
) -> dict[str, Float[np.ndarray, " channels"]]:
    """The mean of each filter after its ReLU over all positions of all images, by convolution."""
    totals = {name: np.zeros(layer["bias"].shape) for name, layer in network.params.items()}
    positions = dict.fromkeys(totals, 0)
    for image in images:
        for name, (mean, count) in _means(network, jnp.asarray(image)).items():
            totals[name] += np.asarray(mean, np.float64) * int(count)
            positions[name] += int(count)
    return {name: totals[name] / positions[name] for name in totals}


@jax.jit
def _means(
    network: Network, image: Float[Array, "_h _w 3"]
) -> dict[str, tuple[Float[Array, " channels"], int]]:
    layers = {name: name.replace("conv", "relu") for name in network.architecture.convolutions}
    features = extract_features(network, image, layers.values())
    maps = {name: features[layer] for name, layer in layers.items()}
    return {name: (x.mean((0, 1)), x.shape[0] * x.shape[1]) for name, x in maps.items()}


def _divide(network: Network, means: Mapping[str, Float[np.ndarray, " channels"]]) -> Network:
    params, before = {}, np.ones(3)
    for name in network.architecture.convolutions:
        mean = means[name]
        kernel = np.asarray(network.params[name]["kernel"], np.float64) * before[:, None] / mean
        bias = np.asarray(network.params[name]["bias"], np.float64) / mean
        params[name] = {
            "kernel": jnp.asarray(kernel, jnp.float32),
            "bias": jnp.asarray(bias, jnp.float32),
        }
        before = mean
    return network.replace(params=params)
