"""Decoded pixels of a file, at full or reduced size."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.images.resizing import fit_size

_SHORTEST = 64  # pixels on the shorter side: enough for every network
_AT_ONCE = 2**22  # pixels that are reduced together

Rows = Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]
"""Gives the colors (H, W, C) and alpha (H, W) of the rows from the first to before the last."""


class Samples(NamedTuple):
    """Decoded pixels: `colors` (H, W, 1, 3 or 4) are gray, RGB or CMYK, `alpha` is (H, W).

    Unsigned integers span their whole range, floats span [0, 1]. `shape` is the (height, width) of
    the file; each pixel is the mean of `factor` x `factor` pixels of it, fewer at the ends.
    """

    colors: np.ndarray
    alpha: np.ndarray | None
    profile: bytes | None
    orientation: int
    shape: tuple[int, int]
    factor: int = 1


def target_shape(shape: tuple[int, int], size: int | None) -> tuple[int, int]:
    """The (height, width) to read a picture of `shape` at, for a longer side of `size`.

    A picture is never enlarged, and its shorter side keeps 64 pixels if it has them.
    """
    longer, shorter = max(shape), min(shape)
    if size is None or shorter <= _SHORTEST:
        return shape
    return fit_size(shape, min(longer, max(size, -(-_SHORTEST * longer // shorter))))


def reduction(shape: tuple[int, int], size: int | None) -> int:
    """The factor by which a picture is reduced before it is resized.

    It leaves at least twice the pixels that are needed, as `thumbnail` of Pillow does: means of
    squares are cheap, and Lanczos gives the same result to about 1/255.
    """
    return max(1, max(shape) // (2 * max(target_shape(shape, size))))


def read_rows(
    rows: Rows, shape: tuple[int, int], factor: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """All rows, reduced by a factor to means of squares, weighted by alpha."""
    if factor == 1:
        return rows(0, shape[0])
    step = factor * max(1, _AT_ONCE // (factor * shape[1]))
    parts = [
        block_means(*rows(first, min(first + step, shape[0])), factor)
        for first in range(0, shape[0], step)
    ]
    colors, alphas = zip(*parts, strict=True)
    return np.concatenate(colors), None if alphas[0] is None else np.concatenate(alphas)


def block_means(
    colors: np.ndarray, alpha: np.ndarray | None, factor: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Means over squares of `factor` x `factor` pixels, weighted by alpha."""
    if alpha is None:
        return _mean(to_unit(colors), factor), None
    opacity = to_unit(alpha)[..., None]
    mean = _mean(opacity, factor)
    return _mean(to_unit(colors) * opacity, factor) / np.where(mean > 0, mean, 1), mean[..., 0]


def _mean(values: np.ndarray, factor: int) -> np.ndarray:
    height, width, _ = values.shape
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1)
    counts = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    return sums / counts[..., None].astype(np.float32)


def to_unit(samples: np.ndarray) -> np.ndarray:
    """Samples as float32 in [0, 1]: whole numbers by their maximum, floats are clipped."""
    if samples.dtype.kind == "f":
        return samples.clip(0, 1).astype(np.float32)
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: exchange rows and columns, then mirror."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def over_white(
    image: Float[np.ndarray, "h w 3"], alpha: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 3"]:
    """An image x with alpha a on white: a x + (1 - a)."""
    return image * alpha[..., None] + (1 - alpha[..., None])
