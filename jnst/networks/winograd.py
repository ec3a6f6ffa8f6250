"""Winograd's convolution, with fewer multiplications than a direct one (Lavin and Gray 2016)."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

POINTS = {2: (0, 1, -1), 4: (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2)}
"""The points of evaluation, besides infinity, for tiles of 2 x 2 and of 4 x 4 outputs.

Those for 4 x 4 round half as much as the usual 0, 1, -1, 2, -2.
"""


class Matrices(NamedTuple):
    """G (t + 2, 3), B' (t + 2, t + 2) and A' (t, t + 2): y = A' [(G g) * (B' d)] along a side."""

    kernel: np.ndarray
    image: np.ndarray
    output: np.ndarray


@functools.cache
def matrices(tile: int) -> Matrices:
    """The matrices of Cook and Toom for tiles of side t."""
    points = np.array(POINTS[tile])
    others = [np.delete(points, index) for index in range(len(points))]
    scale = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    infinity = np.eye(tile + 2)[-1:]
    kernel = np.vander(points, 3, increasing=True) / np.reshape(scale, (-1, 1))
    image = [np.append(np.poly(rest)[::-1], 0) for rest in others] + [np.poly(points)[::-1]]
    output = np.vander(points, tile, increasing=True)
    return Matrices(
        np.concatenate([kernel, infinity[:, -3:]]),
        np.array(image),
        np.concatenate([output, infinity[:, -tile:]]).T,
    )


def best_tile(shape: tuple[int, ...]) -> int:
    """The side of the tiles for a kernel of that shape; 0 where direct convolution is better.

    By measurements on CPU. Below 128 channels writing the larger maps takes longer than is saved.
    Kernels of 512 to 512 channels take tiles of 2, whose transformed kernels need much less memory.
    On GPU and TPU the convolutions are XLA's own.
    """
    if jax.default_backend() != "cpu" or min(shape[2:]) < 128:
        return 0
    return 4 if min(shape[2:]) < 512 else 2


def transform_kernel(
    kernel: Float[Array, "3 3 i o"], tile: int
) -> Float[Array, "{tile}+2 {tile}+2 i o"]:
    """G g G', the kernel for `convolve`; with tiles of 4 it is four times as large as g."""
    along_one = matrices(tile).kernel
    both_sides = jnp.asarray(np.kron(along_one, along_one), kernel.dtype)
    columns_first = kernel.swapaxes(0, 1).reshape(9, -1)
    return (both_sides @ columns_first).reshape(tile + 2, tile + 2, *kernel.shape[2:])


def restore_kernel(
    transformed: Float[Array, "side side i o"],
) -> Float[Array, "3 3 i o"]:
    """The kernel that `transform_kernel` has transformed, but for rounding."""
    along_one = matrices(len(transformed) - 2).kernel
    inverse = jnp.asarray(np.linalg.pinv(np.kron(along_one, along_one)), transformed.dtype)
    columns_first = inverse @ transformed.reshape(inverse.shape[1], -1)
    return columns_first.reshape(3, 3, *transformed.shape[2:]).swapaxes(0, 1)


@jax.jit
def convolve(
    image: Float[Array, "h w i"], transformed: Float[Array, "side side i o"]
) -> Float[Array, "h w o"]:
    """As `jnst.networks.convolution.convolve`, with a kernel from `transform_kernel`.

    A tile of t x t outputs takes (t + 2)^2 multiplications for each pair of channels, instead of
    9 t^2. JAX derives the gradients: the transposes of all operations are as fast.
    """
    tile = len(transformed) - 2
    _, on_image, on_output = matrices(tile)
    height, width, channels = image.shape
    rows, columns = -(-height // tile), -(-width // tile)
    after = tile * (rows + 1) - 1 - height, tile * (columns + 1) - 1 - width
    padded = jnp.pad(image, ((1, after[0]), (1, after[1]), (0, 0)))
    tiles = _combine(on_image, _windows(_combine(on_image, _windows(padded, 0, tile)), 2, tile))
    products = jnp.einsum(
        "ami,aio->amo",
        tiles.reshape(-1, rows * columns, channels),
        transformed.reshape(-1, *transformed.shape[2:]),
    ).reshape(*tiles.shape[:-1], -1)
    output = _combine(on_output, _unstack(_combine(on_output, _unstack(products, 0)), 1))
    output = output.transpose(2, 0, 3, 1, 4).reshape(tile * rows, tile * columns, -1)
    return output[:height, :width]


def _windows(image: Array, axis: int, tile: int) -> list[Array]:
    """For each of the `tile` + 2 positions in a window: that position of all windows."""
    count = image.shape[axis] // tile - 1
    shape = *image.shape[:axis], count + 1, tile, *image.shape[axis + 1 :]
    parts = _unstack(image.reshape(shape), axis + 1)
    first = [jax.lax.slice_in_dim(part, 0, count, axis=axis) for part in parts]
    return first + [jax.lax.slice_in_dim(part, 1, count + 1, axis=axis) for part in parts[:2]]


def _unstack(values: Array, axis: int) -> list[Array]:
    # Split, not slices: its transpose is one concatenation, not a sum of padded arrays.
    parts = jax.lax.split(values, (1,) * values.shape[axis], axis)
    return [jnp.squeeze(part, axis) for part in parts]


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> Array:
    """The product of a small matrix with the stacked parts; zeros of the matrix are skipped."""
    return jnp.stack(
        [
            sum(part if factor == 1 else float(factor) * part for factor, part in terms)
            for terms in (
                [(factor, part) for factor, part in zip(row, parts, strict=True) if factor]
                for row in matrix
            )
        ]
    )
