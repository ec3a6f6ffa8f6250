"""TIFF files: choosing the page of the picture, and decoding all bits of its pixels.

This module is imported only for a TIFF, because importing tifffile is slow.
"""

import struct

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from jnst.images.files import RAW_PHOTOGRAPH, UnknownFormatError, check_picture_memory
from jnst.images.samples import Samples, read_rows, reduction, to_unit

_TIFF_CHANNELS = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
_AXES = ("YX", "YXS", "SYX")
_RAW_PHOTOMETRICS = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
_BEYOND = 1.0
_TIFF_COMPRESSIONS = (COMPRESSION.NONE, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE)


def full_page(file: tifffile.TiffFile) -> tifffile.TiffPage:
    """The first page, or subpage of one, that is no reduced preview.

    Raises:
        ValueError: there is none, or it is a raw photograph.
    """
    for page in file.pages:
        page = page.aspage()
        for each in (page, *(page.pages or ())):
            full = each.aspage()
            if full.photometric in _RAW_PHOTOMETRICS:
                raise UnknownFormatError(RAW_PHOTOGRAPH)
            if not full.is_reduced and not full.is_mask:
                return full
    raise ValueError("it holds only a reduced preview of a picture")


def plain_tiff(page: tifffile.TiffPage) -> bool:
    """Whether `decode_tiff` reads the page; Pillow, which keeps only 8 bits, reads the others."""
    return page.bitspersample > 8 or (
        page.bitspersample == 8
        and page.compression in _TIFF_COMPRESSIONS
        and page.photometric in _TIFF_CHANNELS
        and page.axes in _AXES
    )


def only_page(data: bytes, page: tifffile.TiffPage) -> bytes:
    """The file, changed so that the page is its first."""
    order = page.parent.byteorder
    if page.parent.is_bigtiff:
        return data[:8] + struct.pack(f"{order}Q", page.offset) + data[16:]
    return data[:4] + struct.pack(f"{order}I", page.offset) + data[8:]


def decode_tiff(page: tifffile.TiffPage, size: int | None) -> Samples:
    """The pixels of a page, reduced where `size` allows it; ValueError if it is unsupported."""
    dtype, bits, kind = page.dtype, page.bitspersample, PHOTOMETRIC(page.photometric)
    whole = dtype is not None and dtype.kind in "uf" and dtype.itemsize * 8 == bits
    if dtype is None or not whole or kind not in _TIFF_CHANNELS or page.axes not in _AXES:
        raise ValueError(f"TIFF with {bits} bits of {dtype}, {kind.name} {page.axes}, is not read")
    # Other decoders can crash the process on damaged files (imagecodecs 2026.3.6: LZW).
    if page.compression not in _TIFF_COMPRESSIONS:
        compression = COMPRESSION(page.compression).name
        raise ValueError(
            f"TIFF with {bits} bits is read without compression or with Deflate, not {compression}"
        )
    shape = page.imagelength, page.imagewidth
    factor = reduction(shape, size)
    values = dtype.itemsize * page.samplesperpixel
    check_picture_memory(shape, 2 * values, factor, blended=page.samplesperpixel > 3)
    pixels = np.atleast_3d(page.asarray())
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if dtype.kind == "f":
        _check_range(pixels)
    extra = page.extrasamples[0] if page.extrasamples else None
    channels = _TIFF_CHANNELS[kind]

    def rows(first: int, last: int) -> tuple[np.ndarray, np.ndarray | None]:
        unit = to_unit(pixels[first:last])
        colors = unit[..., :channels]
        if kind == PHOTOMETRIC.MINISWHITE:
            colors = 1 - colors
        if extra not in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA):
            return colors, None
        alpha = unit[..., channels]
        if extra == EXTRASAMPLE.ASSOCALPHA:
            colors = (colors / np.where(alpha > 0, alpha, 1)[..., None]).clip(0, 1)
        return colors, alpha

    orientation = page.tags.valueof("Orientation", default=1)
    colors, alpha = read_rows(rows, shape, factor)
    return Samples(colors, alpha, page.iccprofile, orientation, shape, factor)


def _check_range(pixels: np.ndarray) -> None:
    """ValueError for values far beyond [0, 1]; after sharpening some are a little beyond it."""
    lowest, highest = pixels.min(), pixels.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError("a pixel is not finite")
    if lowest < -_BEYOND or highest > 1 + _BEYOND:
        raise ValueError(
            f"TIFF of floats from {lowest:.6g} to {highest:.6g}; [0, 1] is accepted, "
            "or whole numbers of 8 or 16 bits"
        )
