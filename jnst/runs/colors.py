"""Results in the content's colors: the pictures before a run, and its image after it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jnst.images import color
from jnst.images.masks import Mask
from jnst.images.resizing import resize_image
from jnst.images.transparency import Seen, fill_unseen
from jnst.settings.config import Config

Image = Float[np.ndarray, "h w 3"]


def colored_before(
    config: Config,
    content: Image,
    styles: Sequence[Image],
    seen: Sequence[Seen | None],
    masks: Sequence[Mask],
) -> tuple[Image, list[Image]]:
    """The pictures that the run sees, for results in the content's colors.

    What is seen of a style is matched to the part of the content that it is for.
    """
    whole = styles
    styles = [
        image if part is None else image[part][:, None]
        for image, part in zip(styles, seen, strict=True)
    ]
    parts = [_inside(content, mask) for mask in masks] or [content] * len(styles)
    pairs = list(zip(styles, parts, strict=False))
    match config.color:
        case "luminance":
            matched = [
                color.match_luminance(color.luminance(style), color.luminance(part))
                for style, part in pairs
            ]
            gray = [
                np.repeat(values[..., None], 3, -1)
                for values in (color.luminance(content), *matched)
            ]
            content, *styles = [values.clip(0, 1).astype(np.float32) for values in gray]
        case "cholesky" | "pca" | "symmetric" | "histogram" as method:
            matched = [color.match_colors(style, part, method=method) for style, part in pairs]
            styles = [style.clip(0, 1) for style in matched]
    return content, [
        pixels if part is None else _put_back(image, part, pixels)
        for image, part, pixels in zip(whole, seen, styles, strict=True)
    ]


def _put_back(image: Image, part: Seen, pixels: Float[np.ndarray, "n 1 3"]) -> Image:
    image = image.copy()
    image[part] = pixels[:, 0]
    return fill_unseen(image, part)


def _inside(content: Image, mask: Mask) -> Float[np.ndarray, "n 1 3"]:
    share = resize_image(mask, content.shape[:2])
    return content[share >= share.max() / 2][:, None]


def colored_after(config: Config, image: Image, original: Image) -> Image:
    """An image that was run, in the content's colors if the settings say so."""
    if config.color in ("luminance", "recombine"):
        return color.with_luminance(original, color.luminance(image))
    return image
