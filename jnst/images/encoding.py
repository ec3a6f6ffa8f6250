"""Writing of picture files with recipes, and reading of the recipes."""

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, PngImagePlugin

from jnst.common.atomic import atomic_path
from jnst.images.decoding import exif_of, open_other
from jnst.images.files import (
    TIFF_SIGNATURES,
    WRITTEN_FORMATS,
    ImageError,
    check_writable,
    read_bytes,
    reading,
)
from jnst.images.jpeg_files import START, open_jpeg
from jnst.images.pixels import as_array, to_uint8, unit_pixels, unit_values
from jnst.images.png_files import SIGNATURE, read_png
from jnst.images.samples import over_white

_SOFTWARE = "jnst"
_FREE = 1.0  # beyond [0, 1]: an optimized image may be so far outside, not more
_JPEG_RECIPE_LIMIT = 65_000  # bytes; an EXIF block in a JPEG ends at 65,533


def save_image(
    path: str | os.PathLike[str],
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    recipe: str | None = None,
) -> None:
    """Write an image in the format of the suffix. The same image gives the same bytes.

    `image` is (H, W, 3), (H, W, 4) with alpha, or gray (H, W). Its values are uint8, uint16, or
    floats in [0, 1]; floats from -1 to 2 are clipped to that range.

    .png has 8 bits, .tif and .tiff have 16; .webp is lossless with 8 bits; .jpg and .jpeg have
    quality 95, full chroma, and white in place of transparency. `recipe` is stored in the file for
    `read_recipe`. After a failure the file is as it was before.

    Raises:
        ValueError: another shape or type; a value that is not finite or out of range.
        ImageError: as `check_writable`, or the format or the disk cannot hold it.

    >>> jnst.save_image("red.png", np.broadcast_to([1.0, 0.0, 0.0], (20, 30, 3)))
    >>> jnst.load_image("red.png").shape
    (20, 30, 3)
    """
    path = Path(path)
    check_writable(path)
    pixels, own = unit_pixels("image", image, slack=_FREE)
    if alpha is None:
        alpha = own
    elif np.shape(alpha) != pixels.shape[:2]:
        raise ValueError(
            f"alpha has shape {np.shape(alpha)}; expected {pixels.shape[:2]}, that of the image"
        )
    else:
        alpha = unit_values("alpha", as_array("alpha", alpha))
    try:
        with atomic_path(path) as temporary:
            _encode(temporary, WRITTEN_FORMATS[path.suffix.lower()], pixels, alpha, recipe)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({error})") from error


def read_recipe(path: str | os.PathLike[str]) -> str | None:
    """The recipe that `save_image` stored in a file; None if there is none.

    Raises:
        ImageError: there is no such file, it is not a picture, or it is damaged.
    """
    path = Path(path)
    data = read_bytes(path)
    with reading(path):
        if data.startswith(SIGNATURE):
            return read_png(data).texts.get(_SOFTWARE)
        if data.startswith(TIFF_SIGNATURES):
            import tifffile

            with tifffile.TiffFile(io.BytesIO(data)) as tiff:
                page = tiff.pages.first
                return (page.description or None) if page.software == _SOFTWARE else None
        header = open_jpeg(data, decoded=False) if data.startswith(START) else open_other(data)
        exif = exif_of(header)
        if exif.get(ExifTags.Base.Software) != _SOFTWARE:
            return None
        # Pillow takes the bytes for Latin-1.
        return exif[ExifTags.Base.ImageDescription].encode("latin-1").decode()


def _encode(
    path: Path, format: str, image: np.ndarray, alpha: np.ndarray | None, recipe: str | None
) -> None:
    if alpha is not None:
        image = over_white(image, alpha) if format == "JPEG" else np.dstack([image, alpha])
    if format == "TIFF":
        import tifffile

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
    picture = Image.fromarray(to_uint8(image))
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
