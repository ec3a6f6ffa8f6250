"""The whole way from pictures to a picture: `stylize`, `texture`, `reconstruct`."""

import collections
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jnst.config import Config
from jnst.networks import load_network
from jnst.optimize import DivergedError
from jnst.pyramid import check_levels, run_levels
from jnst.record import History, Result, network_identity
from jnst.task import Source, listed, open_picture, prepare
from jnst.vgg import Network, prepare_network

Image = Float[np.ndarray, "h w 3"]
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
        first, *_ = listed(style)
        shape = open_picture("style", first).image.shape[:2]
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
    task = prepare(
        content,
        style,
        config,
        content_masks=content_masks,
        style_masks=style_masks,
        start=start,
        previous=previous,
    )
    loaded = network if isinstance(network, Network) else load_network(network)
    check_levels(loaded, task.item, task.levels)
    identity = network_identity(loaded, "" if isinstance(network, Network) else str(network))
    # One that was loaded here is held by nothing else, and need not be in memory twice.
    prepared = prepare_network(loaded, config.layers(), precision=config.precision)

    def results() -> Iterator[Result]:
        history = History.empty(config)
        yield task.result(task.item.start, history, identity)
        for position, info in run_levels(prepared, [task.item], levels=task.levels):
            [image], [diverged] = position.images, position.diverged
            if diverged is not None:
                raise DivergedError(diverged, task.image(image))
            history = history.extend(max(task.levels[position.level].shape), info, 0)
            yield task.result(image, history, identity)

    return results()


def _no_color(name: str, options: dict[str, Any]) -> None:
    config = options.get("config") or Config()
    if options.get("color", config.color) != "style":
        raise ValueError(f"{name} has no two pictures whose colours could differ; color is 'style'")


def _last(results: Iterator[Result]) -> Result:
    [result] = collections.deque(results, maxlen=1)
    return result
