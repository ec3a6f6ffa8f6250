"""Coarse to fine: large strokes are settled on small images, details on large ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jaxtyping import Float

from jnst.common.brief import brief
from jnst.images.resizing import fit_size, resize_image
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.layers import STRIDES, smallest_side
from jnst.networks.vgg import arrays_only, prepare_network
from jnst.objective.extra_terms import ExtraTerms, functions_of
from jnst.objective.margin import add_margin, remove_margin
from jnst.objective.targets import Style, Targets, make_targets
from jnst.objective.total import hold_fixed, total_loss
from jnst.optimizers.loop import run_batch, stack
from jnst.optimizers.steps import (
    Info,
    State,
    Transformation,
    carry_schedules,
    init,
    named_optimizer,
    resize_moments,
)
from jnst.settings.config import Config
from jnst.settings.terms import Terms

Image = Float[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

_STRIP = 16
"""How long a picture may be for its width, before its styles are looked at smaller than it."""

SMALLEST_LEVEL = (32, 64)
"""Pixels on the shorter side, which every layer can take, and on the longer, under which a coarser
level shows nothing of a picture."""


# One program needs 170 MB less at 512 px than one operation after the other.
_make_targets = jax.jit(make_targets, static_argnums=3)


@jax.jit
def _cut_out(canvases: jax.Array, targets: Targets) -> jax.Array:
    def cut_out(canvas: jax.Array, targets: Targets) -> jax.Array:
        return remove_margin(hold_fixed(canvas, targets), targets.layout.margin)

    return jax.vmap(cut_out)(canvases, targets)


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

    def __repr__(self) -> str:
        return brief(self)


class Level(NamedTuple):
    """One size of the run, (height, width), and the steps taken at it."""

    shape: tuple[int, int]
    steps: int


class Item(NamedTuple):
    """One of the runs that are made together: what it is for, its first image, its settings.

    `extra_terms` are a program's own: see `make_targets`.
    """

    scene: Scene
    start: Image
    config: Config
    extra_terms: ExtraTerms = FrozenDict()

    def weights(self) -> Terms:
        """The weight of each term."""
        return self.config.weights(self.extra_terms)

    def __repr__(self) -> str:
        return brief(self)


class Position(NamedTuple):
    """Where the runs of some items are: their images so far, and what it takes to go on.

    `level` is the index of the level and `steps` those taken there. `diverged` has for each item
    the step at which it could not go on.
    """

    level: int
    steps: int
    images: tuple[Image, ...]
    state: State
    diverged: tuple[int | None, ...]

    def __repr__(self) -> str:
        return brief(self)


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
    shares = 0.75 ** np.arange(len(shapes))
    ends = np.rint(steps * np.cumsum(shares) / shares.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    if steps and not counts.all():
        return _share_steps(shapes[1:], steps)
    return tuple(Level(shape, int(count)) for shape, count in zip(shapes, counts, strict=True))


def run_levels(
    network: FeatureNetwork,
    items: Sequence[Item],
    *,
    levels: Sequence[Level],
    resume: Position | None = None,
) -> Iterator[tuple[Position, Info]]:
    """Optimise the starts of some items towards their scenes, at one level after the other.

    All are run in one program: their settings may differ in what is traced. The content is taken at
    the shape of each level; a style at `style_scale` times its longer side, or larger if it would
    be too narrow for the layers; the starts, and what one level ends with, are resized to the next.
    Adam's memory is resized too, other optimizers start anew; schedules go on counting. An item
    that diverges keeps its best image and leaves the others alone. The fields of Info are (steps,
    items). The state is donated, as in `run`. `resume` is a Position of before, from which it goes
    on to the same images.
    """
    config = items[0].config
    network = prepare_network(network, config.layers(), precision=config.precision)
    weights = stack([item.weights() for item in items])
    first = resume.level if resume else 0
    images = resume.images if resume else tuple(item.start for item in items)
    diverged = resume.diverged if resume else (None,) * len(items)
    state: State | None = None
    for index, level in enumerate(levels[first:], first):
        optimizer = level_optimizer(config, index)
        targets = stack([level_targets(network, item, level.shape) for item in items])
        taken = 0
        if resume and index == first:
            begin, taken = resume.state, resume.steps
        else:
            begin = stack(
                [
                    begin_level(*each, level.shape, optimizer)
                    for each in zip(items, images, strict=True)
                ]
            )
            if state is not None and config.optimizer == "adam":
                begin = jax.vmap(partial(resize_moments, margin=config.margin))(state, begin)
            elif state is not None and config.optimizer != "lbfgs":
                begin = carry_schedules(state, begin)
        state = begin
        for state, info in run_batch(
            optimizer,
            begin,
            network,
            targets,
            weights,
            steps=level.steps - taken,
            pixels=config.pixels,
        ):
            taken += len(info.loss)
            images = tuple(
                image if gone is None else kept
                for image, kept, gone in zip(
                    np.array(_cut_out(state.result, targets)), images, diverged, strict=True
                )
            )
            end = sum(level.steps for level in levels[:index]) + taken
            diverged = _diverged(diverged, state, info, end, last=taken == level.steps)
            yield Position(index, taken, images, state, diverged), info
            if None not in diverged:
                return


def level_optimizer(config: Config, index: int) -> Transformation:
    """The optimizer of a level, the program's own if it has one.

    Behind a coarser level L-BFGS is not preconditioned.

    There large shapes are settled, and the others wait. Loss at the end of three levels of 64, 128,
    256 px, with all preconditioned, with the first, and with none: Scream 0.709, 0.731, 0.784;
    Starry Night 0.556, 0.548, 0.547; Lion x Great Wave 0.476, 0.421, 0.430.
    """
    if not isinstance(config.optimizer, str):
        return cast(Transformation, config.optimizer)
    schedule = config.learning_rate if callable(config.learning_rate) else None
    return named_optimizer(config.optimizer, precondition=index == 0, learning_rate=schedule)


def _diverged(
    earlier: Sequence[int | None], state: State, info: Info, end: int, *, last: bool
) -> tuple[int | None, ...]:
    """The step at which each item could not go on; after a level's last step its best is left."""
    lost = ~np.isfinite(state.best_loss) if last else np.asarray(state.diverged)
    begin = end - len(info.loss)
    steps = [begin + int(np.argmin(np.append(finite, False))) for finite in info.finite.T]
    return tuple(
        step if gone and before is None else before
        for before, gone, step in zip(earlier, lost, steps, strict=True)
    )


def begin_level(
    item: Item, image: Image, shape: tuple[int, int], optimizer: Transformation
) -> State:
    """The state before the first step of a level, from an image of any size."""
    config = item.config
    return init(
        optimizer,
        add_margin(jnp.asarray(resize_image(image, shape)), config.margin),
        learning_rate=None if callable(config.learning_rate) else config.learning_rate,
        learning_rate_decay=config.learning_rate_decay,
        pixels=config.pixels,
        averaging=config.averaging,
    )


def check_levels(network: FeatureNetwork, item: Item, levels: Sequence[Level]) -> None:
    """Go through the objective of the smallest and the largest level without computing it.

    Raises:
        ValueError: a loss cannot be had at that size, or with these masks.
    """
    config = item.config

    def loss(network: FeatureNetwork, shape: tuple[int, int]) -> jax.Array:
        targets = level_targets(network, item, shape)
        sides = (side + 2 * config.margin for side in shape)
        canvas = jnp.zeros((*sides, 3), jnp.float32)
        return total_loss(network, canvas, targets, item.weights())[0]

    # Prepared as `run_levels` does it, so that targets are traced once for this and for the run.
    prepare = partial(prepare_network, layers=config.layers(), precision=config.precision)
    prepared = jax.eval_shape(prepare, arrays_only(network))
    smallest = levels[0].shape
    jax.eval_shape(
        partial(begin_level, item, item.start, smallest, level_optimizer(config, 0))
    )  # that the optimizer takes these settings
    for shape in {smallest, levels[-1].shape}:
        jax.eval_shape(partial(loss, shape=shape), prepared)


def level_targets(network: FeatureNetwork, item: Item, shape: tuple[int, int]) -> Targets:
    """The targets of an item at one size of the result."""
    scene, config, strides = item.scene, item.config, strides_of(network)
    regions = None
    if scene.content_masks:
        regions = jnp.stack([resize_image(mask, shape) for mask in scene.content_masks])
    blend = config.style_blend or (1.0,) * len(scene.styles)
    masks = scene.style_masks or (None,) * len(scene.styles)
    styles = []
    for index, (image, amount, mask) in enumerate(zip(scene.styles, blend, masks, strict=True)):
        size = style_shape(image.shape[:2], shape, config, strides)
        styles.append(
            Style(
                jnp.asarray(resize_image(image, size)),
                jnp.float32(amount),
                None if mask is None else jnp.asarray(resize_image(mask, size)),
                index if scene.content_masks else 0,
            )
        )
    content = resize_image(scene.content, shape)
    previous = None
    if scene.previous is not None:
        previous = tuple(resize_image(each, shape) for each in scene.previous)
    targets = _make_targets(
        arrays_only(network),
        content,
        tuple(styles),
        config.layout(),
        regions=regions,
        previous=previous,
    )
    return targets.replace(extra=functions_of(item.extra_terms))


def style_shape(
    sides: tuple[int, ...],
    shape: tuple[int, int],
    config: Config,
    strides: Mapping[str, int] = STRIDES,
) -> tuple[int, int]:
    """The (height, width) at which a style of such sides is looked at, for a result of `shape`.

    Its longer side is that of the result times `style_scale`. Of a strip, more than 16 times as
    long as it is wide, it is that of a strip of the same area which is not: a style would else be
    many times the work of the result, and of its strokes the strip would show no more than a hair.
    """
    longest = min(max(shape), math.sqrt(_STRIP * math.prod(shape)))
    narrowest = math.ceil(smallest_side(config.style_layers, strides) * max(sides) / min(sides))
    return fit_size(sides, max(round(config.style_scale * longest), narrowest))
