"""TIFF files of more than 8 bits."""

import numpy as np
import tifffile
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from jnst.samples import Samples, to_unit

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_CHANNELS = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
_TIFF_COMPRESSIONS = (COMPRESSION.NONE, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE)


def decode_tiff(page: tifffile.TiffPage) -> Samples:
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
    unit = to_unit(pixels)
    channels = _TIFF_CHANNELS[kind]
    colours, alpha = unit[..., :channels], None
    if kind == PHOTOMETRIC.MINISWHITE:
        colours = 1 - colours
    extra = page.extrasamples[0] if page.extrasamples else None
    if extra in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA):
        alpha = unit[..., channels]
        if extra == EXTRASAMPLE.ASSOCALPHA:
            colours = colours / np.where(alpha > 0, alpha, 1)[..., None]
    return Samples(colours, alpha, page.iccprofile, page.tags.valueof("Orientation", default=1))
