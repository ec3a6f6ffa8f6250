"""The whole way from pictures to a picture: `stylize`, `texture`, `reconstruct`."""

import collections
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from jax.sharding import Mesh

from jnst.common.errors import DivergedError
from jnst.common.progress import PictureWay, followed
from jnst.common.validation import several, whole_number
from jnst.images.sources import Source, listed, open_picture
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.loading import given_network
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.runs.devices import shared_rows
from jnst.runs.engine import prepared_for, prepared_shapes, results_of, run_jobs
from jnst.runs.jobs import Job
from jnst.runs.keywords import OneRunOptions, PictureOptions, with_options
from jnst.runs.levels import plan_levels
from jnst.runs.opening import open_job
from jnst.runs.problems import check_job
from jnst.runs.results import Result
from jnst.runs.resuming import CheckpointFile
from jnst.settings.config import Config, setting_names
from jnst.settings.fields import LARGEST_SIDE
from jnst.settings.presets import config_or_default

GRAY = 0.5


class StartOptions(OneRunOptions, total=False):
    """What a run without a style takes."""

    start: Source | None
    checkpoint: str | os.PathLike[str] | CheckpointFile | None
    mesh: Mesh | None


class TextureOptions(StartOptions, total=False):
    """What a run without a content takes."""

    style_masks: Source | Sequence[Source | None]


@with_options
def stylize(
    content: Source,
    style: Source | Sequence[Source],
    *,
    callback: Callable[[Result], Any] | None = None,
    progress: bool = False,
    **options: Unpack[PictureOptions],
) -> Result:
    """The content picture in the manner of the style pictures (Gatys, Ecker, Bethge 2016).

    A picture is a path, a PIL image, or an array of any library: (H, W, 3), (H, W, 4) with its
    alpha, or gray, (H, W); uint8, uint16, or floats in [0, 1], sRGB. Where a style is transparent
    it does not count. Several styles are mixed as `style_blend` says, or, with `content_masks`,
    style k is for the region of mask k; what is in no mask keeps its content. One mask for several
    styles is always a label map: a region for each of its colors, the darkest for the first style
    (in a mask of black and white, the black). `style_masks` has a mask or None for each style, the
    part of it that counts. A mask is a gray picture of the aspect of its own, white for 1; one
    color drawn on transparency is 1 where it is drawn. `start` is the first image in the place of
    the one that `init` names. `previous` is the last frame of a video, moved to this one, and a
    mask of where that is reliable: there `temporal_weight` holds the image to it, or, if that is 0,
    it stays.

    `network` is what `load_network` takes, or a network (`FeatureNetwork`). `extra_terms` has terms
    of one's own by name, each a weight and a function of the image (H, W, 3) and its features by
    layer, which gives a scalar. The other options are settings, over those of `config`; without it,
    those of the network's preset, which is "fast" for the embedded one. `checkpoint` is a file
    that holds the state of the run while it is unfinished: the same call with the same file goes on
    from there, after an interrupt or a kill, to the same picture. `callback` is called with the
    Result so far, first with the start, then every few steps; True ends the run there. `progress`
    shows how far it is. `mesh` is a `jax.sharding.Mesh` of one axis: its devices share the rows of
    the picture, each in its own memory, which changes nothing but rounding. Of several processes
    (`jax.distributed`) each gets the whole result, and there is no checkpoint.

    Raises:
        ValueError: a setting, picture or network that is not accepted (`ImageError` and
            `NetworkError` are ValueErrors).
        DivergedError: the loss stopped being finite; its `result` has the best image before.

    >>> content, style = np.random.default_rng(0).random((2, 24, 32, 3))
    >>> settings = {"content_layers": "relu2_1", "style_layers": "relu1_1", "levels": 1}
    >>> result = jnst.stylize(content, style, size=32, steps=2, **settings)
    >>> result.image.shape, result.steps, bool(result.history.loss[1] < result.history.loss[0])
    ((24, 32, 3), 2, True)
    """
    return _last(stylize_steps(content, style, **options), callback, progress)


@with_options
def texture(
    style: Source | Sequence[Source],
    *,
    shape: tuple[int, int] | None = None,
    callback: Callable[[Result], Any] | None = None,
    progress: bool = False,
    **options: Unpack[TextureOptions],
) -> Result:
    """A new texture like the style pictures, without a content (Gatys, Ecker, Bethge 2015).

    Options are those of `stylize`, and `shape`, the (height, width) of the result, in the place of
    `size`; without it, it is that of the first style at the longer side `size`. Unless `init` says
    otherwise, it starts from noise in the style's colors.

    Raises:
        ValueError, DivergedError: as `stylize`.

    >>> style = np.random.default_rng(0).random((16, 16, 3))
    >>> result = jnst.texture(style, shape=(16, 24), steps=2, levels=1, style_layers="relu1_1")
    >>> result.image.shape, result.config.init
    ((16, 24, 3), 'colors')
    """
    return _last(texture_steps(style, shape=shape, **options), callback, progress)


@with_options
def reconstruct(
    content: Source,
    *,
    callback: Callable[[Result], Any] | None = None,
    progress: bool = False,
    **options: Unpack[StartOptions],
) -> Result:
    """What a layer keeps of a content picture: the image with its features.

    Unless `init` says otherwise, it starts from noise.

    The content half of figure 1 in Gatys, Ecker, Bethge 2016 (Mahendran and Vedaldi 2015).
    Options are those of `stylize`; `content_layers` says which layer. Settings go over those of the
    preset "fast", whatever the network.

    Raises:
        ValueError, DivergedError: as `stylize`.
    """
    return _last(reconstruct_steps(content, **options), callback, progress)


@with_options
def texture_steps(
    style: Source | Sequence[Source],
    *,
    shape: tuple[int, int] | None = None,
    **options: Unpack[TextureOptions],
) -> Iterator[Result]:
    """As `texture`, but yields the Result so far: see `stylize_steps`."""
    config, others = _split(options, init="colors", content_layers=())
    _no_color("texture", config)
    if config.init == "content" or config.init_content or config.laplacian_weight:
        raise ValueError(
            "texture has no content; init 'content', init_content and laplacian_weight need one"
        )
    styles = listed("style", style)
    if not styles:
        raise ValueError("there is no style; a texture is like one")
    if shape is None:
        height, width = open_picture("style", styles[0], size=config.size).image.shape[:2]
    else:
        height, width = _sides(shape)
        config = config.replace(size=max(height, width))
    canvas = np.broadcast_to(np.float32(GRAY), (height, width, 3))
    return stylize_steps(canvas, styles, config=config, **others)


@with_options
def reconstruct_steps(content: Source, **options: Unpack[StartOptions]) -> Iterator[Result]:
    """As `reconstruct`, but yields the Result so far: see `stylize_steps`."""
    config, others = _split(options, default=Config(), init="noise", style_layers=())
    _no_color("reconstruct", config)
    return stylize_steps(content, (), config=config, **others)


@with_options
def stylize_steps(
    content: Source, style: Source | Sequence[Source], **options: Unpack[PictureOptions]
) -> Iterator[Result]:
    """As `stylize`, but yields the Result so far: the start first, then one every few steps.

    Everything is checked before this returns. The images are of full size, however far the run is.

    Raises:
        ValueError: as `stylize`. DivergedError is raised by the iterator.
    """
    config, given = _split(options)
    network, checkpoint = given.pop("network", "embedded"), given.pop("checkpoint", None)
    if isinstance(checkpoint, str | os.PathLike):
        checkpoint = CheckpointFile(checkpoint)
    sharing = shared_rows(given.pop("mesh", None), config, network, checkpoint)
    job = open_job(content, style, config, network=network, devices=sharing.devices, **given)
    loaded, identity = given_network(network)
    check_job(prepared_shapes(loaded, config), job)
    # What was loaded here is held by nothing else, and need not be in memory twice.
    return run_job(prepared_for(loaded, config, sharing), job, identity, checkpoint, sharing)


def run_job(
    network: FeatureNetwork,
    job: Job,
    identity: dict[str, str],
    checkpoint: CheckpointFile | None = None,
    sharing: Sharing = ONE_DEVICE,
) -> Iterator[Result]:
    """The Result so far of one picture, from before the first step on: a batch of one.

    `network` is from `prepared_for`. With a `checkpoint` it goes on from there, if it is of this
    run, and that is the first result.

    Raises:
        DivergedError: its `result` has the best image before.
    """
    before = checkpoint.begin(job, identity) if checkpoint else None
    yield from results_of([job], before, identity)
    for snapshot in run_jobs(network, [job], resume=before, sharing=sharing):
        [result] = results_of([job], snapshot, identity)
        if result.diverged is not None:
            raise DivergedError(result.diverged, result.image, result)
        if checkpoint:
            checkpoint.offer(snapshot)
        try:
            yield result
        except (KeyboardInterrupt, GeneratorExit):
            if checkpoint:
                checkpoint.save(snapshot)
            raise
    if checkpoint and not checkpoint.keep:
        checkpoint.remove()


def _split(
    options: Mapping[str, Any],
    *,
    default: Config | None = None,
    init: str | None = None,
    **always: Any,
) -> tuple[Config, dict[str, Any]]:
    """The settings among the options, with what a function needs, and the other options.

    `default` is in the place of the network's preset.
    """
    names = setting_names()
    settings = {name: value for name, value in options.items() if name in names}
    others = {name: value for name, value in options.items() if name not in names}
    given, network = others.pop("config", None), options.get("network", "embedded")
    config = config_or_default(default if given is None else given, network)
    config = config.replace(**settings | always)
    return config.replace(init=config.init or init), others


def _sides(shape: Any) -> tuple[int, int]:
    sides = several("shape", shape)
    if len(sides) != 2:
        raise ValueError(f"shape has {len(sides)} sides; a height and a width are accepted")
    height, width = (
        whole_number("a side of shape", side, minimum=1, maximum=LARGEST_SIDE) for side in sides
    )
    return height, width


def _no_color(name: str, config: Config) -> None:
    if config.color != "style":
        raise ValueError(f"{name} has no two pictures whose colors could differ; color is 'style'")


def _last(
    results: Iterator[Result], callback: Callable[[Result], Any] | None, progress: bool
) -> Result:
    first = next(results)
    way = PictureWay(plan_levels(first.image.shape[:2], first.config))
    name = first.content or ", ".join(filter(None, first.styles)) or "picture"
    held = [first]
    del first  # a large picture need not be kept until the end
    every = _begun(held, results)
    return last_of(followed(every, way, name=name, callback=callback, progress=progress))


def _begun(held: list[Result], results: Iterator[Result]) -> Iterator[Result]:
    """Results of which the first was taken, and is in `held`, which lets go of it."""
    yield held.pop()
    yield from results


def last_of(results: Iterator[Result]) -> Result:
    """The last of some results, of which no other is kept."""
    [result] = collections.deque(results, maxlen=1)
    return result
