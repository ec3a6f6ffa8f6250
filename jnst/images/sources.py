"""The one gate for what a user hands in as a picture or a mask: paths, PIL images, arrays."""

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
    """An array of any library: what `numpy.asarray` takes."""

    def __array__(self) -> np.ndarray: ...


Source: TypeAlias = str | os.PathLike[str] | PillowImage.Image | SupportsArray | Picture
"""A picture: a path, a PIL image, an array of uint8, uint16 or floats in [0, 1], or one opened."""


def open_picture(name: str, source: Source, *, size: int | None = None) -> Picture:
    """The picture that a path, a PIL image or an array is; messages call it `name`.

    A PIL image is read as its file would be. An array is (H, W, 3), (H, W, 4) with its alpha last,
    or grey, (H, W) or (H, W, 1); uint8 and uint16 of their whole range, or floats in [0, 1], of
    which 1e-4 more or less is cut off. `size` is for files: see `load_picture`.

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
    """The image of `open_picture`, over white where it is transparent."""
    return open_picture(name, source).image


def listed(name: str, given: Any, *, axes: int = 3) -> list[Any]:
    """What is given as one or several pictures, as a list.

    An array with more than `axes` axes is several, as is a list, a tuple or a generator.

    Raises:
        ValueError: it is None, or no kind of list.
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
    """Several pictures with what messages call them: "style 2"; one alone is "style"."""
    if len(given) == 1:
        return [(name, given[0])]
    return [(f"{name} {number}", each) for number, each in enumerate(given, 1)]


def called(name: str, source: Any) -> str:
    """What messages call a source: its path, or `name` if it has none."""
    return str(source) if isinstance(source, str | os.PathLike) else name


def check_aspect(name: str, shape: tuple[int, ...], picture: tuple[int, ...]) -> None:
    """ValueError unless both are one shape at two sizes, each rounded to whole pixels."""
    (height, width), (other_height, other_width) = shape, picture
    rounding = max(height + width, other_height + other_width)
    if abs(height * other_width - width * other_height) > rounding:
        raise ValueError(
            f"{name} is {height} x {width} pixels, its picture {other_height} x {other_width}; "
            "any size of the same aspect is accepted"
        )


def name_of(source: Any) -> str:
    """The name of the file, "" for what is none."""
    return os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
