"""The levels of a run, coarse to fine: their sizes, their steps and their optimizers."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from jnst.images.resizing import fit_size
from jnst.networks.layers import VGG19, smallest_side
from jnst.optimizers.named import FULL_MEMORY, LBFGSMemory, Transformation, named_optimizer
from jnst.settings.config import Config

_STRIP = 16
"""How long a picture may be for its width, before its styles are looked at smaller than it."""

SMALLEST_LEVEL = (32, 64)
"""Pixels on the shorter side, which every layer can take, and on the longer, under which a coarser
level shows nothing of a picture."""

SHARE_OF_STEPS = 0.75
"""Steps of a level, of those at the level before it."""


class Level(NamedTuple):
    """One size of the run, (height, width), and the steps taken at it."""

    shape: tuple[int, int]
    steps: int


def plan_levels(shape: tuple[int, int], config: Config) -> tuple[Level, ...]:
    """Sizes from coarse to fine with `shape` at the end, and their steps.

    The longer sides are those of `config.level_sizes`, or each `config.level_factor` times the
    last. Coarser levels with sides under 32 and 64 pixels are left out. Without `level_steps` a
    level takes 3/4 of the steps of the one before it, and all have some, `config.steps` together.

    >>> coarse, fine = jnst.plan_levels((384, 512), jnst.Config(levels=2, steps=70))
    >>> coarse, fine
    (Level(shape=(192, 256), steps=40), Level(shape=(384, 512), steps=30))
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
    shares = SHARE_OF_STEPS ** np.arange(len(shapes))
    ends = np.rint(steps * np.cumsum(shares) / shares.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    if steps and not counts.all():
        return _share_steps(shapes[1:], steps)
    return tuple(Level(shape, int(count)) for shape, count in zip(shapes, counts, strict=True))


def level_optimizer(
    config: Config, index: int, memory: LBFGSMemory = FULL_MEMORY
) -> Transformation:
    """The optimizer of a level, the program's own if it has one; `memory` is for L-BFGS.

    L-BFGS is preconditioned at the first level alone: behind it the large shapes are settled.
    """
    if not isinstance(config.optimizer, str):
        return cast(Transformation, config.optimizer)
    schedule = config.learning_rate if callable(config.learning_rate) else None
    return named_optimizer(
        config.optimizer, precondition=index == 0, learning_rate=schedule, memory=memory
    )


def style_shape(
    sides: tuple[int, ...],
    shape: tuple[int, int],
    config: Config,
    strides: Mapping[str, int] = VGG19.strides,
) -> tuple[int, int]:
    """The (height, width) at which a style of such sides is looked at, for a result of `shape`.

    Its longer side is that of the result times `style_scale`. Of a strip, more than 16 times as
    long as it is wide, it is that of a strip of the same area which is not: a style would else be
    many times the work of the result, and of its strokes the strip would show no more than a hair.
    """
    longest = min(max(shape), math.sqrt(_STRIP * math.prod(shape)))
    narrowest = math.ceil(smallest_side(config.style_layers, strides) * max(sides) / min(sides))
    return fit_size(sides, max(round(config.style_scale * longest), narrowest))
