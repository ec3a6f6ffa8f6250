"""The whole way from pictures to a picture: `stylize`, `texture`, `reconstruct`."""

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jnst import color
from jnst.config import Config
from jnst.images import Picture, fit_size, load_picture, resize_image
from jnst.networks import load_network
from jnst.optimize import DivergedError, Info
from jnst.pyramid import Scene, check_levels, plan_levels, run_levels
from jnst.record import History, Result
from jnst.start import first_image
from jnst.vgg import Network, smallest_side

Image = Float[np.ndarray, "h w 3"]
Source = str | os.PathLike[str] | Image
Mask = Float[np.ndarray, "h w"]
GREY = 0.5


def stylize(content: Source, style: Source | Sequence[Source], **options: Any) -> Result:
    """The content picture in the manner of the style pictures (Gatys, Ecker, Bethge 2016).

    Options are those of `stylize_steps`.

    Raises:
        ValueError: a setting, picture or network that is not accepted (`ImageError` and
            `NetworkError` are ValueErrors).
        DivergedError: the loss stopped being finite; its `image` is the best one before.
    """
    return _last(stylize_steps(content, style, **options))


def texture(style: Source | Sequence[Source], **options: Any) -> Result:
    """A new texture like the style pictures, without a content (Gatys, Ecker, Bethge 2015).

    Options are those of `stylize_steps`, and `shape`, the (height, width) of the result; without it
    it is that of the first style at the longer side `size`. It starts from noise in the style's
    colours if `init` does not say otherwise.

    Raises:
        ValueError, DivergedError: as `stylize`.
    """
    return _last(texture_steps(style, **options))


def reconstruct(content: Source, **options: Any) -> Result:
    """What a layer keeps of a content picture: the image with its features, from noise.

    The content half of figure 1 in Gatys, Ecker, Bethge 2016 (Mahendran and Vedaldi 2015).
    Options are those of `stylize_steps`; `content_layers` says which.

    Raises:
        ValueError, DivergedError: as `stylize`.
    """
    return _last(reconstruct_steps(content, **options))


def texture_steps(
    style: Source | Sequence[Source], *, shape: tuple[int, int] | None = None, **options: Any
) -> Iterator[Result]:
    """As `texture`, but yields the Result so far: see `stylize_steps`."""
    _no_color("texture", options)
    if "config" not in options:
        options = {"init": "colours"} | options
    options = options | {"content_layers": ()}
    if shape is None:
        first, *_ = _listed(style)
        shape = _open("style", first).image.shape[:2]
    else:
        options = {"size": max(shape)} | options
    canvas = np.full((*shape, 3), GREY, np.float32)
    return stylize_steps(canvas, style, **options)


def reconstruct_steps(content: Source, **options: Any) -> Iterator[Result]:
    """As `reconstruct`, but yields the Result so far: see `stylize_steps`."""
    _no_color("reconstruct", options)
    if "config" not in options:
        options = {"init": "noise"} | options
    options = options | {"style_layers": ()}
    return stylize_steps(content, (), **options)


def stylize_steps(
    content: Source,
    style: Source | Sequence[Source],
    *,
    content_masks: Sequence[Mask] = (),
    style_masks: Sequence[Mask | None] = (),
    start: Image | None = None,
    previous: tuple[Image, Mask] | None = None,
    network: Network | str | os.PathLike[str] = "embedded",
    config: Config | None = None,
    **settings: Any,
) -> Iterator[Result]:
    """As `stylize`, but yields the Result so far: the start first, then one every few steps.

    `content` and each `style` are paths, or arrays (H, W, 3) sRGB in [0, 1]. Several styles are
    mixed as `style_blend` says, or, with `content_masks` (H, W) in [0, 1], style k is for the
    region of mask k; what is in no mask keeps its content. `style_masks` has a mask or None for
    each style, the part of it that counts. `start` (H, W, 3) is the first image in the place of the
    one that `init` names. `previous` is the last frame of a video, moved to this one, and a mask of
    where that is reliable: `temporal_weight` holds the image to it. `network` is what
    `load_network` takes, or a `Network`. `settings` are fields of `Config`, over those of `config`.

    Everything is checked before this returns. The images are of full size, however far the run is.

    Raises:
        ValueError: as `stylize`. DivergedError is raised by the iterator.
    """
    config = (config or Config()).replace(**settings)
    sources = _listed(style)
    layers = config.content_layers + config.style_layers
    original = _open("content", content, layers)
    styles = [_open("style", source, config.style_layers).image for source in sources]
    _check_counts(config, len(styles), content_masks, style_masks)
    shape = fit_size(original.image.shape[:2], config.size)
    _check_size(f"size {config.size} makes a picture that is too small", shape, layers)
    masks = tuple(np.asarray(mask, np.float32) for mask in content_masks)
    parts = tuple(None if mask is None else np.asarray(mask, np.float32) for mask in style_masks)
    photograph = resize_image(original.image, shape)
    photograph, styles = _colored_before(config, photograph, styles)
    scene = Scene(photograph, tuple(styles), masks, parts, previous)
    if start is None:
        start = first_image(config, photograph, styles)
    start = resize_image(start, shape)
    loaded = network if isinstance(network, Network) else load_network(network)
    identity = {
        "load": "" if isinstance(network, Network) else str(network),
        **{key: getattr(loaded, key) for key in ("name", "source", "licence", "digest")},
    }
    levels = plan_levels(shape, config)
    check_levels(loaded, scene, config, levels)
    progress = run_levels(loaded, scene, start, config, levels=levels)
    alpha = None if original.alpha is None else resize_image(original.alpha, shape)
    colors = resize_image(original.image, shape)

    def finished(image: Image) -> Image:
        return _colored_after(config, resize_image(image, shape), colors)

    def results() -> Iterator[Result]:
        sizes, chunks = [0], [_no_steps(config)]
        history = History.join(sizes, chunks)
        names = [_name(source) for source in sources]
        result = Result(finished(start), alpha, history, config, identity, _name(content), names)
        yield result
        try:
            for level, image, info in progress:
                sizes.append(max(level.shape))
                chunks.append(info)
                history = History.join(sizes, chunks)
                yield dataclasses.replace(result, image=finished(image), history=history)
        except DivergedError as error:
            raise DivergedError(error.step, finished(error.image)) from None

    return results()


def _listed(style: Source | Sequence[Source]) -> list[Source]:
    if isinstance(style, str | os.PathLike | np.ndarray | jax.Array):
        return [style]
    return list(style)


def _no_color(name: str, options: dict[str, Any]) -> None:
    config = options.get("config") or Config()
    if options.get("color", config.color) != "style":
        raise ValueError(f"{name} has no two pictures whose colours could differ; color is 'style'")


def _last(results: Iterator[Result]) -> Result:
    [result] = collections.deque(results, maxlen=1)
    return result


def _open(name: str, source: Source, layers: Sequence[str] = ()) -> Picture:
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
    config: Config, content: Image, styles: Sequence[Image]
) -> tuple[Image, list[Image]]:
    """The pictures that the run sees, for results in the content's colours."""
    match config.color:
        case "luminance":
            light = color.luminance(content)
            matched = [color.match_luminance(color.luminance(style), light) for style in styles]
            grey = [np.repeat(values[..., None], 3, -1) for values in (light, *matched)]
            content, *styles = [values.clip(0, 1).astype(np.float32) for values in grey]
        case "cholesky" | "pca" | "symmetric" | "histogram" as method:
            matched = [color.match_colors(style, content, method=method) for style in styles]
            styles = [style.clip(0, 1) for style in matched]
    return content, list(styles)


def _colored_after(config: Config, image: Image, content: Image) -> Image:
    if config.color in ("luminance", "recombine"):
        return color.with_luminance(content, color.luminance(image))
    return image


def _no_steps(config: Config) -> Info:
    nothing = jnp.zeros(0)
    terms = jax.tree.map(lambda _: nothing, config.weights())
    return Info(nothing, terms, nothing, nothing.astype(bool), nothing.astype(int))


def _name(source: Source) -> str:
    return os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
