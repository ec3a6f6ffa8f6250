"""What a run is given: pictures opened, checked and sized, with all that its result needs."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jnst import color
from jnst.config import Config
from jnst.images import Picture, fit_size, load_picture, resize_image
from jnst.pyramid import Item, Level, Scene, plan_levels, style_shape
from jnst.record import History, Result
from jnst.start import first_image
from jnst.vgg import smallest_side

Image = Float[np.ndarray, "h w 3"]
Source = str | os.PathLike[str] | Image
Mask = Float[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One picture to be made: the item to run, and what becomes of its image after.

    `original` is the content as it came, at the size of the result, and `alpha` its transparency;
    `content` and `styles` are the names of the pictures.
    """

    item: Item
    levels: tuple[Level, ...]
    original: Image
    alpha: Float[np.ndarray, "h w"] | None
    content: str
    styles: list[str]

    def image(self, image: Image) -> Image:
        """An image of any level as the result that it is so far."""
        config = self.item.config
        return _colored_after(config, resize_image(image, self.original.shape[:2]), self.original)

    def result(
        self, image: Image, history: History, network: dict[str, str], diverged: int | None = None
    ) -> Result:
        """The Result with an image of any level."""
        return Result(
            self.image(image),
            self.alpha,
            history,
            self.item.config,
            network,
            self.content,
            self.styles,
            diverged,
        )


def prepare(
    content: Source,
    style: Source | Sequence[Source],
    config: Config,
    *,
    content_masks: Sequence[Mask] = (),
    style_masks: Sequence[Mask | None] = (),
    start: Image | None = None,
    previous: tuple[Image, Mask] | None = None,
) -> Task:
    """Open, check and resize the pictures of a run: see `jnst.stylize_steps`.

    Raises:
        ValueError: a picture or a mask that is not accepted, alone or with the others.
    """
    sources = listed(style)
    layers = config.content_layers + config.style_layers
    original = open_picture("content", content, layers)
    styles = [open_picture("style", source, config.style_layers).image for source in sources]
    _check_counts(config, len(styles), content_masks, style_masks)
    shape = fit_size(original.image.shape[:2], config.size)
    _check_size(f"size {config.size} makes a picture that is too small", shape, layers)
    masks = tuple(np.asarray(mask, np.float32) for mask in content_masks)
    parts = tuple(None if mask is None else np.asarray(mask, np.float32) for mask in style_masks)
    photograph = resize_image(original.image, shape)
    matched, styles = _colored_before(config, photograph, styles, masks)
    if start is None:
        start = first_image(config, matched, styles)
    elif np.ndim(start) != 3 or np.shape(start)[2] != 3 or not np.isfinite(start).all():
        raise ValueError(
            f"start has shape {np.shape(start)}; finite values (height, width, 3) are accepted"
        )
    # A batch may hold hundreds of styles: none is kept larger than it is looked at.
    styles = [resize_image(image, style_shape(image, shape, config)) for image in styles]
    scene = Scene(matched, tuple(styles), masks, parts, previous)
    return Task(
        Item(scene, resize_image(start, shape), config),
        plan_levels(shape, config),
        photograph,
        None if original.alpha is None else resize_image(original.alpha, shape),
        _name(content),
        [_name(source) for source in sources],
    )


def listed(pictures: Any) -> list[Any]:
    """One picture, or several, as a list: an array (N, H, W, 3) is several."""
    array = isinstance(pictures, np.ndarray | jax.Array) and pictures.ndim != 4
    return [pictures] if array or isinstance(pictures, str | os.PathLike) else list(pictures)


def open_picture(name: str, source: Source, layers: Sequence[str] = ()) -> Picture:
    """The picture of a file or an array, large enough for the layers.

    Raises:
        ValueError: it is not one, or is too small.
    """
    if isinstance(source, str | os.PathLike):
        name, picture = str(source), load_picture(source)
    else:
        array = np.asarray(source)
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype.kind != "f" or not array.size:
            raise ValueError(
                f"{name} is {array.dtype} of shape {array.shape}; "
                "a path or a float array (height, width, 3) in [0, 1] is accepted"
            )
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError(f"{name} has values outside [0, 1]")
        picture = Picture(array.astype(np.float32), None)
    _check_size(name, picture.image.shape[:2], layers)
    return picture


def _check_size(name: str, shape: tuple[int, ...], layers: Sequence[str]) -> None:
    smallest = smallest_side(layers)
    if min(shape) < smallest:
        raise ValueError(
            f"{name}: {shape[0]} x {shape[1]} pixels; "
            f"the layers need at least {smallest} x {smallest}"
        )


def _check_counts(
    config: Config,
    styles: int,
    content_masks: Sequence[Mask],
    style_masks: Sequence[Mask | None],
) -> None:
    if config.style_layers and not styles:
        raise ValueError("there is no style; without one, style_layers must be empty")
    for name, given in (("style_blend", config.style_blend), ("style_masks", style_masks)):
        if given and len(given) != styles:
            raise ValueError(f"{name} has {len(given)} entries; {styles} styles need as many")
    if content_masks and len(content_masks) < styles:
        raise ValueError(
            f"content_masks has {len(content_masks)} masks; {styles} styles need one each"
        )
    if content_masks and config.style_blend is not None:
        raise ValueError("style_blend and content_masks: with masks a style is alone in its region")
    for mask in (*content_masks, *(mask for mask in style_masks if mask is not None)):
        array = np.asarray(mask)
        inside = array.size and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1
        if array.ndim != 2 or not inside:
            raise ValueError(
                f"a mask has shape {array.shape}; (height, width) in [0, 1] is accepted"
            )
        if not array.any():
            raise ValueError("a mask is 0 everywhere, which leaves nothing to count")


def _colored_before(
    config: Config, content: Image, styles: Sequence[Image], masks: Sequence[Mask]
) -> tuple[Image, list[Image]]:
    """The pictures that the run sees, for results in the content's colours.

    A style is matched to the part of the content that it is for.
    """
    parts = [_inside(content, mask) for mask in masks] or [content] * len(styles)
    pairs = list(zip(styles, parts, strict=False))
    match config.color:
        case "luminance":
            matched = [
                color.match_luminance(color.luminance(style), color.luminance(part))
                for style, part in pairs
            ]
            grey = [
                np.repeat(values[..., None], 3, -1)
                for values in (color.luminance(content), *matched)
            ]
            content, *styles = [values.clip(0, 1).astype(np.float32) for values in grey]
        case "cholesky" | "pca" | "symmetric" | "histogram" as method:
            matched = [color.match_colors(style, part, method=method) for style, part in pairs]
            styles = [style.clip(0, 1) for style in matched]
    return content, list(styles)


def _inside(content: Image, mask: Mask) -> Float[np.ndarray, "n 1 3"]:
    share = resize_image(mask, content.shape[:2])
    return content[share >= share.max() / 2][:, None]


def _colored_after(config: Config, image: Image, content: Image) -> Image:
    if config.color in ("luminance", "recombine"):
        return color.with_luminance(content, color.luminance(image))
    return image


def _name(source: Source) -> str:
    return os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
