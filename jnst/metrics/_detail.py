"""Edges and fine detail of a picture."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from jnst.images.resizing import resize_image
from jnst.images.sources import Source, open_image
from jnst.metrics._scales import halved


def gradient_correlation(image: Source, other: Source) -> float:
    """Correlation of the edges of two pictures, the mean of 1/2 and 1/4 of their size, in [-1, 1].

    `other` is resized to the size of `image`. An edge is the length of the gradient of the mean of
    the three channels, by central differences. The correlation is 0 where a picture has no edges.

    Raises:
        ValueError: a picture cannot be read.
    """
    first = open_image("image", image)
    second = resize_image(open_image("other", other), first.shape[:2])
    return float(
        np.mean([_correlation(halved(first, scale), halved(second, scale)) for scale in (1, 2)])
    )


def fine_detail(image: Source) -> float:
    """Energy of the finest band of a picture's Laplacian pyramid (Burt and Adelson 1983).

    The mean square of what is lost at half the size (means of 2 x 2 pixels, enlarged linearly).

    Raises:
        ValueError: the picture cannot be read.
    """
    pixels = open_image("image", image)
    shape = pixels.shape[:2]
    low = resize_image(halved(pixels, 1), shape, resampling=Image.Resampling.BILINEAR)
    return float(np.square(pixels - low, dtype=np.float64).mean())


def _correlation(image: Float[np.ndarray, "h w 3"], other: Float[np.ndarray, "h w 3"]) -> float:
    first, second = (_edges(each) - _edges(each).mean() for each in (image, other))
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first * second).sum() / lengths) if lengths else 0.0


def _edges(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    return np.hypot(*np.gradient(image.mean(-1, dtype=np.float64)))
