"""Masks and label maps, as files and as arrays: where the styles of a run count."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from jnst.images.loading import Picture
from jnst.images.pixels import as_array, to_uint8
from jnst.images.sources import Source, called, check_aspect, listed, numbered, open_picture
from jnst.images.transparency import drawn_colors

Mask = Float[np.ndarray, "h w"]

MOST_LABELS = 64

_GRAY = 0.1
"""How far apart the channels of a gray picture may be: profiles and JPEG are not exact."""

_ONE_COLOR = 0.02


def content_masks_of(given: Any, picture: tuple[int, ...], styles: int) -> tuple[Mask, ...]:
    """For each style the part of a content of this (height, width) that it is for.

    One alone, for several styles, is a label map, the darkest color for the first style: see
    `load_labels`.

    Raises:
        ValueError: as `load_mask`; a mask is 0 everywhere, or there are not as many as styles.
    """
    sources = listed("content_masks", given, axes=2)
    if not sources:
        return ()
    if len(sources) > 1 or styles <= 1:
        _check_count("content_masks", sources, styles)
        return tuple(_part(*named, picture) for named in numbered("content_mask", sources))
    [source] = sources
    masks = load_labels(source, name="content_masks")
    if len(masks) != styles:
        raise ValueError(
            f"{called('content_masks', source)} is a label map of {len(masks)} colors; "
            f"{styles} styles need as many, or a mask each"
        )
    check_aspect(called("content_masks", source), masks[0].shape, picture)
    return masks


def style_masks_of(given: Any, pictures: Sequence[tuple[int, ...]]) -> tuple[Mask | None, ...]:
    """For each style, of these (height, width), the part of it that counts; None: all of it.

    Raises:
        ValueError: as `load_mask`; a mask is 0 everywhere, or there are not as many as styles.
    """
    sources = listed("style_masks", given, axes=2)
    if not sources:
        return ()
    _check_count("style_masks", sources, len(pictures))
    return tuple(
        None if source is None else _part(name, source, picture)
        for (name, source), picture in zip(numbered("style_mask", sources), pictures, strict=True)
    )


def load_mask(
    source: Source, *, name: str = "mask", picture: tuple[int, ...] | None = None
) -> Mask:
    """A mask (H, W) in [0, 1] from what `open_picture` takes; messages call it `name`.

    An array may also be bool, or hold the whole numbers 0 and 1. Of an opaque picture the mask is
    its gray: 0 for black, 1 for white. With transparency, where one color is drawn on nothing, it
    is the alpha, whichever the color; with more grays than one, gray times alpha. `picture` is
    the (height, width) of what the mask is for: it may be of another size, not of another aspect.

    Raises:
        ValueError: as `open_picture`; or it is not gray, or of another aspect.
    """
    mask = _values(called(name, source), open_picture(name, _as_picture(name, source)))
    if picture is not None:
        check_aspect(called(name, source), mask.shape, picture)
    return mask


def load_labels(source: Source, *, name: str = "label map") -> tuple[Mask, ...]:
    """A label map as masks, one for each of its colors, from dark to light.

    What is transparent has no label.

    Raises:
        ValueError: as `open_picture`; or it has more than 64 colors.
    """
    picture = open_picture(name, _as_picture(name, source))
    labeled = np.ones(picture.image.shape[:2], bool)
    if picture.alpha is not None:
        labeled = picture.alpha >= 0.5
    colors = to_uint8(drawn_colors(picture)[labeled]).astype(int)
    codes, labels = np.unique(colors @ (256**2, 256, 1), return_inverse=True)
    if len(codes) > MOST_LABELS:
        raise ValueError(
            f"{called(name, source)} has {len(codes)} colors; a label map has at most "
            f"{MOST_LABELS}, and is no JPEG"
        )
    numbers = np.full(labeled.shape, -1)
    numbers[labeled] = labels
    brightness = codes // 256**2 + codes // 256 % 256 + codes % 256
    order = np.argsort(brightness, kind="stable")
    return tuple((numbers == number).astype(np.float32) for number in order)


def _part(name: str, source: Source, picture: tuple[int, ...]) -> Mask:
    mask = load_mask(source, name=name, picture=picture)
    if not mask.any():
        raise ValueError(f"{called(name, source)} is 0 everywhere, which leaves nothing to count")
    return mask


def _as_picture(name: str, source: Source) -> Source:
    """Truth values, and whole numbers that are nothing else, as floats."""
    if isinstance(source, str | os.PathLike | PillowImage.Image):
        return source
    array = as_array(name, source)
    if array.dtype.kind in "biu" and np.isin(array, (0, 1)).all():
        return array.astype(np.float32)
    return array


def _values(name: str, picture: Picture) -> Mask:
    drawn, alpha = drawn_colors(picture), picture.alpha
    opacity = np.ones(drawn.shape[:2], np.float32) if alpha is None else alpha
    solid = drawn[opacity >= opacity.max() / 2]
    if alpha is not None and np.ptp(solid, axis=0).max() < _ONE_COLOR:
        return alpha
    if np.ptp(solid, axis=-1).max() > _GRAY:
        raise ValueError(f"{name} has colors; a mask is gray, from black for 0 to white for 1")
    return drawn.mean(-1) * opacity


def _check_count(name: str, given: Sequence[Any], styles: int) -> None:
    if len(given) != styles:
        raise ValueError(f"{name} has {len(given)} entries; {styles} styles need as many")
