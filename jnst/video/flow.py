"""Optical flow: `.flo` files, warping, and where a flow is reliable."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

Flow = Float[np.ndarray, "h w 2"]
Image = Float[np.ndarray, "h w c"]
Mask = Float[np.ndarray, "h w"]

_MAGIC = np.float32(202021.25)


class FlowError(ValueError):
    """A file of optical flow that cannot be read."""


def load_flow(path: str | os.PathLike[str]) -> Flow:
    """Read a `.flo` file of the Middlebury benchmark, as artistic-videos uses: (H, W, 2).

    The flow (x, y) of a pixel is its motion in pixels to the right and down.

    Raises:
        FlowError: the file is missing, is no .flo file, or is cut off.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise FlowError(f"{path}: is no regular file")
        data = path.read_bytes()
    except OSError as error:
        raise FlowError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != _MAGIC:
        raise FlowError(f"{path}: is no .flo file")
    width, height = np.frombuffer(data, "<i4", 2, 4).tolist()
    if width < 1 or height < 1 or len(data) != 12 + 8 * width * height:
        raise FlowError(f"{path}: is cut off or damaged; it says {width} x {height} pixels")
    flow = np.frombuffer(data, "<f4", 2 * width * height, 12).reshape(height, width, 2)
    if not np.isfinite(flow).all():
        raise FlowError(f"{path}: is not finite")
    return flow


def resize_flow(flow: Flow, shape: tuple[int, int]) -> Flow:
    """Resize a flow to frames of another size: bilinear, with its vectors scaled too."""
    height, width = flow.shape[:2]
    rows = ((np.arange(shape[0]) + 0.5) * height / shape[0] - 0.5).clip(0, height - 1)
    columns = ((np.arange(shape[1]) + 0.5) * width / shape[1] - 0.5).clip(0, width - 1)
    grid = np.stack(np.meshgrid(columns, rows), -1)
    return _sample(flow, grid) * np.array([shape[1] / width, shape[0] / height], np.float32)


def warp(image: Image, flow: Flow) -> Image:
    """The image that has at each pixel p the color of `image` at p + flow(p), bilinear.

    With the flow from this frame back to the last one, it is the last frame moved to this one.
    Beyond the border the image is reflected.
    """
    height, width = flow.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    return _sample(image, grid + flow)


def consistency(backward: Flow, forward: Flow) -> Mask:
    """Where the flow back to the last frame is reliable: 1, else 0.

    With w = (u, v) the flow back and f the flow forward at p + w(p), it is 0 in three cases:

    hidden in the last frame  |w + f|^2 > 0.01 (|w|^2 + |f|^2) + 0.5
    at an edge of motion      |du|^2 + |dv|^2 > 0.01 |w|^2 + 0.002
    from outside the frame    p + w(p) is beyond a border

    (Ruder, Dosovitskiy, Brox 2016, equations 5 and 6.)
    """
    height, width = backward.shape[:2]
    back = warp(forward, backward)
    size = np.square(backward).sum(-1)
    hidden = np.square(backward + back).sum(-1) > 0.01 * (size + np.square(back).sum(-1)) + 0.5
    down, right = np.gradient(backward, axis=(0, 1)) if min(height, width) > 1 else (0, 0)
    slope = (np.square(down) + np.square(right)) * np.ones_like(backward)
    edge = slope.sum(-1) > 0.01 * size + 0.002
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return (~(hidden | edge | outside)).astype(np.float32)


def _mirrored(places: Mask, count: int) -> Mask:
    """Positions along a side; positions beyond its ends are reflected."""
    last = max(count - 1, 1)
    return (last - np.abs(places % (2 * last) - last)).clip(0, count - 1)


def _sample(image: Image, grid: Flow) -> Image:
    """The image at positions (x, y), bilinear; beyond the border it is reflected."""
    height, width = image.shape[:2]
    x, y = _mirrored(grid[..., 0], width), _mirrored(grid[..., 1], height)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return (upper * (1 - down) + lower * down).astype(np.float32)
