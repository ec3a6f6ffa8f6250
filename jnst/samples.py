"""Pixels as a file holds them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Samples(NamedTuple):
    """Pixels as decoded: `colours` (H, W, 1, 3 or 4) are grey, RGB or CMYK, `alpha` is (H, W).

    Unsigned integers span their whole range, floats [0, 1].
    """

    colours: np.ndarray
    alpha: np.ndarray | None
    profile: bytes | None
    orientation: int


def to_unit(samples: np.ndarray) -> np.ndarray:
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
    """What is seen of an image on white paper: a x + (1 - a)."""
    return image * alpha[..., None] + (1 - alpha[..., None])
