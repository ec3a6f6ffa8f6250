"""Pictures in notebooks: `Result` as its image, several of them as a strip."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from jnst.images.pixels import to_uint8
from jnst.images.resizing import fit_size, resize_image

Image = Float[np.ndarray, "h w 3"]

LARGEST_SIDE, STRIP_HEIGHT = 768, 256
"""Pixels: a notebook keeps what it shows."""


def picture_bundle(image: Image, line: str) -> dict[str, Any]:
    """What Jupyter shows of an image (H, W, 3) in [0, 1] with one line of text below it."""
    height, width = image.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        image = resize_image(image, fit_size((height, width), LARGEST_SIDE))
    file = io.BytesIO()
    PillowImage.fromarray(to_uint8(image)).save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode()
    shown = f'<img src="data:image/png;base64,{png}"><div>{html.escape(line)}</div>'
    return {"text/html": shown, "image/png": png, "text/plain": line}


def strip(images: Sequence[Image], height: int) -> Image:
    """Images beside one another, all of one height, at most that of the highest."""
    height = min(height, max(image.shape[0] for image in images))
    widths = [max(1, round(height * image.shape[1] / image.shape[0])) for image in images]
    return np.concatenate(
        [resize_image(image, (height, each)) for image, each in zip(images, widths, strict=True)], 1
    )
