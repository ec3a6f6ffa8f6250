"""Alternatives to three choices of jnst, timed on the device that is JAX's default.

    python experiments/benchmarks/choices.py photo.jpg painting.jpg

jnst has maps in NHWC, keeps a bit for each value of a ReLU, and takes at most 5 steps in a
dispatch. The script prints a table for each. Temporaries are what the compiler counts. The choices
change values by rounding alone. It is written for a GPU: on a CPU jnst has Winograd's convolutions
for 128 channels and more, and a step of 512 px takes a whole dispatch.
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
from jaxtyping import Array
from printing import print_table

import jnst
from jnst.networks.convolution import convolve
from jnst.networks.vgg import relu

Line = dict[str, Any]

STRIDES = {64: 1, 128: 2, 256: 4, 512: 8}
"""Of the maps of VGG's blocks, by their channels."""

CHUNKS = (1, 5, 20, 50)
"""Most steps in a dispatch; one ends after about 2 seconds in any case."""

CALLS = 20
ROWS_OF_CALLS = 5


def there_and_back(layout: str) -> Callable[[Array, Array], Array]:
    """A convolution, and its gradient by the maps as jnst writes it, in "NHWC" or "NCHW"."""

    def convolution(maps: Array, kernel: Array) -> Array:
        names = (layout, "HWIO", layout)
        return jax.lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=names)

    def both(maps: Array, kernel: Array) -> Array:
        return convolution(convolution(maps, kernel), kernel[::-1, ::-1].swapaxes(2, 3))

    return both


def compile_for(function: Callable[..., Array], *arguments: Array) -> jax.stages.Compiled:
    """The program of a function of arrays of these shapes."""
    return jax.jit(function).lower(*arguments).compile()


def milliseconds(compiled: jax.stages.Compiled, *arguments: Array) -> float:
    """The time of a call: the median of a few rows of calls that do not wait for each other."""
    jax.block_until_ready(compiled(*arguments))
    seconds = []
    for _ in range(ROWS_OF_CALLS):
        begun = time.perf_counter()
        jax.block_until_ready([compiled(*arguments) for _ in range(CALLS)])
        seconds.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(seconds)) / CALLS


def random_maps(*shape: int, dtype: str = "float32") -> Array:
    """Maps of normal deviates."""
    return jax.random.normal(jax.random.key(0), shape, dtype)


def random_kernel(channels: int, dtype: str = "float32") -> Array:
    """A kernel (3, 3, C, C) by which maps keep their deviation (He et al. 2015)."""
    initializer = jax.nn.initializers.he_normal()
    return initializer(jax.random.key(1), (3, 3, channels, channels), dtype)


def layout_lines(height: int, width: int, dtype: str) -> list[Line]:
    """A convolution of each block of VGG with its gradient, in both layouts."""
    lines = []
    for channels, stride in STRIDES.items():
        maps = random_maps(1, height // stride, width // stride, channels, dtype=dtype)
        kernel = random_kernel(channels, dtype)
        first = maps.transpose(0, 3, 1, 2)
        nhwc, nchw = (
            milliseconds(compile_for(there_and_back(layout), each, kernel), each, kernel)
            for layout, each in (("NHWC", maps), ("NCHW", first))
        )
        lines.append(
            {"channels": channels, "NHWC ms": nhwc, "NCHW ms": nchw, "NCHW / NHWC": nchw / nhwc}
        )
    return lines


def gradient(function: Callable[..., Array], *arguments: Array) -> jax.stages.Compiled:
    """The compiled gradient, by the first argument, of the sum of squares of what is returned."""
    loss = jax.grad(lambda *arguments: jnp.square(function(*arguments)).sum())
    return compile_for(loss, *arguments)


def block(activation: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    """Three convolutions, each with its ReLU."""

    def maps_of(maps: Array, kernel: Array) -> Array:
        for _ in range(3):
            maps = activation(convolve(maps, kernel))
        return maps

    return maps_of


def relu_lines(height: int, width: int, dtype: str) -> list[Line]:
    """Three layers of 64 channels with their gradient, by jnst's ReLU and by JAX's."""
    maps, kernel = random_maps(height, width, 64, dtype=dtype), random_kernel(64, dtype)
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

    def seconds_a_step(chunk: int) -> float:
        state = jnst.init(optimizer, jnst.add_margin(content, config.margin))
        steps = chunk + options.steps
        chunks = jnst.run(optimizer, state, problem, steps=steps, chunk=chunk)
        _, info = next(chunks)  # which compiles; steps have ended when their Info is there
        left, begun = steps - len(info.loss), time.perf_counter()
        deque(chunks, maxlen=0)
        return (time.perf_counter() - begun) / left

    return [
        {"steps in a dispatch": chunk, "ms a step": 1e3 * seconds_a_step(chunk)} for chunk in CHUNKS
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, and print the tables."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("pictures", type=Path, nargs=2, help="a content and a style")
    parser.add_argument("--network", type=Path, default=EMBEDDED, help="a file of weights")
    parser.add_argument("--size", type=positive, default=512, help="longer side in px")
    parser.add_argument("--steps", type=positive, default=100, help="steps of each run")
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16"], default="float32", help="of maps and kernels"
    )
    parser.add_argument(
        "--matmul-precision", help="of jax.default_matmul_precision: highest, tensorfloat32"
    )
    options = parser.parse_args(arguments)
    with jax.default_matmul_precision(options.matmul_precision):
        print_choices(options)


def print_choices(options: argparse.Namespace) -> None:
    """Measure, and print the tables."""
    height, width = jnst.load_image(options.pictures[0], size=options.size).shape[:2]
    print(f"{jax.devices()[0].device_kind}, {height} x {width} pixels", end="\n\n")
    layouts = layout_lines(height, width, options.dtype)
    print_table(f"layouts, {options.dtype}: a convolution with its gradient", layouts)
    relus = relu_lines(height, width, options.dtype)
    print_table(f"ReLU, {options.dtype}: three layers of 64 channels with their gradient", relus)
    print_table("chunks: a step of Adam", chunk_lines(options))


if __name__ == "__main__":
    main()
