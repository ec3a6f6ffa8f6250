"""Learn the embedded network from pictures, without labels: `python -m jnst.weights.learn`.

Layer by layer (Coates and Ng 2012, "Learning feature representations with k-means"): patches of
the previous layer's maps are whitened and clustered by direction; each cluster center is a filter.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.random import Generator
from rich.progress import Progress

from jnst.networks.files.canonical import write_network
from jnst.networks.layers import VGG19
from jnst.networks.pooling import pool
from jnst.networks.vgg import Network

from .pictures import draw_picture

Maps = list[Float[Array, "h w c"]]

PICTURES = 40
SIZE = 256
PATCHES = 30_000
COVARIANCE_PATCHES = 10_000
ROUNDS = 8

REGULARIZATION = 0.1
"""Share of the mean eigenvalue that is added to every eigenvalue."""

ACTIVE = 0.75
"""Share of positions in which each response is active.

Lower shares carry less of the style; higher ones make pictures ring.
"""


class Whitening(NamedTuple):
    """`(x - mean) @ directions`: decorrelated, of variance about 1."""

    mean: Float[Array, " n"]
    directions: Float[Array, "n d"]


def learn_network(
    pictures: Sequence[Float[np.ndarray, "h w 3"]],
    *,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Network:
    """Learn all sixteen convolutions from the pictures, each (H, W, 3) in [0, 1].

    A kernel holds integers from -127 to 127 times a scale, so int8 storage loses nothing.
    `progress` is called with the name of each convolution when it is done.
    """
    rng = np.random.default_rng(seed)
    mean = jnp.mean(jnp.stack([jnp.mean(picture, (0, 1)) for picture in pictures]), 0)
    maps = [jnp.asarray(picture) - mean for picture in pictures]
    params = {}
    for name, shape in VGG19.convolutions.items():
        if name.endswith("_1") and name != "conv1_1":
            maps = [pool(one, "average") for one in maps]
        patches = sample_patches(rng, maps, PATCHES)
        params[name] = learn_convolution(rng, patches, shape)
        maps = [_convolve(one, params[name]) for one in maps]
        if progress is not None:
            progress(name)
    return Network(params, mean, "average", VGG19)


def sample_patches(rng: Generator, maps: Maps, count: int) -> Float[Array, "m 9*c"]:
    """About `count` 3 x 3 patches at random positions, as many from each of the maps."""
    samples = []
    for one in maps:
        height, width, channels = one.shape
        rows = rng.integers(height - 2, size=count // len(maps))
        columns = rng.integers(width - 2, size=count // len(maps))
        patches = _take_patches(one, jnp.asarray(rows), jnp.asarray(columns))
        samples.append(patches.reshape(-1, 9 * channels))
    return jnp.concatenate(samples)


@jax.jit
def _take_patches(
    maps: Float[Array, "h w c"], rows: Int[Array, " m"], columns: Int[Array, " m"]
) -> Float[Array, "m 3 3 c"]:
    offsets = jnp.arange(3)
    return maps[(rows[:, None] + offsets)[:, :, None], (columns[:, None] + offsets)[:, None, :]]


def learn_convolution(
    rng: Generator,
    patches: Float[Array, "m 9*c"],
    shape: tuple[int, int, int, int],
) -> dict[str, Array]:
    """Kernel and bias; each response is active in a share ACTIVE of the patches, with mean 1."""
    channels = shape[-1]
    dimensions = min(channels, patches.shape[1])
    whitening = whiten(rng, patches, dimensions, REGULARIZATION)
    white = (patches - whitening.mean) @ whitening.directions
    kernel = whitening.directions @ cluster_directions(rng, white, channels).T
    kernel = quantize(kernel)
    responses = patches @ kernel
    threshold = np.quantile(responses, 1 - ACTIVE, axis=0)
    gain = 1 / jax.nn.relu(responses - threshold).mean(0)
    return {"kernel": (gain * kernel).reshape(shape), "bias": -gain * threshold}


def whiten(
    rng: Generator, patches: Float[Array, "m n"], dimensions: int, regularization: float
) -> Whitening:
    """Principal component whitening with the `dimensions` largest eigenvalues.

    `directions = V / sqrt(E + regularization mean(E))`, E and V from orthogonal iteration, which
    needs no full decomposition of the (4608, 4608) covariances of the deep layers.
    """
    mean = patches.mean(0)
    some = patches[:: max(1, len(patches) // COVARIANCE_PATCHES)] - mean
    covariance = some.T @ some / len(some)
    width = min(dimensions + 32, len(covariance))
    start = jnp.asarray(rng.standard_normal((len(covariance), width)), jnp.float32)
    values, vectors = _largest_eigenvectors(covariance, start)
    values, vectors = values[-dimensions:], vectors[:, -dimensions:]
    return Whitening(mean, vectors / jnp.sqrt(values + regularization * values.mean()))


@jax.jit
def _largest_eigenvectors(
    covariance: Float[Array, "n n"], start: Float[Array, "n d"]
) -> tuple[Float[Array, " d"], Float[Array, "n d"]]:
    basis = jnp.linalg.qr(start)[0]
    basis = jax.lax.fori_loop(0, 6, lambda _, q: jnp.linalg.qr(covariance @ q)[0], basis)
    values, turn = jnp.linalg.eigh(basis.T @ covariance @ basis)
    return values, basis @ turn


def cluster_directions(
    rng: Generator, points: Float[Array, "m d"], count: int
) -> Float[Array, "count d"]:
    """Spherical k-means: `count` unit vectors, each the mean direction of its nearest points.

    An empty cluster starts again from a random point.
    """
    points = points / jnp.linalg.norm(points, axis=1, keepdims=True)
    draws = [points[rng.choice(len(points), count, replace=False)] for _ in range(ROUNDS + 1)]
    return _cluster(points, jnp.stack(draws))


@jax.jit
def _cluster(
    points: Float[Array, "m d"], draws: Float[Array, "rounds count d"]
) -> Float[Array, "count d"]:
    def improve(
        centers: Float[Array, "count d"], spare: Float[Array, "count d"]
    ) -> tuple[Float[Array, "count d"], None]:
        nearest = jnp.argmax(points @ centers.T, axis=1)
        sums = jax.ops.segment_sum(points, nearest, len(centers))
        norm = jnp.linalg.norm(sums, axis=1, keepdims=True)
        return jnp.where(norm > 0, sums / jnp.where(norm > 0, norm, 1), spare), None

    return jax.lax.scan(improve, draws[0], draws[1:])[0]


def quantize(kernel: Float[Array, "n c"]) -> Float[Array, "n c"]:
    """Each column scaled and rounded to whole numbers, the largest of which is 127."""
    return jnp.rint(127 * kernel / jnp.abs(kernel).max(0))


@jax.jit
def _convolve(maps: Float[Array, "h w i"], layer: dict[str, Array]) -> Float[Array, "h w o"]:
    padded = jnp.pad(maps, [(1, 1), (1, 1), (0, 0)], mode="edge")[None]
    dimensions = ("NHWC", "HWIO", "NHWC")
    convolved = jax.lax.conv_general_dilated(
        padded, layer["kernel"], (1, 1), "VALID", dimension_numbers=dimensions
    )
    return jax.nn.relu(convolved[0] + layer["bias"])


def main() -> None:
    """Draw the pictures, learn the network, write it."""
    parser = argparse.ArgumentParser(prog="python -m jnst.weights.learn", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of the pictures and of learning")
    parser.add_argument("-o", "--output", default="embedded.h5", help="the file to write")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with Progress() as progress:
        pictures = [
            draw_picture(rng, SIZE) for _ in progress.track(range(PICTURES), description="drawing")
        ]
        task = progress.add_task("learning", total=len(VGG19.convolutions))
        network = learn_network(
            pictures, seed=arguments.seed, progress=lambda _: progress.advance(task)
        )
    source = (
        f"learned without labels or photographs by jnst.weights.learn from {PICTURES} drawn "
        f"pictures, seed {arguments.seed}"
    )
    network = network.replace(name="jnst-dead-leaves", source=source, license="MIT")
    write_network(arguments.output, network, storage="int8")


if __name__ == "__main__":
    main()
