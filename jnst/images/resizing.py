"""Resizing of images."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from jnst.common.validation import whole_number


def fit_size(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """The (height, width) with the aspect of `shape` whose longer side is `size`.

    Raises:
        ValueError: a side or `size` is not a whole number of at least 1.
    """
    height, width = shape
    _check_sides(height, width)
    whole_number("size", size, minimum=1)
    longer = max(height, width)
    return max(1, round(height * size / longer)), max(1, round(width * size / longer))


def resize_image(
    image: Float[np.ndarray, "height width *channels"],
    shape: tuple[int, int],
    *,
    extent: tuple[float, float] | None = None,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Float[np.ndarray, "new_height new_width *channels"]:
    """Resize an image (H, W, 3), or its alpha (H, W), to `shape`, which is (height, width).

    `resampling` is the filter, antialiased; its overshoot is clipped to [0, 1]. `extent` is the
    (height, width) of the part that is resized, from the upper left corner; by default all of the
    image. An image that has that size and needs no clipping is returned as it is, not as a copy.

    Raises:
        ValueError: a side is not a whole number of at least 1.
    """
    height, width = shape
    _check_sides(height, width)
    pixels = np.asarray(image, np.float32)
    if extent is None and pixels.shape[:2] == (height, width):
        return pixels if pixels.min() >= 0 and pixels.max() <= 1 else pixels.clip(0, 1)
    box = None if extent is None else (0, 0, extent[1], extent[0])
    channels = [
        Image.fromarray(channel).resize((width, height), resampling, box)
        for channel in np.moveaxis(np.atleast_3d(pixels), -1, 0)
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return resized.reshape(height, width, *pixels.shape[2:]).clip(0, 1)


def _check_sides(height: int, width: int) -> None:
    whole_number("height", height, minimum=1)
    whole_number("width", width, minimum=1)
