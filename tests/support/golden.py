"""Float64 numbers of an independent implementation, and the networks that they were made with.

Each file holds a content, a style and an image, the means and standard deviations of the image's
features, and the loss terms and image gradients in two conventions, for both poolings.
"""

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jnst.networks.layers import VGG19
from jnst.networks.vgg import Network

FILES = ("vgg19_conv_64x48", "vgg19_relu_48x64")


@functools.cache
def reference(file: str) -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "reference" / f"{file}.npz") as arrays:
        return dict(arrays)


@functools.cache
def reference_network(file: str) -> Network:
    rng = np.random.default_rng(int(reference(file)["seed"]))
    params = {}
    for name, shape in VGG19.convolutions.items():
        kernel = rng.standard_normal(shape) * np.sqrt(2 / (9 * shape[2]))
        bias = rng.standard_normal(shape[3]) * 0.05
        params[name] = {
            "kernel": jnp.asarray(kernel, jnp.float32),
            "bias": jnp.asarray(bias, jnp.float32),
        }
    return Network(params, jnp.asarray(reference(file)["mean"], jnp.float32))
