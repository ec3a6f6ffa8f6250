"""Pictures opened, checked and resized to the final size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jnst.images.loading import Picture
from jnst.images.masks import Mask, content_masks_of, load_mask, style_masks_of
from jnst.images.resizing import fit_size, resize_image
from jnst.images.sources import (
    Source,
    called,
    check_aspect,
    listed,
    name_of,
    numbered,
    open_image,
    open_picture,
)
from jnst.images.transparency import Seen, drawn_colors, seen_part
from jnst.networks.feature_network import strides_of
from jnst.networks.layers import smallest_side
from jnst.networks.vgg import has_usual_widths
from jnst.objective.extra_terms import ExtraTerms, check_extra_terms
from jnst.objective.style_losses import named_style_loss
from jnst.runs.colors import colored_before
from jnst.runs.footprint import check_memory
from jnst.runs.initial_image import first_image
from jnst.runs.jobs import Job
from jnst.runs.levels import style_shape
from jnst.settings.config import Config

Image = Float[np.ndarray, "h w 3"]


def open_job(
    content: Source,
    style: Source | Sequence[Source],
    config: Config,
    *,
    content_masks: Any = (),
    style_masks: Any = (),
    start: Source | None = None,
    previous: tuple[Source, Source] | None = None,
    extra_terms: ExtraTerms | None = None,
    network: Any = "embedded",
    devices: int = 1,
) -> Job:
    """Open, check and resize the pictures of a run: see `jnst.stylize_steps`.

    Of the network only its layers are looked at. `devices` share the memory that it takes.

    Raises:
        ValueError: a picture or a mask that is not accepted, alone or with the others.
    """
    config = config.replace(init=config.init or "content")
    own, strides = check_extra_terms(extra_terms), strides_of(network)
    config.check_network(strides, own_terms=bool(own))
    sources = listed("style", style)
    original = _open_content(content, config, strides)
    shape = fit_size(original.image.shape[:2], config.size)
    styles, opacities, seen = _open_styles(sources, config, strides)
    _check_styles(config, len(styles))
    if has_usual_widths(network):
        sides = [image.shape[:2] for image in styles]
        check_memory(original.image.shape[:2], sides, config, own_terms=bool(own), devices=devices)
    masks = content_masks_of(content_masks, original.image.shape[:2], len(styles))
    parts = style_masks_of(style_masks, [image.shape[:2] for image in styles])
    if masks and config.style_blend is not None:
        raise ValueError("style_blend and content_masks: with masks a style is alone in its region")
    photograph, came = resize_image(original.image, shape), styles
    matched, styles = colored_before(config, photograph, styles, seen, masks)
    begun = (
        first_image(config, matched, styles, seen)
        if start is None
        else open_picture("start", start, size=config.size).image
    )
    # A batch may hold hundreds of styles: none is kept larger than it is looked at.
    shapes = [style_shape(image.shape[:2], shape, config, strides) for image in styles]
    styles = list(map(resize_image, styles, shapes))
    recolored = config.color not in ("style", "recombine")
    shown = list(map(resize_image, came, shapes)) if recolored else styles
    return Job(
        content=matched,
        styles=tuple(styles),
        initial_image=resize_image(begun, shape),
        config=config,
        content_masks=tuple(masks),
        style_masks=_visible_parts(config, parts, opacities),
        previous=_previous(previous, photograph.shape[:2]),
        extra_terms=own,
        original=photograph,
        alpha=None if original.alpha is None else resize_image(original.alpha, shape),
        content_name=name_of(content),
        style_names=tuple(map(name_of, sources)),
        pictures=(*([photograph] if config.content_layers else []), *shown),
    )


def _open_content(content: Source, config: Config, strides: Mapping[str, int]) -> Picture:
    """The content; ValueError if it is too small for the layers, as it came or at its size."""
    picture = open_picture("content", content, size=config.size)
    smallest = smallest_side(config.layers(), strides)
    check_size(called("content", content), picture.image.shape[:2], smallest)
    shape = fit_size(picture.image.shape[:2], config.size)
    check_size(f"size {config.size} makes a picture that is too small", shape, smallest)
    return picture


def opened_size(config: Config) -> int:
    """The longer side, in pixels, at which a style is opened if it has more."""
    return round(config.size * max(config.style_scale, 1))


def _open_styles(
    sources: Sequence[Source], config: Config, strides: Mapping[str, int]
) -> tuple[list[Image], list[Mask | None], list[Seen | None]]:
    """The styles' colors, their alphas, and where they are seen."""
    needed = opened_size(config)
    images, opacities, seen = [], [], []
    for name, source in numbered("style", sources):
        picture = open_picture(name, source, size=needed)
        smallest = smallest_side(config.style_layers, strides)
        check_size(called(name, source), picture.image.shape[:2], smallest)
        images.append(drawn_colors(picture))
        opacities.append(picture.alpha)
        try:
            seen.append(seen_part(picture))
        except ValueError as error:
            raise ValueError(f"{called(name, source)}: {error}") from None
    return images, opacities, seen


def _visible_parts(
    config: Config, parts: Sequence[Mask | None], opacities: Sequence[Mask | None]
) -> tuple[Mask | None, ...]:
    """The masks of the styles, where they are seen.

    A loss that takes no masks has the colors that surround it in the place of what is not.
    """
    if not all(named_style_loss(loss).takes_masks for loss in config.style_loss):
        return tuple(parts)
    both = []
    for part, opacity in zip(parts or [None] * len(opacities), opacities, strict=True):
        if part is not None and opacity is not None:
            both.append(resize_image(part, opacity.shape) * opacity)
        else:
            both.append(opacity if part is None else part)
    return tuple(both) if any(each is not None for each in both) else ()


def check_size(name: str, shape: tuple[int, ...], smallest: int) -> None:
    """ValueError unless a picture is large enough for the layers."""
    if min(shape) < smallest:
        raise ValueError(
            f"{name}: {shape[0]} x {shape[1]} pixels; "
            f"the layers need at least {smallest} x {smallest}"
        )


def _check_styles(config: Config, styles: int) -> None:
    if config.style_layers and not styles:
        raise ValueError("there is no style; without one, style_layers must be empty")
    blend = config.style_blend
    if blend and len(blend) != styles:
        raise ValueError(
            f"style_blend has {len(blend)} entries; expected {styles}, one for each style"
        )


def _previous(
    given: tuple[Source, Source] | None, shape: tuple[int, int]
) -> tuple[Image, Mask] | None:
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError("previous is a pair: the last frame, and the mask of where it is reliable")
    frame, mask = given
    image = open_image("previous", frame)
    check_aspect("previous", image.shape[:2], shape)
    return image, load_mask(mask, name="the mask of previous", picture=shape)
