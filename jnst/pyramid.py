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
from jnst.objective import add_margin, make_targets, remove_margin
from jnst.optimize import DivergedError, Info, init, named_optimizer, run
from jnst.vgg import Network, smallest_side

Image = Float[np.ndarray, "h w 3"]

SMALLEST_LEVEL = (32, 64)
"""Pixels on the shorter side, which every layer can take, and on the longer, under which a coarser
level shows nothing of a picture."""


# One program needs 170 MB less at 512 px than one operation after the other.
_make_targets = jax.jit(make_targets, static_argnums=3)


class Level(NamedTuple):
    """One size of the run, (height, width), and the steps taken at it."""

    shape: tuple[int, int]
    steps: int


class Progress(NamedTuple):
    """After a few steps: the best image of the level so far, and the Info of those steps."""

    level: Level
    image: Image
    info: Info


def plan_levels(shape: tuple[int, int], *, steps: int, levels: int) -> tuple[Level, ...]:
    """Sizes from coarse to fine, each twice the last and `shape` at the end, with their steps.

    A level takes 3/4 of the steps of the one before it, which costs a quarter as much a step; the
    steps sum to `steps`, and every level has some. Coarser levels with sides under 32 and 64 pixels
    are left out.
    """
    sides = np.sort(shape)
    halvings = [k for k in range(levels) if k == 0 or (sides >> k >= SMALLEST_LEVEL).all()]
    shares = 0.75 ** np.arange(len(halvings))
    ends = np.rint(steps * np.cumsum(shares) / shares.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    if steps and not counts.all():
        return plan_levels(shape, steps=steps, levels=len(counts) - 1)
    return tuple(
        Level(fit_size(shape, int(sides[1]) >> k), int(count))
        for k, count in zip(reversed(halvings), counts, strict=True)
    )


def run_levels(
    network: Network,
    content: Image,
    style: Image,
    start: Image,
    config: Config,
    *,
    levels: Sequence[Level],
) -> Iterator[Progress]:
    """Optimise `start` towards `content` and `style` at one level after the other.

    `content` has the shape of the result; `style` is taken at the longer side of each level, or
    larger if it would be too narrow for the layers; `start` and what one level ends with are
    resized to the next.

    Raises:
        DivergedError: with the best image so far, at its level's size.
    """
    optimizer = named_optimizer(config.optimizer)
    weights = config.weights()
    margin = config.margin
    smallest = smallest_side(config.style_layers)
    narrowest = math.ceil(smallest * max(style.shape[:2]) / min(style.shape[:2]))
    done = 0
    for level in levels:
        style_shape = fit_size(style.shape[:2], max(*level.shape, narrowest))
        targets = _make_targets(
            network.arrays_only(),
            resize_image(content, level.shape),
            resize_image(style, style_shape),
            config.layout(),
        )
        canvas = add_margin(jnp.asarray(resize_image(start, level.shape)), margin)
        begin = init(optimizer, canvas, learning_rate=config.learning_rate)
        try:
            for state, info in run(optimizer, begin, network, targets, weights, steps=level.steps):
                start = np.array(remove_margin(state.best_image, margin))
                yield Progress(level, start, info)
        except DivergedError as error:
            image = np.array(remove_margin(jnp.asarray(error.image), margin))
            raise DivergedError(done + error.step, image) from None
        done += level.steps
