"""Pictures and masks as users give them: paths, PIL images, arrays. All are opened here."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from jnst.images.loading import Picture, convert_picture, load_picture
from jnst.images.pixels import as_array, unit_pixels
from jnst.images.samples import over_white

Image = Float[np.ndarray, "h w 3"]


@runtime_checkable
class SupportsArray(Protocol):
    """An array of any library that `numpy.asarray` accepts."""

    def __array__(self) -> np.ndarray: ...


Source: TypeAlias = str | os.PathLike[str] | PillowImage.Image | SupportsArray | Picture
"""A picture: a path, a PIL image, an array of uint8, uint16 or floats in [0, 1], or a `Picture`."""


def open_picture(name: str, source: Source, *, size: int | None = None) -> Picture:
    """Open a path, a PIL image or an array as a `Picture`; messages call it `name`.

    A PIL image is read as its file would be. An array is (H, W, 3), (H, W, 4) with alpha last, or
    gray, (H, W) or (H, W, 1): uint8, uint16, or floats in [0, 1]. Floats beyond [0, 1] by at most
    1e-4 are clipped. `size` is for files: see `load_picture`.

    Raises:
        ImageError: a file that cannot be read.
        ValueError: anything else; the message says what came.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str | os.PathLike):
        return load_picture(source, size=size)
    if isinstance(source, PillowImage.Image):
        return convert_picture(name, source)
    image, alpha = unit_pixels(name, source)
    if alpha is None or alpha.min() == 1:
        return Picture(image, None)
    return Picture(over_white(image, alpha), alpha)


def open_image(name: str, source: Source) -> Image:
    """The image of `open_picture`, on white where it is transparent."""
    return open_picture(name, source).image


def listed(name: str, given: Any, *, axes: int = 3) -> list[Any]:
    """One or several pictures as a list.

    Several are a list, a tuple, a generator, or an array with more than `axes` axes.

    Raises:
        ValueError: `given` is neither a picture nor a list.
    """
    if isinstance(given, str | os.PathLike | PillowImage.Image | Picture):
        return [given]
    if hasattr(given, "__array__") or hasattr(given, "__array_interface__"):
        array = as_array(name, given)
        return list(array) if array.ndim > axes else [given]
    if isinstance(given, bytes | Mapping) or not isinstance(given, Iterable):
        as_array(name, given)
    return list(given)


def numbered(name: str, given: Sequence[Any]) -> list[tuple[str, Any]]:
    """Pictures with their names for messages: "style 1", "style 2"; only one is "style"."""
    if len(given) == 1:
        return [(name, given[0])]
    return [(f"{name} {number}", each) for number, each in enumerate(given, 1)]


def called(name: str, source: Any) -> str:
    """The name of a source for messages: its path, or `name` if it has none."""
    return str(source) if isinstance(source, str | os.PathLike) else name


def check_aspect(name: str, shape: tuple[int, ...], picture: tuple[int, ...]) -> None:
    """ValueError unless two (height, width) have the same aspect, up to rounding to pixels."""
    (height, width), (other_height, other_width) = shape, picture
    rounding = max(height + width, other_height + other_width)
    if abs(height * other_width - width * other_height) > rounding:
        raise ValueError(
            f"{name} is {height} x {width} pixels, its picture {other_height} x {other_width}; "
            "any size of the same aspect is accepted"
        )


def name_of(source: Any) -> str:
    """The name of a file; "" for anything but a path."""
    return os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
