"""What jnst could do otherwise on a device: layouts, bits for ReLU, steps in one dispatch.

    python experiments/benchmarks/choices.py photo.jpg painting.jpg

jnst has maps in NHWC, keeps a bit for each value of a ReLU, and takes 5 steps in a dispatch. Prints
a table for each, of the device that is JAX's default: milliseconds are the median of a few calls,
temporaries what the compiler counts. No choice changes a value.
"""

import argparse
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from arguments import EMBEDDED, positive
from jaxtyping import Array, Float
from tables import print_table

import jnst
from jnst.networks.convolution import convolve
from jnst.networks.vgg import relu

Line = dict[str, Any]
Activation = Callable[[Array], Array]

WIDTHS = {64: 1, 128: 2, 256: 4, 512: 8}
"""Channels of VGG's blocks, and the pixels between two positions of their maps."""

CHUNKS = (1, 5, 20, 50)
"""Most steps in a dispatch; one ends after about 2 seconds in any case."""

CALLS = 7


def convolve_nchw(
    image: Float[Array, "i h w"], kernel: Float[Array, "3 3 i o"]
) -> Float[Array, "o h w"]:
    """`convolve` of maps with the channels first."""
    names = ("NCHW", "HWIO", "NCHW")
    return jax.lax.conv_general_dilated(
        image[None], kernel, (1, 1), "SAME", dimension_numbers=names
    )[0]


def gradient(function: Callable[..., Array], *arguments: Array) -> jax.stages.Compiled:
    """The compiled gradient, by the first argument, of the sum of squares of what is returned."""
    loss = jax.grad(lambda *arguments: jnp.square(function(*arguments)).sum())
    return jax.jit(loss).lower(*arguments).compile()


def milliseconds(compiled: jax.stages.Compiled, *arguments: Array) -> float:
    """The median time of a call, after one that is not counted."""
    jax.block_until_ready(compiled(*arguments))
    seconds = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(seconds))


def drawn(*shape: int) -> Array:
    """Random numbers of the size that keeps that of maps."""
    scale = (2 / (9 * shape[-1])) ** 0.5 if len(shape) == 4 else 1
    return scale * jax.random.normal(jax.random.key(0), shape)


def layout_lines(height: int, width: int) -> list[Line]:
    """A convolution of each block of VGG with its gradient, in both layouts."""
    lines = []
    for channels, stride in WIDTHS.items():
        maps, kernel = (
            drawn(height // stride, width // stride, channels),
            drawn(3, 3, channels, channels),
        )
        first = maps.transpose(2, 0, 1)
        nhwc = milliseconds(gradient(convolve, maps, kernel), maps, kernel)
        nchw = milliseconds(gradient(convolve_nchw, first, kernel), first, kernel)
        lines.append(
            {"channels": channels, "NHWC ms": nhwc, "NCHW ms": nchw, "NCHW / NHWC": nchw / nhwc}
        )
    return lines


def block(activation: Activation) -> Callable[[Array, Array], Array]:
    """Three convolutions, each with its ReLU."""

    def maps_of(maps: Array, kernel: Array) -> Array:
        for _ in range(3):
            maps = activation(convolve(maps, kernel))
        return maps

    return maps_of


def relu_lines(height: int, width: int) -> list[Line]:
    """Three layers of 64 channels with their gradient, by jnst's ReLU and by JAX's."""
    maps, kernel = drawn(height, width, 64), drawn(3, 3, 64, 64)
    lines = []
    for name, activation in (("a bit for each value", relu), ("jax.nn.relu", jax.nn.relu)):
        compiled = gradient(block(activation), maps, kernel)
        counted = compiled.memory_analysis()
        temporaries = None if counted is None else counted.temp_size_in_bytes / 1e6
        taken = milliseconds(compiled, maps, kernel)
        lines.append({"ReLU": name, "ms": taken, "temporaries MB": temporaries})
    return lines


def chunk_lines(options: argparse.Namespace) -> list[Line]:
    """The time of a step of Adam, with so many steps in a dispatch at most."""
    network = jnst.load_network(options.network)
    content, style = (jnst.load_image(each, size=options.size) for each in options.pictures)
    config = jnst.Config()
    targets = jnst.make_targets(network, content, style, config)
    problem = jnst.Problem(network, targets, config.weights())
    optimizer = jnst.named_optimizer("adam")

    def run(steps: int, chunk: int) -> float:
        state = jnst.init(optimizer, jnst.add_margin(content, config.margin))
        begun = time.perf_counter()
        chunks = jnst.run(optimizer, state, problem, steps=steps, chunk=chunk)
        jax.block_until_ready(deque(chunks, maxlen=1))
        return time.perf_counter() - begun

    lines = []
    for chunk in CHUNKS:
        run(chunk, chunk)  # compiles
        taken = 1e3 * run(options.steps, chunk) / options.steps
        lines.append({"steps in a dispatch": chunk, "ms a step": taken})
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, measure, and print the tables."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("pictures", type=Path, nargs=2, help="a content and a style")
    parser.add_argument("--network", type=Path, default=EMBEDDED, help="a file of weights")
    parser.add_argument("--size", type=positive, default=512, help="longer side in px")
    parser.add_argument("--steps", type=positive, default=100, help="steps of each run")
    options = parser.parse_args(arguments)
    height, width = jnst.load_image(options.pictures[0], size=options.size).shape[:2]
    print(f"{jax.devices()[0].device_kind}, {height} x {width} pixels", end="\n\n")
    print_table("layouts: a convolution with its gradient", layout_lines(height, width))
    print_table("ReLU: three layers of 64 channels with their gradient", relu_lines(height, width))
    print_table("chunks: a step of Adam", chunk_lines(options))


if __name__ == "__main__":
    main()
