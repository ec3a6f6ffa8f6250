"""The distance of two pictures' patches."""

import numpy as np
from jaxtyping import Float

from jnst.common.validation import whole_number
from jnst.images.sources import Source, open_image
from jnst.metrics._scales import SMALLEST, halved

SIDE = 7  # pixels of a patch
PATCHES = 6000
DIRECTIONS = 128
SCALES = 4


def patch_distance(image: Source, other: Source, *, seed: int = 0) -> float:
    """Sliced Wasserstein distance of the patches of two pictures of any sizes, over four scales.

    At 1, 1/2, 1/4 and 1/8 of the size, 6000 patches of 7 x 7 pixels at random places of each
    picture, with and without their mean color, are projected on 128 random directions; the
    distance is the mean of |sorted p - sorted q|, and the result is the sum of the eight. Scales at
    which a picture would have fewer than 8 pixels are left out. `seed` draws places and directions.
    The places in the two pictures differ: a picture has a small distance from itself, not 0.

    Rabin, Peyre, Delon, Bernot, "Wasserstein Barycenter and Its Application to Texture Mixing",
    2011; of patches as in Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs", 2018.

    Raises:
        ValueError: a picture cannot be read, or is smaller than a patch.
    """
    seed = whole_number("seed", seed, minimum=0)
    pictures = open_image("image", image), open_image("other", other)
    for name, (height, width, _) in zip(("image", "other"), map(np.shape, pictures), strict=True):
        if min(height, width) < SIDE:
            raise ValueError(
                f"{name} has {height} x {width} pixels; {SIDE} x {SIDE} or more are accepted"
            )
    smallest = min(min(each.shape[:2]) for each in pictures)
    scales = [scale for scale in range(SCALES) if scale == 0 or smallest >> scale >= SMALLEST]
    total = 0.0
    for scale in scales:
        first, second = (halved(each, scale) if scale else each for each in pictures)
        total += _distance(first, second, seed + scale)
    return total


def _distance(
    image: Float[np.ndarray, "h w 3"], other: Float[np.ndarray, "_h _w 3"], seed: int
) -> float:
    random = np.random.default_rng(seed)
    patches = _patches(image, random), _patches(other, random)
    directions = random.standard_normal((SIDE * SIDE * 3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    centered = (each - each.mean(1, keepdims=True) for each in patches)
    return sum(
        np.abs(_sorted(p, directions) - _sorted(q, directions)).mean().item()
        for p, q in (patches, centered)
    )


def _patches(
    image: Float[np.ndarray, "h w 3"], random: np.random.Generator
) -> Float[np.ndarray, "n p 3"]:
    height, width = image.shape[:2]
    rows = random.integers(0, height - SIDE + 1, PATCHES)
    columns = random.integers(0, width - SIDE + 1, PATCHES)
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))
    return np.moveaxis(windows[rows, columns], 1, -1).reshape(PATCHES, SIDE * SIDE, 3)


def _sorted(
    patches: Float[np.ndarray, "n p 3"], directions: Float[np.ndarray, "d k"]
) -> Float[np.ndarray, "n k"]:
    return np.sort(patches.reshape(len(patches), -1).astype(np.float64) @ directions, axis=0)
