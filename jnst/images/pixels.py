"""Checking of pixel arrays, and conversion to float32 in [0, 1]."""

from typing import Any

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-4
"""How far a value may be beyond [0, 1] by rounding in low precision."""

FLOATS = "floats in [0, 1] or uint8 are accepted"

_INTEGERS = ("uint8", "uint16")


def as_array(name: str, value: Any) -> np.ndarray:
    """An array of any library as a NumPy array.

    Raises:
        ValueError: it is no array.
    """
    if not hasattr(value, "__array__") and not hasattr(value, "__array_interface__"):
        what = "None" if value is None else f"of type {type(value).__name__}"
        raise ValueError(f"{name} is {what}; a path, a PIL image, or an array is accepted")
    try:
        return np.asarray(value)
    except Exception as error:  # an array on another device, one that records gradients, ...
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be read as an array ({reason})") from None


def unit_pixels(
    name: str, value: Any, *, slack: float = ROUNDING
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"] | None]:
    """Colors and alpha of an array (H, W, 3), (H, W, 4), or gray, (H, W) or (H, W, 1).

    Raises:
        ValueError: it has another shape, or as `unit_values`.
    """
    array = as_array(name, value)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ValueError(
            f"{name} is {array.dtype} of shape {array.shape}; (height, width), (height, width, 3) "
            "or, with alpha, (height, width, 4) is accepted"
        )
    shape = array.shape[:2]
    values = unit_values(name, array, slack=slack).reshape(*shape, channels)
    if channels == 1:
        return np.repeat(values, 3, axis=-1), None
    alpha = values[..., 3] if channels == 4 else None
    return np.ascontiguousarray(values[..., :3]), alpha


def unit_values(
    name: str, array: np.ndarray, *, slack: float = ROUNDING
) -> Float[np.ndarray, "..."]:
    """Values as float32 in [0, 1]: uint8 and uint16 are divided by their maximum, floats stay.

    Floats that are beyond [0, 1] by at most `slack` are clipped.

    Raises:
        ValueError: the array is empty, of another type, not finite or out of range.
    """
    if not array.size:
        raise ValueError(f"{name} is empty: its shape is {array.shape}")
    kind = array.dtype.name
    if kind in _INTEGERS:
        return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    if not kind.startswith(("float", "bfloat")):
        raise ValueError(
            f"{name} is {kind} of shape {array.shape}; uint8, uint16 or floats are accepted"
        )
    if array.dtype.itemsize < 4:  # NumPy has no minimum of JAX's own types
        array = array.astype(np.float32)
    lowest, highest = array.min(), array.max()
    if np.isnan(lowest):
        count = int(np.isnan(array).sum())
        raise ValueError(f"{name} is NaN in {count} of {array.size} values")
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError(f"{name} has infinite values; {FLOATS}")
    if lowest < -slack or highest > 1 + slack:
        raise ValueError(f"{name} has values from {lowest:.6g} to {highest:.6g}; {FLOATS}")
    pixels = array.astype(np.float32)
    return pixels.clip(0, 1, out=pixels)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as the nearest whole numbers of 0 to 255; what is beyond is cut off."""
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
