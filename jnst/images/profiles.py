"""Conversion of colors to sRGB by ICC profiles."""

import imagecodecs
import numpy as np

from jnst.images.samples import to_unit

_COLOR_SPACES = {1: "gray", 3: "rgb", 4: "cmyk"}


def to_srgb(colors: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Samples (H, W, C) of 1, 3 or, in CMYK, 4 channels as sRGB (H, W, 3), float32 in [0, 1].

    Without a profile, or with one for other channels, the samples are taken as sRGB.
    """
    if colors.shape[-1] == 1 and profile and profile[16:20] == b"RGB ":
        # A gray picture can still have the profile of the color picture that it was made from.
        colors = np.repeat(colors, 3, axis=-1)
    if profile and (converted := _convert(colors, profile)) is not None:
        return converted
    unit = to_unit(colors)
    if unit.shape[-1] == 4:
        return (1 - unit[..., :3]) * (1 - unit[..., 3:])
    return np.broadcast_to(unit, (*unit.shape[:2], 3))


def _convert(colors: np.ndarray, profile: bytes) -> np.ndarray | None:
    """The colors in sRGB, or None if the profile is broken or made for other channels."""
    channels = colors.shape[-1]
    if colors.dtype != np.uint8:
        colors = np.rint(to_unit(colors) * 65535).astype(np.uint16)
    # The shortcuts of Little CMS are off by up to 0.06, but not from RGB of 8 bits: 0.002.
    shortcut = channels == 3 and colors.dtype == np.uint8
    try:
        converted = imagecodecs.cms_transform(
            colors[..., 0] if channels == 1 else colors,
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace=_COLOR_SPACES[channels],
            outcolorspace="rgb",
            planar=False,
            outplanar=False,
            outdtype=np.uint16,
            flags=None if shortcut else imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )
    except imagecodecs.CmsError:
        return None
    return to_unit(converted)
