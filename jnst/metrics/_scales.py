"""A picture at half its size, a quarter of it, and so on."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from jnst.images.resizing import resize_image

SMALLEST = 8  # pixels


def halved(image: Float[np.ndarray, "h w 3"], times: int) -> Float[np.ndarray, "new_h new_w 3"]:
    """A picture at 1 / 2^times of its size, by means of pixels; no side is less than 8 pixels."""
    height, width = (max(SMALLEST, side >> times) for side in image.shape[:2])
    return resize_image(image, (height, width), resampling=Image.Resampling.BOX)
