"""Writing of GIF files, also frame by frame."""

import io
import os
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from PIL import GifImagePlugin
from PIL import Image as PillowImage

from jnst.common.atomic import atomic_path
from jnst.images.pixels import to_uint8
from jnst.video.durations import FASTEST_GIF, gif_milliseconds, shown_for

Image = Float[np.ndarray, "h w 3"]

TRAILER = b";"
"""The end of a GIF; the next frame overwrites it."""


def save_gif(
    path: str | os.PathLike[str],
    frames: Iterable[Image],
    *,
    milliseconds: Sequence[float] = (),
    fps: float | None = None,
) -> None:
    """Write frames as a GIF, atomically, with a rate `fps` or `milliseconds`; by default 100 ms.

    A frame is (H, W, 3) sRGB in [0, 1] and gets its own 256 colors; `frames` may be a generator.
    The GIF repeats. It counts hundredths of a second; other times are right on average.

    Raises:
        ValueError: there are no frames, or `fps` is less than 0.01 or more than 100.
    """
    durations = gif_milliseconds(shown_for(milliseconds, fps, fastest=FASTEST_GIF))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        first = True
        for frame, shown in zip(frames, durations, strict=False):
            file.write(gif_frame(frame, milliseconds=shown, first=first))
            first = False
        if first:
            raise ValueError("there are no frames")
        file.write(TRAILER)


def gif_frame(frame: Image, *, milliseconds: int, first: bool) -> bytes:
    """The bytes of a frame; those of the first frame begin with the header of the file."""
    picture = PillowImage.fromarray(to_uint8(frame)).quantize(256)
    if not first:
        blocks = GifImagePlugin.getdata(picture, duration=milliseconds, include_color_table=True)
        return b"".join(blocks)
    whole = io.BytesIO()
    picture.save(whole, "GIF", save_all=True, duration=milliseconds, loop=0)
    return whole.getvalue().removesuffix(TRAILER)
