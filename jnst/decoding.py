"""Files of every format as samples, by the bits they have."""

import io

import numpy as np
import tifffile
from PIL import ExifTags, Image

from jnst.image_files import READ_FORMATS
from jnst.samples import Samples
from jnst.tiff_files import TIFF_SIGNATURES, decode_tiff


def decode(data: bytes) -> Samples:
    if data.startswith(TIFF_SIGNATURES):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            # Pillow reads more kinds of TIFF, but keeps 8 bits.
            if file.pages.first.bitspersample > 8:
                return decode_tiff(file.pages.first)
    return _decode_pillow(data)


def _decode_pillow(data: bytes) -> Samples:
    with Image.open(io.BytesIO(data), formats=READ_FORMATS) as file:
        file.load()
        if file.format == "PNG" and data[24] == 16:  # the bit depth in its header
            pixels, alpha = _read_png16(data, file), None
            if pixels.shape[-1] in (2, 4):
                pixels, alpha = pixels[..., :-1], pixels[..., -1]
            return samples_of(file, pixels, keyed_alpha(file, pixels) if alpha is None else alpha)
        return samples_of(file, *eight_bits(file))


def samples_of(picture: Image.Image, colours: np.ndarray, alpha: np.ndarray | None) -> Samples:
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return Samples(colours, alpha, picture.info.get("icc_profile"), orientation)


def eight_bits(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha of a picture of 8 bits or fewer."""
    if picture.mode == "CMYK":
        return np.asarray(picture), None
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if not picture.has_transparency_data:
        return np.atleast_3d(np.asarray(picture.convert(mode))), None
    pixels = np.asarray(picture.convert(f"{mode}A"))
    return pixels[..., :-1], pixels[..., -1]


def keyed_alpha(picture: Image.Image, colours: np.ndarray) -> np.ndarray | None:
    """0 where a picture has the one colour that stands for transparency."""
    if (key := picture.info.get("transparency")) is None:
        return None
    return np.any(colours != key, axis=-1).astype(np.float32)


def _read_png16(data: bytes, picture: Image.Image) -> np.ndarray:
    """All 16 bits of a PNG, (H, W, channels); with colour or alpha Pillow keeps 8 of them."""
    if picture.mode == "I;16":
        return np.atleast_3d(np.asarray(picture))
    with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
        (tile,) = again.tile
        if tile.args == "LA;16B":
            # Two samples of two bytes pass for the four bytes of RGBA.
            again.tile = [tile._replace(args="RGBA")]
            return np.asarray(again).view(">u2").astype(np.uint16)
        # Pillow keeps the high byte of a sample; taking it for little-endian, the low one.
        again.tile = [tile._replace(args=str(tile.args).replace("16B", "16L"))]
        return np.asarray(picture).astype(np.uint16) * 256 + np.asarray(again)
