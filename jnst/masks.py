"""Files of masks and label maps."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jnst.images import ImageError, load_picture

Mask = Float[np.ndarray, "h w"]

MOST_LABELS = 64


def load_mask(path: str | os.PathLike[str]) -> Mask:
    """A picture as a mask: the mean of its channels, 0 for black and 1 for white.

    Raises:
        ImageError: the file cannot be read.
    """
    return load_picture(path).image.mean(-1)


def load_labels(path: str | os.PathLike[str]) -> tuple[Mask, ...]:
    """A label map as masks, one for each of its colours, from dark to light.

    Raises:
        ImageError: the file cannot be read, or has more than 64 colours.
    """
    image = np.rint(load_picture(path).image * 255).astype(int)
    colours, labels = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > MOST_LABELS:
        raise ImageError(
            f"{path}: has {len(colours)} colours; a label map has at most {MOST_LABELS}, "
            "and is no JPEG"
        )
    order = np.argsort(colours.sum(1), kind="stable")
    labels = labels.reshape(image.shape[:2])
    return tuple((labels == number).astype(np.float32) for number in order)


def load_masks(paths: Sequence[Path], styles: int) -> tuple[Mask, ...]:
    """One mask file for each style, or a single label map for several.

    Raises:
        ImageError: as `load_labels`.
    """
    if len(paths) == 1 and styles > 1:
        return load_labels(paths[0])
    return tuple(map(load_mask, paths))
