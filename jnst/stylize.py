"""The whole way from two pictures to a third: `stylize`, `stylize_steps`."""

import collections
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jnst.config import Config
from jnst.images import Picture, fit_size, load_image, load_picture, resize_image
from jnst.networks import load_network
from jnst.optimize import DivergedError, Info
from jnst.pyramid import plan_levels, run_levels
from jnst.record import History, Result
from jnst.vgg import Network, smallest_side

Image = Float[np.ndarray, "h w 3"]
Source = str | os.PathLike[str] | Image


def stylize(
    content: Source,
    style: Source,
    *,
    network: Network | str | os.PathLike[str] = "embedded",
    config: Config | None = None,
    **settings: Any,
) -> Result:
    """The content picture in the manner of the style picture (Gatys, Ecker, Bethge 2016).

    `content` and `style` are paths, or arrays (H, W, 3) sRGB in [0, 1]; `network` is "embedded", a
    canonical file, or a `Network`. `settings` are fields of `Config`, over those of `config`.

    Raises:
        ValueError: a setting, picture or network that is not accepted (`ImageError` and
            `NetworkError` are ValueErrors).
        DivergedError: the loss stopped being finite; its `image` is the best one before.
    """
    results = stylize_steps(content, style, network=network, config=config, **settings)
    [result] = collections.deque(results, maxlen=1)
    return result


def stylize_steps(
    content: Source,
    style: Source,
    *,
    network: Network | str | os.PathLike[str] = "embedded",
    config: Config | None = None,
    **settings: Any,
) -> Iterator[Result]:
    """As `stylize`, but yields the Result so far: the start first, then one every few steps.

    Everything is checked before this returns. The images are of full size, however far the run is.
    """
    config = (config or Config()).replace(**settings)
    loaded = network if isinstance(network, Network) else load_network(network)
    identity = {
        "load": "" if isinstance(network, Network) else str(network),
        **{key: getattr(loaded, key) for key in ("name", "source", "licence", "digest")},
    }
    smallest = smallest_side(config.content_layers + config.style_layers)
    original = _open("content", content, smallest)
    painting = _open("style", style, smallest)
    shape = fit_size(original.image.shape[:2], config.size)
    if min(shape) < smallest:
        raise ValueError(
            f"size {config.size} makes a picture of {shape[0]} x {shape[1]} pixels; "
            f"the layers need at least {smallest} x {smallest}"
        )
    photograph = resize_image(original.image, shape)
    start = _start(config, photograph, painting.image)
    levels = plan_levels(shape, steps=config.steps, levels=config.levels)
    progress = run_levels(loaded, photograph, painting.image, start, config, levels=levels)
    alpha = None if original.alpha is None else resize_image(original.alpha, shape)

    def results() -> Iterator[Result]:
        sizes, chunks = [0], [_no_steps(config)]
        history = History.join(sizes, chunks)
        result = Result(start, alpha, history, config, identity, _name(content), _name(style))
        yield result
        try:
            for level, image, info in progress:
                sizes.append(max(level.shape))
                chunks.append(info)
                history = History.join(sizes, chunks)
                yield dataclasses.replace(result, image=resize_image(image, shape), history=history)
        except DivergedError as error:
            raise DivergedError(error.step, resize_image(error.image, shape)) from None

    return results()


def _open(name: str, source: Source, smallest: int) -> Picture:
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
    height, width = picture.image.shape[:2]
    if min(height, width) < smallest:
        raise ValueError(
            f"{name}: {height} x {width} pixels; the layers need at least {smallest} x {smallest}"
        )
    return picture


def _start(config: Config, content: Image, style: Image) -> Image:
    match config.init:
        case "content":
            return content
        case "style":
            return resize_image(style, content.shape[:2])
        case "noise":
            random = np.random.default_rng(config.seed)
            return random.random(content.shape, np.float32)
    return resize_image(load_image(config.init), content.shape[:2])


def _no_steps(config: Config) -> Info:
    nothing = jnp.zeros(0)
    terms = jax.tree.map(lambda _: nothing, config.weights())
    return Info(nothing, terms, nothing, nothing.astype(bool), nothing.astype(int))


def _name(source: Source) -> str:
    return os.path.basename(source) if isinstance(source, str | os.PathLike) else ""
