"""Winograd's convolution with fewer multiplications than directly (Lavin and Gray 2016)."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

POINTS = {2: (0, 1, -1), 4: (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2)}
"""Where polynomials are evaluated, and at infinity, for tiles of 2 x 2 and of 4 x 4 outputs. These
of 4 round half as much as 0, 1, -1, 2, -2 (256 channels: 1.3e-6 of the output's deviation instead
of 2.6e-6; tiles of 2: 4e-7; directly 2e-7 to 5e-7)."""


class Matrices(NamedTuple):
    """G (t + 2, 3), B' (t + 2, t + 2) and A' (t, t + 2): y = A' [(G g) * (B' d)] along a side."""

    kernel: np.ndarray
    image: np.ndarray
    output: np.ndarray


@functools.cache
def matrices(tile: int) -> Matrices:
    """Those of Cook and Toom for tiles of side t."""
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
    """Side of the tiles to convolve in with a kernel of that shape; 0 where directly is better.

    Measured on two CPU cores, forward and backward. With 128 channels tiles of 4 are 3 % faster at
    192 x 256 and 30 % at 48 x 64; 256 twice, 512 2.5 times as fast. With 64 channels the maps, 2.25
    times as large, take longer to write than they save. For 512 to 512 channels, whose kernels
    take the most memory and whose maps are small, tiles of 2 make a step of 512 px 5 % longer and
    the process 912 instead of 999 MB; one of 256 px is as fast, with 748 instead of 853 MB. On GPU
    and TPU there are XLA's own convolutions.
    """
    if jax.default_backend() != "cpu" or min(shape[2:]) < 128:
        return 0
    return 4 if min(shape[2:]) < 512 else 2


def transform_kernel(
    kernel: Float[Array, "3 3 i o"], tile: int
) -> Float[Array, "{tile}+2 {tile}+2 i o"]:
    """G g G': what `convolve` takes, for tiles of 4 four times as large as the kernel."""
    along_one = matrices(tile).kernel
    both_sides = jnp.asarray(np.kron(along_one, along_one), kernel.dtype)
    columns_first = kernel.swapaxes(0, 1).reshape(9, -1)
    return (both_sides @ columns_first).reshape(tile + 2, tile + 2, *kernel.shape[2:])


@jax.jit
def convolve(
    image: Float[Array, "h w i"], transformed: Float[Array, "side side i o"]
) -> Float[Array, "h w o"]:
    """`jnst.networks.convolution.convolve` with `transform_kernel` of its kernel.

    Each tile of t x t outputs is (t + 2)^2 multiplications for each pair of channels where directly
    it is 9 t^2, between linear maps of the channels by themselves. Made of operations whose
    transposes are as fast, so that JAX derives its gradients.
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
    """The 1st, 2nd, ..., last of `tile` + 2 positions along an axis, every `tile` positions."""
    count = image.shape[axis] // tile - 1
    shape = *image.shape[:axis], count + 1, tile, *image.shape[axis + 1 :]
    parts = _unstack(image.reshape(shape), axis + 1)
    first = [jax.lax.slice_in_dim(part, 0, count, axis=axis) for part in parts]
    return first + [jax.lax.slice_in_dim(part, 1, count + 1, axis=axis) for part in parts[:2]]


def _unstack(values: Array, axis: int) -> list[Array]:
    # The transpose of a split is one concatenation; that of slices, a sum of padded arrays.
    parts = jax.lax.split(values, (1,) * values.shape[axis], axis)
    return [jnp.squeeze(part, axis) for part in parts]


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> Array:
    """The product of a small matrix with the stacked parts, without its zeros."""
    return jnp.stack(
        [
            sum(part if factor == 1 else float(factor) * part for factor, part in terms)
            for terms in (
                [(factor, part) for factor, part in zip(row, parts, strict=True) if factor]
                for row in matrix
            )
        ]
    )
