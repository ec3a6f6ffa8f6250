"""Pictures between files and arrays of shape (H, W, 3): float32, sRGB, in [0, 1]."""

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Array, Float
from PIL import ExifTags, Image, PngImagePlugin
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from jnst.atomic import atomic_path
from jnst.checks import shown, whole_number
from jnst.pixels import as_array, unit_pixels, unit_values

WRITTEN_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}

_SOFTWARE = "jnst"
_FREE = 1.0  # how far beyond [0, 1] an optimised image may be, before it is one of another range
_JPEG_RECIPE_LIMIT = 65_000  # bytes; an EXIF block in a JPEG ends at 65,533
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)  # a Path has one stroke of two
_READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF")
_COLOUR_SPACES = {1: "gray", 3: "rgb", 4: "cmyk"}
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_CHANNELS = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
_TIFF_COMPRESSIONS = (COMPRESSION.NONE, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE)


class ImageError(ValueError):
    """A picture that cannot be read or written; the message names the path and what is wrong."""


class Picture(NamedTuple):
    """A picture as read: `image` (H, W, 3) in [0, 1], over white where it was transparent.

    `alpha` is (H, W) in [0, 1], 0 where transparent; None if the picture is opaque all over.
    """

    image: Float[np.ndarray, "height width 3"]
    alpha: Float[np.ndarray, "height width"] | None


class _Samples(NamedTuple):
    """Pixels as decoded: `colours` (H, W, 1, 3 or 4) are grey, RGB or CMYK, `alpha` is (H, W).

    Unsigned integers span their whole range, floats [0, 1].
    """

    colours: np.ndarray
    alpha: np.ndarray | None
    profile: bytes | None
    orientation: int


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
    data = _read_bytes(path)
    with _reading(path):
        return _picture(_decode(data))


def convert_picture(name: str, picture: Image.Image) -> Picture:
    """A PIL image, of any mode but "I", as its file would be read; messages call it `name`.

    Raises:
        ImageError: its pixels cannot be had, or are of a kind that is not read.
    """
    with _reading(name):
        picture.load()
        if picture.mode == "I":
            raise ValueError("mode I says no range; convert it to I;16 or L")
        if picture.mode == "F":
            grey = unit_values("mode F", np.asarray(picture))
            return _picture(_samples(picture, grey[..., None], None))
        if picture.mode.startswith("I;16"):
            grey = np.asarray(picture).astype(np.uint16)[..., None]
            return _picture(_samples(picture, grey, _keyed_alpha(picture, grey)))
        return _picture(_samples(picture, *_eight_bits(picture)))


def _picture(samples: _Samples) -> Picture:
    if samples.colours.size == 0:
        raise ValueError("there are no pixels")
    image = _upright(_to_srgb(samples.colours, samples.profile), samples.orientation)
    if samples.alpha is None or (alpha := _to_unit(samples.alpha)).min() == 1:
        return Picture(image, None)
    alpha = _upright(alpha, samples.orientation)
    return Picture(over_white(image, alpha), alpha)


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


def fit_size(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """The (height, width) whose longer side is `size`, up or down, with the aspect of `shape`.

    Raises:
        ValueError: a side or `size` is not a whole number of at least 1.
    """
    height, width = shape
    _check_sides(height, width)
    whole_number("size", size, minimum=1)
    longer = max(height, width)
    return max(1, round(height * size / longer)), max(1, round(width * size / longer))


def resize_image(
    image: Float[Array | np.ndarray, "height width *channels"], shape: tuple[int, int]
) -> Float[np.ndarray, "new_height new_width *channels"]:
    """Resize an image (H, W, 3), or its alpha (H, W), to `shape`, which is (height, width).

    The filter is Lanczos, antialiased; its overshoot is clipped to [0, 1].

    Raises:
        ValueError: a side is not a whole number of at least 1.
    """
    height, width = shape
    _check_sides(height, width)
    pixels = np.asarray(image, np.float32)
    channels = [
        Image.fromarray(channel).resize((width, height), Image.Resampling.LANCZOS)
        for channel in np.moveaxis(np.atleast_3d(pixels), -1, 0)
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return resized.reshape(height, width, *pixels.shape[2:]).clip(0, 1)


def save_image(
    path: str | os.PathLike[str],
    image: Float[Array | np.ndarray, "height width 3"],
    *,
    alpha: Float[Array | np.ndarray, "height width"] | None = None,
    recipe: str | None = None,
) -> None:
    """Write an image in the format of the suffix; the same bytes every time.

    It is (H, W, 3), (H, W, 4) with its alpha, or grey, (H, W): uint8 or uint16, or floats in
    [0, 1], to which values of at least -1 and at most 2 are clipped.

    .png has 8 bits, .tif and .tiff have 16; .webp is lossless with 8 bits; .jpg and .jpeg have
    quality 95, full chroma, and white in place of transparency. `recipe` is kept in the file for
    `read_recipe`. The file is there whole or, after a failure, as it was before.

    Raises:
        ValueError: another shape, other numbers, or a value that is not finite or farther out.
        ImageError: as `check_writable`, or the format or the disk cannot hold it.
    """
    path = Path(path)
    check_writable(path)
    pixels, own = unit_pixels("image", image, slack=_FREE)
    if alpha is None:
        alpha = own
    elif np.shape(alpha) != pixels.shape[:2]:
        raise ValueError(
            f"alpha has the shape {np.shape(alpha)}; that of the image is {pixels.shape[:2]}"
        )
    else:
        alpha = unit_values("alpha", as_array("alpha", alpha))
    try:
        with atomic_path(path) as temporary:
            _encode(temporary, WRITTEN_FORMATS[path.suffix.lower()], pixels, alpha, recipe)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({error})") from error


def read_recipe(path: str | os.PathLike[str]) -> str | None:
    """The recipe that `save_image` put into a file; None if there is none.

    Raises:
        ImageError: there is no such file, it is not a picture, or it is damaged.
    """
    path = Path(path)
    data = _read_bytes(path)
    with _reading(path):
        if data.startswith(_TIFF_SIGNATURES):
            with tifffile.TiffFile(io.BytesIO(data)) as tiff:
                page = tiff.pages.first
                return (page.description or None) if page.software == _SOFTWARE else None
        with Image.open(io.BytesIO(data), formats=_READ_FORMATS) as file:
            if file.format == "PNG":
                return file.info.get(_SOFTWARE)
            exif = file.getexif()
            if exif.get(ExifTags.Base.Software) != _SOFTWARE:
                return None
            # Pillow takes the bytes for Latin-1.
            return exif[ExifTags.Base.ImageDescription].encode("latin-1").decode()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out, before any work starts, whether `save_image` could write to `path`.

    Raises:
        ImageError: the suffix is of no format that is written, the folder does not exist or cannot
            be written to, or `path` is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN_FORMATS:
        accepted = ", ".join(WRITTEN_FORMATS)
        raise ImageError(f"{path}: the suffix is {path.suffix!r}; accepted: {accepted}")
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, not a file")
        if not path.parent.is_dir():
            raise ImageError(f"{path}: there is no folder {path.parent}")
        # A look at the permissions would say yes to root everywhere, so a file is made.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from error


def _check_sides(height: int, width: int) -> None:
    whole_number("height", height, minimum=1)
    whole_number("width", width, minimum=1)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path}: is {'a folder' if path.is_dir() else 'not a regular file'}")
        data = path.read_bytes()
    except OSError as error:
        if _URL.match(str(path)):
            raise ImageError(f"{shown(str(path))} is a URL; download it first") from None
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"{path}: there is no such file") from None
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise ImageError(f"{path}: the file is empty")
    return data


@contextlib.contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    """Decoders raise whatever they run into in a damaged file; what they warn of stays inside."""
    logger = tifffile.logger()
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.UnidentifiedImageError:
        accepted = ", ".join(_READ_FORMATS)
        raise ImageError(f"{path}: no picture that can be read; accepted: {accepted}") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot be read ({reason})") from error
    finally:
        logger.disabled = disabled


def _decode(data: bytes) -> _Samples:
    if data.startswith(_TIFF_SIGNATURES):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            # Pillow reads more kinds of TIFF, but keeps 8 bits.
            if file.pages.first.bitspersample > 8:
                return _decode_tiff(file.pages.first)
    return _decode_pillow(data)


def _decode_pillow(data: bytes) -> _Samples:
    with Image.open(io.BytesIO(data), formats=_READ_FORMATS) as file:
        file.load()
        if file.format == "PNG" and data[24] == 16:  # the bit depth in its header
            pixels, alpha = _read_png16(data, file), None
            if pixels.shape[-1] in (2, 4):
                pixels, alpha = pixels[..., :-1], pixels[..., -1]
            return _samples(file, pixels, _keyed_alpha(file, pixels) if alpha is None else alpha)
        return _samples(file, *_eight_bits(file))


def _samples(picture: Image.Image, colours: np.ndarray, alpha: np.ndarray | None) -> _Samples:
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return _Samples(colours, alpha, picture.info.get("icc_profile"), orientation)


def _eight_bits(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha of a picture of 8 bits or fewer."""
    if picture.mode == "CMYK":
        return np.asarray(picture), None
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if not picture.has_transparency_data:
        return np.atleast_3d(np.asarray(picture.convert(mode))), None
    pixels = np.asarray(picture.convert(f"{mode}A"))
    return pixels[..., :-1], pixels[..., -1]


def _keyed_alpha(picture: Image.Image, colours: np.ndarray) -> np.ndarray | None:
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


def _decode_tiff(page: tifffile.TiffPage) -> _Samples:
    """A TIFF of more than 8 bits; ValueError for the kinds that are not read."""
    dtype, bits, kind = page.dtype, page.bitspersample, PHOTOMETRIC(page.photometric)
    whole = dtype is not None and dtype.kind in "uf" and dtype.itemsize * 8 == bits
    if not whole or kind not in _TIFF_CHANNELS or page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"TIFF with {bits} bits of {dtype}, {kind.name} {page.axes}, is not read")
    # Other decoders can crash the process on damaged files (imagecodecs 2026.3.6: LZW).
    if page.compression not in _TIFF_COMPRESSIONS:
        compression = COMPRESSION(page.compression).name
        raise ValueError(
            f"TIFF with {bits} bits is read without compression or with Deflate, not {compression}"
        )
    # Pillow's limit is twice this number of pixels; each may have four values.
    if Image.MAX_IMAGE_PIXELS and page.size > 8 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{page.size} values: maybe a decompression bomb")
    pixels = np.atleast_3d(page.asarray())
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if not np.isfinite(pixels).all():
        raise ValueError("a pixel is not finite")
    unit = _to_unit(pixels)
    channels = _TIFF_CHANNELS[kind]
    colours, alpha = unit[..., :channels], None
    if kind == PHOTOMETRIC.MINISWHITE:
        colours = 1 - colours
    extra = page.extrasamples[0] if page.extrasamples else None
    if extra in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA):
        alpha = unit[..., channels]
        if extra == EXTRASAMPLE.ASSOCALPHA:
            colours = colours / np.where(alpha > 0, alpha, 1)[..., None]
    return _Samples(colours, alpha, page.iccprofile, page.tags.valueof("Orientation", default=1))


def _to_unit(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        return samples.clip(0, 1).astype(np.float32)
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)


def _to_srgb(colours: np.ndarray, profile: bytes | None) -> np.ndarray:
    if colours.shape[-1] == 1 and profile and profile[16:20] == b"RGB ":
        # A grey picture with the profile of the colour picture that it was.
        colours = np.repeat(colours, 3, axis=-1)
    if profile and (converted := _convert(colours, profile)) is not None:
        return converted
    unit = _to_unit(colours)
    if unit.shape[-1] == 4:
        return (1 - unit[..., :3]) * (1 - unit[..., 3:])
    return np.broadcast_to(unit, (*unit.shape[:2], 3))


def _convert(colours: np.ndarray, profile: bytes) -> np.ndarray | None:
    """Colours in sRGB, or None if the profile is broken or made for other channels."""
    channels = colours.shape[-1]
    if colours.dtype != np.uint8:
        colours = np.rint(_to_unit(colours) * 65535).astype(np.uint16)
    # The shortcuts of Little CMS are off by up to 0.06, but not from RGB of 8 bits: 0.002.
    shortcut = channels == 3 and colours.dtype == np.uint8
    try:
        converted = imagecodecs.cms_transform(
            colours[..., 0] if channels == 1 else colours,
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace=_COLOUR_SPACES[channels],
            outcolorspace="rgb",
            planar=False,
            outplanar=False,
            outdtype=np.uint16,
            flags=None if shortcut else imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )
    except imagecodecs.CmsError:
        return None
    return _to_unit(converted)


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
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


def _encode(
    path: Path, format: str, image: np.ndarray, alpha: np.ndarray | None, recipe: str | None
) -> None:
    if alpha is not None:
        image = over_white(image, alpha) if format == "JPEG" else np.dstack([image, alpha])
    if format == "TIFF":
        tifffile.imwrite(
            path,
            np.rint(image * 65535).astype(np.uint16),
            photometric="rgb",
            planarconfig="contig",
            extrasamples=None if alpha is None else ["unassalpha"],
            compression="zlib",
            predictor=True,
            description=None if recipe is None else recipe.encode(),
            software=_SOFTWARE,
            metadata=None,
        )
        return
    picture = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    chunks, exif = PngImagePlugin.PngInfo(), Image.Exif()
    if recipe is not None:
        chunks.add_itxt(_SOFTWARE, recipe)
        exif[ExifTags.Base.Software] = _SOFTWARE
        exif[ExifTags.Base.ImageDescription] = recipe.encode()
    if format == "PNG":
        picture.save(path, format, pnginfo=chunks)
    elif format == "WEBP":
        picture.save(path, format, exif=exif, lossless=True, exact=True)
    elif recipe is not None and len(recipe.encode()) > _JPEG_RECIPE_LIMIT:
        raise ValueError(f"JPEG holds a recipe of {_JPEG_RECIPE_LIMIT} bytes, the others any")
    else:
        picture.save(path, format, exif=exif, quality=95, subsampling=0)
