"""Pictures between files and arrays of shape (H, W, 3): float32, sRGB, in [0, 1]."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image

from jnst.checks import whole_number
from jnst.decoding import decode, eight_bits, keyed_alpha, samples_of
from jnst.image_files import read_bytes, reading
from jnst.pixels import unit_values
from jnst.profiles import to_srgb
from jnst.resizing import fit_size, resize_image
from jnst.samples import Samples, over_white, to_unit, upright


class Picture(NamedTuple):
    """A picture as read: `image` (H, W, 3) in [0, 1], over white where it was transparent.

    `alpha` is (H, W) in [0, 1], 0 where transparent; None if the picture is opaque all over.
    """

    image: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None


def load_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF file, whatever its suffix; its first frame.

    The EXIF orientation is applied. Colours are converted to sRGB by the embedded ICC profile; a
    profile that is broken or made for other channels is ignored. PNG keeps its 16 bits and TIFF
    its 16 bits or floats, the latter clipped to [0, 1].

    Raises:
        ImageError: there is no such file, it is not a picture, it is damaged or far too large, or
            its pixels are not finite or of a kind that is not read.
    """
    path = Path(path)
    data = read_bytes(path)
    with reading(path):
        return _picture(decode(data))


def convert_picture(name: str, picture: Image.Image) -> Picture:
    """A PIL image, of any mode but "I", as its file would be read; messages call it `name`.

    Raises:
        ImageError: its pixels cannot be had, or are of a kind that is not read.
    """
    with reading(name):
        picture.load()
        if picture.mode == "I":
            raise ValueError("mode I says no range; convert it to I;16 or L")
        if picture.mode == "F":
            grey = unit_values("mode F", np.asarray(picture))
            return _picture(samples_of(picture, grey[..., None], None))
        if picture.mode.startswith("I;16"):
            grey = np.asarray(picture).astype(np.uint16)[..., None]
            return _picture(samples_of(picture, grey, keyed_alpha(picture, grey)))
        return _picture(samples_of(picture, *eight_bits(picture)))


def load_image(
    path: str | os.PathLike[str], *, size: int | None = None
) -> Float[np.ndarray, "height width 3"]:
    """The image of `load_picture`, resized to a longer side of `size` pixels if that is given.

    Raises:
        ValueError: `size` is not a whole number of at least 1.
        ImageError: as `load_picture`.
    """
    if size is not None:
        whole_number("size", size, minimum=1)
    image = load_picture(path).image
    return image if size is None else resize_image(image, fit_size(image.shape[:2], size))


def _picture(samples: Samples) -> Picture:
    if samples.colours.size == 0:
        raise ValueError("there are no pixels")
    image = upright(to_srgb(samples.colours, samples.profile), samples.orientation)
    if samples.alpha is None or (alpha := to_unit(samples.alpha)).min() == 1:
        return Picture(image, None)
    alpha = upright(alpha, samples.orientation)
    return Picture(over_white(image, alpha), alpha)
