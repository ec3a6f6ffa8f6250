"""Coarse to fine: large strokes are settled on small images, details on large ones."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jnst.config import Config
from jnst.images import fit_size, resize_image
from jnst.objective import (
    Style,
    Targets,
    add_margin,
    keep_content,
    make_targets,
    remove_margin,
    total_loss,
)
from jnst.optimize import (
    DivergedError,
    Info,
    State,
    init,
    named_optimizer,
    resize_moments,
    run,
)
from jnst.vgg import Network, smallest_side

Image = Float[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

SMALLEST_LEVEL = (32, 64)
"""Pixels on the shorter side, which every layer can take, and on the longer, under which a coarser
level shows nothing of a picture."""


# One program needs 170 MB less at 512 px than one operation after the other.
_make_targets = jax.jit(make_targets, static_argnums=3)
_keep_content = jax.jit(keep_content)


class Scene(NamedTuple):
    """The pictures of a run, sRGB in [0, 1], each of its own size, and where they count.

    `content_masks` holds one mask (H, W) in [0, 1] for each region, style k being for region k;
    without any there is one region. `style_masks` says for each style which part of it counts.
    `previous` is the last frame of a video, moved to this one, and where that is reliable.
    """

    content: Image
    styles: tuple[Image, ...]
    content_masks: tuple[Mask, ...] = ()
    style_masks: tuple[Mask | None, ...] = ()
    previous: tuple[Image, Mask] | None = None


class Level(NamedTuple):
    """One size of the run, (height, width), and the steps taken at it."""

    shape: tuple[int, int]
    steps: int


class Progress(NamedTuple):
    """After a few steps: the image of the level so far, and the Info of those steps."""

    level: Level
    image: Image
    info: Info


def plan_levels(shape: tuple[int, int], config: Config) -> tuple[Level, ...]:
    """Sizes from coarse to fine with `shape` at the end, and their steps.

    The longer sides are those of `config.level_sizes`, or each `config.level_factor` times the
    last. Coarser levels with sides under 32 and 64 pixels are left out. Without `level_steps` a
    level takes 3/4 of the steps of the one before it, and all have some, `config.steps` together.
    """
    longest = max(shape)
    if config.level_sizes is not None:
        sizes = [*config.level_sizes, longest]
    else:
        powers = range(config.levels - 1, -1, -1)
        sizes = [int(longest / config.level_factor**power) for power in powers]
    counts = list(config.level_steps or [0] * len(sizes))
    coarse = [
        (fit_size(shape, size), count)
        for size, count in zip(sizes[:-1], counts[:-1], strict=True)
        if size < longest and (np.sort(shape) * size // longest >= SMALLEST_LEVEL).all()
    ]
    planned = [*coarse, (shape, counts[-1])]
    if config.level_steps is None:
        return _share_steps([size for size, _ in planned], config.steps)
    return tuple(Level(*level) for level in planned)


def _share_steps(shapes: Sequence[tuple[int, int]], steps: int) -> tuple[Level, ...]:
    shares = 0.75 ** np.arange(len(shapes))
    ends = np.rint(steps * np.cumsum(shares) / shares.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    if steps and not counts.all():
        return _share_steps(shapes[1:], steps)
    return tuple(Level(shape, int(count)) for shape, count in zip(shapes, counts, strict=True))


def run_levels(
    network: Network,
    scene: Scene,
    start: Image,
    config: Config,
    *,
    levels: Sequence[Level],
) -> Iterator[Progress]:
    """Optimise `start` towards a scene at one level after the other.

    The content is taken at the shape of each level; a style at `style_scale` times its longer side,
    or larger if it would be too narrow for the layers; `start` and what one level ends with are
    resized to the next. Adam's memory is resized too, L-BFGS starts anew.

    Raises:
        DivergedError: with the best image so far, at its level's size.
    """
    optimizer = named_optimizer(config.optimizer)
    weights = config.weights()
    margin = config.margin
    state: State | None = None
    done = 0
    for level in levels:
        targets = level_targets(network, scene, level.shape, config)
        canvas = add_margin(jnp.asarray(resize_image(start, level.shape)), margin)
        begin = init(
            optimizer,
            canvas,
            learning_rate=config.learning_rate,
            learning_rate_decay=config.learning_rate_decay,
            pixels=config.pixels,
            averaging=config.averaging,
        )
        if state is not None and config.optimizer == "adam":
            begin = resize_moments(state, begin)
        try:
            for state, info in run(
                optimizer,
                begin,
                network,
                targets,
                weights,
                steps=level.steps,
                pixels=config.pixels,
            ):
                start = _picture(state.result, targets)
                yield Progress(level, start, info)
        except DivergedError as error:
            raise DivergedError(
                done + error.step, _picture(jnp.asarray(error.image), targets)
            ) from None
        done += level.steps


def check_levels(network: Network, scene: Scene, config: Config, levels: Sequence[Level]) -> None:
    """Go through the objective of the smallest and the largest level without computing it.

    Raises:
        ValueError: a loss cannot be had at that size, or with these masks.
    """

    def loss(targets: Targets, canvas: jax.Array) -> jax.Array:
        return total_loss(network.arrays_only(), canvas, targets, config.weights())[0]

    for shape in {levels[0].shape, levels[-1].shape}:
        targets = jax.eval_shape(lambda shape=shape: level_targets(network, scene, shape, config))
        sides = (side + 2 * config.margin for side in shape)
        jax.eval_shape(loss, targets, jax.ShapeDtypeStruct((*sides, 3), jnp.float32))


def level_targets(
    network: Network, scene: Scene, shape: tuple[int, int], config: Config
) -> Targets:
    """The targets of a scene at one size of the result."""
    regions = None
    if scene.content_masks:
        regions = jnp.stack([resize_image(mask, shape) for mask in scene.content_masks])
    blend = config.style_blend or (1.0,) * len(scene.styles)
    masks = scene.style_masks or (None,) * len(scene.styles)
    styles = []
    for index, (image, amount, mask) in enumerate(zip(scene.styles, blend, masks, strict=True)):
        style_shape = _style_shape(image, shape, config)
        styles.append(
            Style(
                jnp.asarray(resize_image(image, style_shape)),
                jnp.float32(amount),
                None if mask is None else jnp.asarray(resize_image(mask, style_shape)),
                index if scene.content_masks else 0,
            )
        )
    content = resize_image(scene.content, shape)
    previous = None
    if scene.previous is not None:
        previous = tuple(resize_image(each, shape) for each in scene.previous)
    return _make_targets(
        network.arrays_only(),
        content,
        tuple(styles),
        config.layout(),
        regions=regions,
        previous=previous,
    )


def _style_shape(style: Image, shape: tuple[int, int], config: Config) -> tuple[int, int]:
    sides = style.shape[:2]
    narrowest = math.ceil(smallest_side(config.style_layers) * max(sides) / min(sides))
    return fit_size(sides, max(round(config.style_scale * max(shape)), narrowest))


def _picture(canvas: jax.Array, targets: Targets) -> Image:
    return np.array(remove_margin(_keep_content(canvas, targets), targets.layout.margin))
