"""Many steps in one program: `run` for an image, `run_batch` for a batch of them."""

import functools
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from jnst.common.errors import DivergedError
from jnst.common.heap import return_freed_memory
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.vgg import prepare_network
from jnst.objective.targets import Targets
from jnst.optimizers.steps import Info, State, Step, make_step
from jnst.settings.choices import Pixels
from jnst.settings.terms import Terms

SECONDS = 2.0
"""Between two yields, where steps are shorter: only then can a run be interrupted."""

LARGE = 3 * 2**17
"""Values of an image, or of a batch's, of which one step is taken first, to see how long it is."""

Tree = TypeVar("Tree")


def run(
    optimizer: optax.GradientTransformation,
    state: State,
    network: FeatureNetwork,
    targets: Targets,
    weights: Terms,
    *,
    steps: int,
    pixels: Pixels = "free",
    chunk: int = 5,
) -> Iterator[tuple[State, Info]]:
    """Take `steps` steps, at most `chunk` to a dispatch, and yield the state and Info of each.

    A dispatch takes about two seconds where that is less than `chunk` steps; how steps are cut
    changes no value. The fields of Info get a leading axis, one entry a step. The state is donated:
    use the one yielded last, before asking for the next. Only `optimizer`, `pixels`, `chunk` and
    shapes are static: pass the same optimizer object again, with what varies in
    `optax.inject_hyperparams`.

    Raises:
        ValueError: a network from `prepare_network` for fewer layers or another precision.
        DivergedError: the optimisation cannot go on, because the next image is not finite or
            because no loss has been finite yet.
    """
    chunks = _chunks(False, optimizer, state, network, targets, weights, steps, pixels, chunk)
    for done, reached, info in chunks:
        last = done + len(info.loss) == steps
        if not np.isfinite(reached.best_loss) if last else reached.diverged:
            step = done + int(np.argmin(np.append(info.finite, False)))
            raise DivergedError(step, np.array(reached.best_image))
        yield reached, info


def run_batch(
    optimizer: optax.GradientTransformation,
    state: State,
    network: FeatureNetwork,
    targets: Targets,
    weights: Terms,
    *,
    steps: int,
    pixels: Pixels = "free",
    chunk: int = 5,
) -> Iterator[tuple[State, Info]]:
    """As `run`, for many images in one program: `jax.vmap` of the step.

    `state`, `targets` and `weights` have a leading axis, one entry an item (`stack`); the fields of
    Info come as (steps, items). Every item keeps its own safeguard and best image. One that has
    `State.diverged` keeps its best image from then on, and the others go on.
    """
    chunks = _chunks(True, optimizer, state, network, targets, weights, steps, pixels, chunk)
    for _, reached, info in chunks:
        yield reached, info


def _chunks(
    batched: bool,
    optimizer: optax.GradientTransformation,
    state: State,
    network: FeatureNetwork,
    targets: Targets,
    weights: Terms,
    steps: int,
    pixels: Pixels,
    chunk: int,
) -> Iterator[tuple[int, State, Info]]:
    """The steps before each chunk, the state after it, and its Info."""
    if steps <= 0:
        return
    network = _ready(network, targets)
    program = optimizer, pixels, chunk, batched
    # The first call would compile by itself, and run among what that leaves.
    _run_chunk.lower(*program, state, network, targets, weights, chunk).compile()
    return_freed_memory()
    done, count = 0, chunk if state.variable.size < LARGE else 1
    while done < steps:
        count = min(count, steps - done)
        begun = time.monotonic()
        state, info = _run_chunk(*program, state, network, targets, weights, count)
        info = jax.tree.map(lambda values: np.asarray(values)[:count], info)  # noqa: B023
        seconds = (time.monotonic() - begun) / count
        yield done, state, info
        done, count = done + count, max(1, min(chunk, int(SECONDS / seconds)))


def _ready(network: FeatureNetwork, targets: Targets) -> FeatureNetwork:
    layout = targets.layout
    return prepare_network(network, layout.layers(), precision=layout.precision)


def stack(items: Sequence[Tree]) -> Tree:
    """Pytrees of one structure and one shape, such as `Targets`, with a leading axis for all."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)


def _batched(step: Step) -> Step:
    def one_item(
        state: State, network: FeatureNetwork, targets: Targets, weights: Terms
    ) -> tuple[State, Info]:
        state, targets, weights = jax.tree.map(
            lambda leaf: jnp.squeeze(leaf, 0), (state, targets, weights)
        )
        return jax.tree.map(
            lambda leaf: jnp.expand_dims(leaf, 0), step(state, network, targets, weights)
        )

    def items(
        state: State, network: FeatureNetwork, targets: Targets, weights: Terms
    ) -> tuple[State, Info]:
        # Batched, `cond` takes both ways and selects, which one item need not pay for.
        several = len(state.best_loss) > 1
        call = jax.vmap(step, in_axes=(0, None, 0, 0)) if several else one_item
        return call(state, network, targets, weights)

    return items


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3), donate_argnums=4)
def _run_chunk(
    optimizer: optax.GradientTransformation,
    pixels: Pixels,
    chunk: int,
    batched: bool,
    state: State,
    network: FeatureNetwork,
    targets: Targets,
    weights: Terms,
    count: Int[Array, ""],
) -> tuple[State, Info]:
    step = make_step(optimizer, pixels=pixels)
    if batched:
        step = _batched(step)
    step = jax.jit(step, inline=True)  # traced once for both uses
    _, info = jax.eval_shape(step, state, network, targets, weights)

    def body(state: State, index: Int[Array, ""]) -> tuple[State, Info]:
        # The last chunk of a run is shorter: skipping steps at run time spares a compilation.
        return jax.lax.cond(
            index < count,
            lambda state: step(state, network, targets, weights),
            lambda state: (state, optax.tree.zeros_like(info)),
            state,
        )

    return jax.lax.scan(body, state, jnp.arange(chunk))


def memory_of_batch(
    optimizer: optax.GradientTransformation,
    state: State,
    network: FeatureNetwork,
    targets: Targets,
    weights: Terms,
    *,
    pixels: Pixels = "free",
    chunk: int = 5,
) -> int:
    """Bytes that the program of `run_batch` needs, as its compiler counts them.

    Takes what `run_batch` takes, or only its shapes (`jax.eval_shape`).
    """
    ready = jax.eval_shape(lambda network: _ready(network, targets), network)
    arguments = state, ready, targets, weights, chunk
    program = _run_chunk.lower(optimizer, pixels, chunk, True, *arguments).compile()
    counted = program.memory_analysis()
    assert counted is not None  # no backend of ours
    return (
        counted.temp_size_in_bytes
        + counted.argument_size_in_bytes
        + counted.output_size_in_bytes
        - counted.alias_size_in_bytes
    )
