"""GIF files that grow by a frame at a time."""

import io
import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import GifImagePlugin
from PIL import Image as PillowImage

from jnst.atomic import atomic_path
from jnst.frames import FRAME_MILLISECONDS

Image = Float[np.ndarray, "h w 3"]

LONGEST_SHOWN = 655_350
"""Milliseconds: a GIF counts hundredths of a second in two bytes."""

TRAILER = b";"
"""What ends a GIF: the next frame is written over it."""


def save_gif(
    path: str | os.PathLike[str], frames: Sequence[Image], *, milliseconds: Sequence[int] = ()
) -> None:
    """Write frames as a GIF that repeats, atomically; each is shown 100 ms if nothing is said.

    A frame is (H, W, 3) sRGB in [0, 1], and keeps 256 colours of its own.

    Raises:
        ValueError: there are no frames.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if not len(frames):
            raise ValueError("there are no frames")
        for number, frame in enumerate(frames):
            shown = milliseconds[number] if number < len(milliseconds) else FRAME_MILLISECONDS
            file.write(gif_frame(frame, milliseconds=shown, first=not number))
        file.write(TRAILER)


def gif_frame(frame: Image, *, milliseconds: int, first: bool) -> bytes:
    """A frame as it stands in the file; before the first one stands what is said of them all."""
    milliseconds = min(milliseconds, LONGEST_SHOWN)
    picture = PillowImage.fromarray(np.rint(frame * 255).astype(np.uint8)).quantize(256)
    if not first:
        blocks = GifImagePlugin.getdata(picture, duration=milliseconds, include_color_table=True)
        return b"".join(blocks)
    whole = io.BytesIO()
    picture.save(whole, "GIF", save_all=True, duration=milliseconds, loop=0)
    return whole.getvalue().removesuffix(TRAILER)
