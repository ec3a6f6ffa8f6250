"""Masks and label maps: the regions that the styles of a run apply to."""

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
"""Largest difference between the channels of a gray picture: profiles and JPEG are not exact."""

_ONE_COLOR = 0.02


def content_masks_of(given: Any, picture: tuple[int, ...], styles: int) -> tuple[Mask, ...]:
    """One mask for each style: the region of the content that the style is for.

    `picture` is the content's (height, width). One mask for several styles is a label map, the
    darkest color for the first style: see `load_labels`.

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
            f"expected {styles}, one for each style, or one mask for each style"
        )
    check_aspect(called("content_masks", source), masks[0].shape, picture)
    return masks


def style_masks_of(given: Any, pictures: Sequence[tuple[int, ...]]) -> tuple[Mask | None, ...]:
    """One mask for each style: the part of the style that counts; None: all of it.

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
    """A mask (H, W) in [0, 1] from anything that `open_picture` takes; messages call it `name`.

    An array may also be bool, or have the whole numbers 0 and 1. For an opaque picture the mask is
    its gray value: 0 for black, 1 for white. For one color drawn on transparency it is the alpha;
    for several grays on transparency it is gray times alpha. `picture` is the (height, width) that
    the mask is for; the mask may have another size, but not another aspect.

    Raises:
        ValueError: as `open_picture`; or it is not gray, or of another aspect.
    """
    mask = _values(called(name, source), open_picture(name, _as_picture(name, source)))
    if picture is not None:
        check_aspect(called(name, source), mask.shape, picture)
    return mask


def load_labels(source: Source, *, name: str = "label map") -> tuple[Mask, ...]:
    """The masks of a label map, one for each of its colors, from dark to light.

    Transparent pixels have no label.

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
        raise ValueError(f"{called(name, source)} is 0 everywhere, so nothing counts")
    return mask


def _as_picture(name: str, source: Source) -> Source:
    """Arrays of bool, or of the whole numbers 0 and 1, as floats; others unchanged."""
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
        raise ValueError(f"{name} has {len(given)} entries; expected {styles}, one for each style")
