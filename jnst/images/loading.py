"""Reading of picture files as arrays (H, W, 3): float32, sRGB, in [0, 1]."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image

from jnst.common.brief import brief
from jnst.common.validation import whole_number
from jnst.images.decoding import decode, eight_bits, keyed_alpha, samples_of
from jnst.images.files import read_bytes, reading
from jnst.images.pixels import unit_values
from jnst.images.profiles import to_srgb
from jnst.images.resizing import fit_size, resize_image
from jnst.images.samples import Samples, over_white, target_shape, to_unit, upright


class Picture(NamedTuple):
    """A picture as read: `image` (H, W, 3) in [0, 1], on white where it is transparent.

    `alpha` is (H, W) in [0, 1], 0 where transparent; None if the picture is opaque everywhere.
    """

    image: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None

    def __repr__(self) -> str:
        return brief(self)


def load_picture(path: str | os.PathLike[str], *, size: int | None = None) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF, GIF, BMP, PPM or AVIF file, whatever its suffix.

    The first frame is read, or the first page that is no preview. The EXIF orientation is applied.
    Colors are converted to sRGB by the embedded ICC profile, in a PNG also by cICP, or by gAMA and
    cHRM. A profile that is broken or made for other channels is ignored. All 16 bits of PNG and
    TIFF are kept. Floats of a TIFF are clipped to [0, 1]; values beyond it by more than 1 are
    refused. A damaged file is read if no pixel is missing.

    With `size`, a picture whose longer side is longer is resized to `size`; its shorter side keeps
    at least 64 pixels, if it has them. Large files are decoded at reduced size.

    Raises:
        ImageError: there is no such file, it is not a picture, it is damaged or needs more memory
            than is free, or its pixels are not finite, out of range, or of an unsupported kind.
    """
    path = Path(path)
    data = read_bytes(path)
    with reading(path):
        samples = decode(data, size)
        return _picture(samples, target_shape(samples.shape, size))


def convert_picture(name: str, picture: Image.Image) -> Picture:
    """Convert a PIL image of any mode but "I" as if its file was read.

    Messages call it `name`.

    Raises:
        ImageError: its pixels cannot be decoded, or are of an unsupported kind.
    """
    with reading(name):
        picture.load()
        if picture.mode == "I":
            raise ValueError("mode I has no defined range; convert it to I;16 or L")
        if picture.mode == "F":
            gray = unit_values("mode F", np.asarray(picture))
            return _picture(samples_of(picture, gray[..., None], None))
        if picture.mode.startswith("I;16"):
            gray = np.asarray(picture).astype(np.uint16)[..., None]
            return _picture(samples_of(picture, gray, keyed_alpha(picture, gray)))
        return _picture(samples_of(picture, *eight_bits(picture)))


def load_image(
    path: str | os.PathLike[str], *, size: int | None = None
) -> Float[np.ndarray, "height width 3"]:
    """The image of `load_picture`, resized to a longer side of `size` pixels if that is given.

    Raises:
        ValueError: `size` is not a whole number of at least 1.
        ImageError: as `load_picture`.

    >>> jnst.save_image("grey.png", np.full((30, 40, 3), 0.2))
    >>> image = jnst.load_image("grey.png", size=20)
    >>> image.shape, image[0, 0]
    ((15, 20, 3), array([0.2, 0.2, 0.2], dtype=float32))
    """
    path = Path(path)
    if size is None:
        return load_picture(path).image
    whole_number("size", size, minimum=1)
    data = read_bytes(path)
    with reading(path):
        samples = decode(data, size)
        return _picture(samples, fit_size(samples.shape, size)).image


def _picture(samples: Samples, shape: tuple[int, int] | None = None) -> Picture:
    """The picture of some samples, resized to `shape` if given, then turned upright."""
    if samples.colors.size == 0:
        raise ValueError("there are no pixels")
    image = to_srgb(samples.colors, samples.profile)
    alpha = None if samples.alpha is None else to_unit(samples.alpha)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        image = over_white(image, alpha)
    if shape is not None and (samples.factor > 1 or shape != samples.shape):
        extent = samples.shape[0] / samples.factor, samples.shape[1] / samples.factor
        image = resize_image(image, shape, extent=extent)
        alpha = None if alpha is None else resize_image(alpha, shape, extent=extent)
    image = upright(image, samples.orientation)
    return Picture(image, None if alpha is None else upright(alpha, samples.orientation))
