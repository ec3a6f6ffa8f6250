"""Decoding of picture files, with all bits of each sample."""

import io

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from jnst.images.files import TIFF_SIGNATURES, check_picture_memory, refuse_format
from jnst.images.jpeg_files import START, open_jpeg
from jnst.images.pixels import unit_values
from jnst.images.png_files import SIGNATURE, read_png
from jnst.images.samples import Samples, read_rows, reduction

_PILLOW = 8  # bytes a pixel: 4 in Pillow, 4 while it is converted

_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
"""Pillow's openers by format.

`Image.open` is not used: its limit of pixels is for the whole process. Here memory is the limit.
"""


def decode(data: bytes, size: int | None = None) -> Samples:
    """The pixels of a file; reduced if its longer side is much longer than `size`.

    Raises:
        UnknownFormatError: it is no picture, or of an unsupported format.
        Exception: it is damaged, or of an unsupported kind.
    """
    if data.startswith(START):
        return _decode_jpeg(data, size)
    if data.startswith(SIGNATURE):
        file = read_png(data)
        picture = PngImagePlugin.PngImageFile(io.BytesIO(file.pixels))
        deep = file.pixels[24] == 16  # the bit depth in its header
        samples = _decode_deep_png(file.pixels, size) if deep else _decode_pillow(picture, size)
        return samples._replace(profile=file.profile)
    if data.startswith(TIFF_SIGNATURES):
        if data[8:10] == b"CR":
            refuse_format(data)
        return _decode_tiff(data, size)
    return _decode_pillow(open_other(data), size)


def _decode_tiff(data: bytes, size: int | None) -> Samples:
    import tifffile

    from jnst.images.tiff_files import decode_tiff, full_page, only_page, plain_tiff

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = full_page(tiff)
        if plain_tiff(page):
            return decode_tiff(page, size)
        data = only_page(data, page)
    return _decode_pillow(TiffImagePlugin.TiffImageFile(io.BytesIO(data)), size)


def open_other(data: bytes) -> ImageFile.ImageFile:
    """Open a file that is no JPEG, PNG or TIFF, without decoding it.

    Raises:
        UnknownFormatError: it is no picture, or of an unsupported format.
        Exception: it is damaged.
    """
    for name, opener in _OPENERS.items():
        if Image.OPEN[name][1](data[:16]):  # type: ignore[misc]
            try:
                return opener(io.BytesIO(data))
            except SyntaxError:
                if name == "AVIF":  # HEIC files can have the same brand
                    refuse_format(data)
                raise
    refuse_format(data)


def exif_of(picture: Image.Image) -> Image.Exif:
    """The EXIF data of a picture; empty if it is broken."""
    try:
        return picture.getexif()
    except Exception:  # whatever the parser ran into
        return Image.Exif()


def samples_of(
    picture: Image.Image,
    colors: np.ndarray,
    alpha: np.ndarray | None,
    shape: tuple[int, int] | None = None,
    factor: int = 1,
) -> Samples:
    """`Samples` from pixels and the metadata of their picture."""
    orientation = exif_of(picture).get(ExifTags.Base.Orientation, 1)
    profile = picture.info.get("icc_profile")
    return Samples(colors, alpha, profile, orientation, shape or colors.shape[:2], factor)


def eight_bits(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Colors and alpha of a picture of at most 8 bits."""
    if picture.mode == "CMYK":
        return np.asarray(picture), None
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if not picture.has_transparency_data:
        return np.atleast_3d(np.asarray(picture.convert(mode))), None
    pixels = np.asarray(picture.convert(f"{mode}A"))
    return pixels[..., :-1], pixels[..., -1]


def keyed_alpha(picture: Image.Image, colors: np.ndarray) -> np.ndarray | None:
    """Alpha of a picture that marks one color as transparent; None if it marks none."""
    if (key := picture.info.get("transparency")) is None:
        return None
    return np.any(colors != key, axis=-1).astype(np.float32)


def _decode_jpeg(data: bytes, size: int | None) -> Samples:
    header = open_jpeg(data, decoded=False)
    shape = header.height, header.width
    factor = reduction(shape, size)
    scale = next(each for each in (8, 4, 2, 1) if factor >= each)
    decoded = max(1, _PILLOW // scale**2)
    check_picture_memory(shape, decoded, factor, blended=header.mode == "CMYK")
    picture = open_jpeg(data, scale)
    rest = factor // scale
    colors, alpha = _read(picture, rest)
    return samples_of(picture, colors, alpha, shape, scale * rest)


def _decode_pillow(picture: ImageFile.ImageFile, size: int | None) -> Samples:
    shape = picture.height, picture.width
    factor = reduction(shape, size)
    decoded = 1 if picture.mode in ("1", "L", "P") else _PILLOW
    blended = picture.mode == "CMYK" or picture.has_transparency_data
    check_picture_memory(shape, decoded, factor, blended=blended)
    picture.load()
    return samples_of(picture, *_read(picture, factor), shape, factor)


def _read(picture: Image.Image, factor: int) -> tuple[np.ndarray, np.ndarray | None]:
    def rows(first: int, last: int) -> tuple[np.ndarray, np.ndarray | None]:
        part = picture
        if last - first < picture.height:
            part = picture.crop((0, first, picture.width, last))
        if part.mode == "I":  # of PPM: 16 bits
            return np.asarray(part).astype(np.uint16)[..., None], None
        if part.mode == "F":
            return unit_values("PFM", np.asarray(part), slack=1)[..., None], None
        return eight_bits(part)

    return read_rows(rows, (picture.height, picture.width), factor)


def _decode_deep_png(data: bytes, size: int | None) -> Samples:
    """All 16 bits of a PNG; Pillow keeps only 8 of them if there is color or alpha."""
    picture = PngImagePlugin.PngImageFile(io.BytesIO(data))
    shape = picture.height, picture.width
    factor = reduction(shape, size)
    check_picture_memory(shape, 3 * _PILLOW, factor, blended=picture.has_transparency_data)
    picture.load()
    pixels = _deep_pixels(data, picture)

    def rows(first: int, last: int) -> tuple[np.ndarray, np.ndarray | None]:
        part = pixels[first:last]
        if part.shape[-1] in (2, 4):
            return part[..., :-1], part[..., -1]
        return part, keyed_alpha(picture, part)

    return samples_of(picture, *read_rows(rows, shape, factor), shape, factor)


def _deep_pixels(data: bytes, picture: Image.Image) -> np.ndarray:
    if picture.mode == "I;16":
        return np.atleast_3d(np.asarray(picture))
    with PngImagePlugin.PngImageFile(io.BytesIO(data)) as again:
        (tile,) = again.tile
        if tile.args == "LA;16B":
            # Two samples of two bytes pass for the four bytes of RGBA.
            again.tile = [tile._replace(args="RGBA")]
            return np.asarray(again).view(">u2").astype(np.uint16)
        # Pillow keeps the high byte of a sample; taking it for little-endian, the low one.
        again.tile = [tile._replace(args=str(tile.args).replace("16B", "16L"))]
        return np.asarray(picture).astype(np.uint16) * 256 + np.asarray(again)
