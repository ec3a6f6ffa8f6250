"""One level of a batch: pictures resized to it, targets, and the first states."""

import dataclasses
import functools
import math
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jnst.images.resizing import resize_image
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.preparation import restore_network
from jnst.objective.extra_terms import functions_of
from jnst.objective.margin import add_margin
from jnst.objective.problem import Problem
from jnst.objective.style_targets import Description, Style, as_styles, describe_style
from jnst.objective.targets import Maps, Targets, describe_content, join_targets
from jnst.objective.total import total_loss
from jnst.optimizers.loop import stack
from jnst.optimizers.named import DEFAULT_RATES, Transformation
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.optimizers.state import State, init
from jnst.runs.jobs import Job
from jnst.runs.levels import level_optimizer, style_shape
from jnst.settings.choices import Pixels
from jnst.settings.config import Config
from jnst.settings.layout import Layout
from jnst.settings.tiles import Tiles

Image = Float[np.ndarray, "h w 3"]
Tree = TypeVar("Tree")

FEW_PIXELS = 2**18
"""Pixels of a picture, up to which its targets are made by direct convolutions: compiling
Winograd's for one pass would take longer than they save."""


# Compiled apart, so that what several jobs share is computed once.
@partial(jax.jit, static_argnums=2)
def _describe_content(network: FeatureNetwork, content: Array, layout: Layout) -> Maps:
    return _on_every_device(describe_content(network, content, layout), layout)


@partial(jax.jit, static_argnums=3)
def _describe_style(
    network: FeatureNetwork, image: Array, mask: Array | None, layout: Layout
) -> Description:
    return _on_every_device(describe_style(network, image, mask, layout), layout)


_join_targets = jax.jit(join_targets, static_argnums=4)


def _on_every_device(tree: Tree, layout: Layout) -> Tree:
    """What is made of pictures whose rows devices share, whole on each of them."""
    if layout.mesh is None:
        return tree
    every = NamedSharding(layout.mesh, PartitionSpec())
    return jax.lax.with_sharding_constraint(tree, every)


def level_problem(
    network: FeatureNetwork,
    jobs: Sequence[Job],
    shape: tuple[int, int],
    tiles: Tiles | None = None,
    mesh: Mesh | None = None,
) -> Problem:
    """The problem of a batch at one size of the results, (height, width).

    The content is taken at that size; a style at `style_scale` times its longer side, or larger if
    it would be too narrow for the layers. Of a picture that jobs share (`share_pictures`) the
    features are computed once. `tiles` are those of the settings unless they are given; the devices
    of a `mesh` share the rows of every picture.
    """
    layout = jobs[0].config.layout().replace(mesh=mesh)
    if tiles is not None:
        layout = layout.replace(tiles=tiles)
    maps: dict[int, Maps] = {}
    descriptions: dict[Hashable, Description] = {}
    passes = _Passes(network)
    targets = [_targets_of(passes, job, shape, layout, maps, descriptions) for job in jobs]
    return Problem(network, stack(targets), stack([job.weights() for job in jobs]))


@dataclasses.dataclass(frozen=True)
class _Passes:
    """A network from `prepare_network`, and the same restored for one pass, once it is needed."""

    prepared: FeatureNetwork

    @functools.cached_property
    def _restored(self) -> FeatureNetwork:
        return restore_network(self.prepared)

    def network_for(self, shape: tuple[int, ...]) -> FeatureNetwork:
        """The one that makes the targets of a picture (H, W, 3) sooner, compiling included."""
        return self._restored if math.prod(shape[:2]) <= FEW_PIXELS else self.prepared


def _targets_of(
    passes: _Passes,
    job: Job,
    shape: tuple[int, int],
    layout: Layout,
    maps: dict[int, Maps],
    descriptions: dict[Hashable, Description],
) -> Targets:
    """The targets of a job; `maps` and `descriptions` are those of the jobs before it, and grow."""
    content = resize_image(job.content, shape)
    if id(job.content) not in maps:
        network = passes.network_for(content.shape)
        maps[id(job.content)] = _describe_content(network, content, layout)
    regions = None
    if job.content_masks:
        regions = jnp.stack([resize_image(mask, shape) for mask in job.content_masks])
    styles = as_styles(_styles_of(passes.prepared, job, shape), regions)
    keys = [
        (id(image), id(mask), style.image.shape)
        for image, mask, style in zip(job.styles, job.masks_of_styles(), styles, strict=True)
    ]
    for key, style in zip(keys, styles, strict=True):
        if key not in descriptions:
            network = passes.network_for(style.image.shape)
            descriptions[key] = _describe_style(network, style.image, style.mask, layout)
    previous = None
    if job.previous is not None:
        previous = tuple(resize_image(each, shape) for each in job.previous)
    targets = _join_targets(
        passes.prepared,
        content,
        maps[id(job.content)],
        [
            descriptions[key].replace(weight=style.weight, region=style.region)
            for key, style in zip(keys, styles, strict=True)
        ],
        layout,
        regions=regions,
        previous=previous,
    )
    return targets.replace(extra=functions_of(job.extra_terms))


def _styles_of(network: FeatureNetwork, job: Job, shape: tuple[int, int]) -> list[Style]:
    """The styles of a job at the sizes at which they are looked at."""
    config, strides = job.config, strides_of(network)
    blend = config.style_blend or (1.0,) * len(job.styles)
    styles = []
    for index, (image, amount, mask) in enumerate(
        zip(job.styles, blend, job.masks_of_styles(), strict=True)
    ):
        size = style_shape(image.shape[:2], shape, config, strides)
        styles.append(
            Style(
                jnp.asarray(resize_image(image, size)),
                jnp.float32(amount),
                None if mask is None else jnp.asarray(resize_image(mask, size)),
                index if job.content_masks else 0,
            )
        )
    return styles


def begin_states(
    jobs: Sequence[Job],
    images: Sequence[Image],
    shape: tuple[int, int],
    optimizer: Transformation,
    sharing: Sharing = ONE_DEVICE,
) -> State:
    """The states before the first step of a level, from images of any size.

    The devices of `sharing` have them.
    """
    given = [_numbers(job.config) for job in jobs]
    return _begin(
        optimizer,
        np.stack([resize_image(image, shape) for image in images]),
        {name: np.array([each[name] for each in given], np.float32) for name in given[0]},
        margin=jobs[0].config.margin,
        pixels=jobs[0].config.pixels,
        sharing=sharing,
    )


def _numbers(config: Config) -> dict[str, Any]:
    """What `init` is given, the same names for all jobs of a program."""
    name = config.optimizer if isinstance(config.optimizer, str) else ""
    rate = config.learning_rate
    numbers: dict[str, Any] = {}
    if config.averaging:
        numbers["averaging"] = config.averaging
    if name in DEFAULT_RATES:
        numbers["learning_rate_decay"] = config.learning_rate_decay
        rate = DEFAULT_RATES[name] if rate is None else rate
    if rate is not None and not callable(rate):
        numbers["learning_rate"] = rate
    return numbers


@partial(jax.jit, static_argnums=0, static_argnames=("margin", "pixels", "sharing"))
def _begin(
    optimizer: Transformation,
    images: Float[Array, "n h w 3"],
    numbers: dict[str, Float[Array, " n"]],
    *,
    margin: int,
    pixels: Pixels,
    sharing: Sharing,
) -> State:
    """In one program, so that the memory of L-BFGS is not held a second time."""

    def begin(image: Array, numbers: dict[str, Array]) -> State:
        return init(optimizer, add_margin(image, margin), pixels=pixels, **numbers)

    return sharing.shared(jax.vmap(begin)(images, numbers))


def check_job(network: FeatureNetwork, job: Job) -> None:
    """Go through the objective of the smallest and the largest level without computing it.

    `network` is from `prepare_network`, or has only its shapes: what is traced here is then not
    traced again by the run.

    Raises:
        ValueError: a loss cannot be had at that size, or with these masks.
    """

    def loss(network: FeatureNetwork, shape: tuple[int, int]) -> jax.Array:
        problem = level_problem(network, [job], shape)
        one = problem.targets, problem.weights
        targets, weights = jax.tree.map(lambda leaf: leaf[0], one)
        sides = (side + 2 * job.config.margin for side in shape)
        canvas = jnp.zeros((*sides, 3), jnp.float32)
        return total_loss(network, canvas, targets, weights)[0]

    smallest, largest = job.levels[0].shape, job.levels[-1].shape
    begin = partial(begin_states, [job], [job.initial_image], smallest)
    jax.eval_shape(partial(begin, level_optimizer(job.config, 0)))  # that it takes these settings
    for shape in dict.fromkeys((smallest, largest)):
        jax.eval_shape(partial(loss, shape=shape), network)
