"""The cost of a run: operations of the layers, and operations a second of the machine."""

import math
import time
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp

from jnst.networks.layers import VGG19, Architecture


def operations(
    layers: Iterable[str], shape: tuple[int, int], architecture: Architecture = VGG19
) -> int:
    """Floating-point operations of the convolutions up to the deepest layer, at (height, width).

    2 x 9 x C_in x C_out at each position of each convolution, for multiplications and additions.
    The gradient by the image takes as many again.
    """
    height, width = shape
    total = 0
    for name in architecture.layers_up_to(layers):
        if name.startswith("conv"):
            total += 2 * math.prod(architecture.convolutions[name]) * height * width
        elif name.startswith("pool"):
            height, width = height // 2, width // 2
    return total


def operations_a_second(size: int = 1024, repetitions: int = 5) -> float:
    """Operations a second of the fastest of a few float32 matrix products on the default device."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    multiply(matrix, matrix).block_until_ready()
    seconds: Sequence[float] = [_time(multiply, matrix) for _ in range(repetitions)]
    return 2 * size**3 / min(seconds)


def _time(multiply: jax.stages.Wrapped, matrix: jax.Array) -> float:
    started = time.perf_counter()
    multiply(matrix, matrix).block_until_ready()
    return time.perf_counter() - started
