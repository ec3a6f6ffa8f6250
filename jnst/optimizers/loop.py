"""Many steps in one program: `run` for an image, `run_batch` for a batch of them."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.stages import Compiled
from jaxtyping import Array, Int

from jnst.common.devices import agreed, on_host
from jnst.common.errors import DivergedError
from jnst.common.heap import return_freed_memory
from jnst.networks.preparation import prepare_network
from jnst.objective.problem import Problem
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.optimizers.state import Info, State
from jnst.optimizers.steps import Step, make_step
from jnst.settings.choices import Pixels

SECONDS = 2.0
"""Between two yields, where steps are shorter: only then can a run be interrupted."""

LARGE = 3 * 2**17
"""Values of an image, or of a batch's, of which one step is taken first, to see how long it is."""

Program: TypeAlias = tuple[optax.GradientTransformation, Pixels, int, bool]
"""What is static of `_run_chunk`."""

Tree = TypeVar("Tree")


def run(
    optimizer: optax.GradientTransformation,
    state: State,
    problem: Problem,
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
        DivergedError: the optimization cannot go on, because the next image is not finite or
            because no loss has been finite yet.
    """
    chunks = _chunks(False, optimizer, state, prepared(problem), steps, pixels, chunk)
    for done, reached, info in chunks:
        last = done + len(info.loss) == steps
        if not np.isfinite(reached.best_loss) if last else reached.diverged:
            step = done + int(np.argmin(np.append(info.finite, False)))
            raise DivergedError(step, np.array(reached.best_image))
        yield reached, info


def run_batch(
    optimizer: optax.GradientTransformation,
    state: State,
    problem: Problem,
    *,
    steps: int,
    pixels: Pixels = "free",
    chunk: int = 5,
) -> Iterator[tuple[State, Info]]:
    """As `run`, for many images in one program: `jax.vmap` of the step.

    `state`, and the targets and weights of `problem`, have a leading axis, one entry an item
    (`stack`); the fields of Info come as (steps, items). Every item keeps its own safeguard and
    best image. One that has `State.diverged` keeps its best image from then on, and the others go
    on.
    """
    ready = prepared(problem)
    yield from run_prepared_batch(optimizer, state, ready, steps=steps, pixels=pixels, chunk=chunk)


def run_prepared_batch(
    optimizer: optax.GradientTransformation,
    state: State,
    problem: Problem,
    *,
    steps: int,
    pixels: Pixels = "free",
    chunk: int = 5,
    sharing: Sharing = ONE_DEVICE,
    begin: Callable[[], None] = lambda: None,
) -> Iterator[tuple[State, Info]]:
    """As `run_batch`, of a problem whose network `prepare_network` has made ready.

    State and problem are on the devices of `sharing`. `begin` is called once the program is
    compiled.
    """
    chunks = _chunks(True, optimizer, state, problem, steps, pixels, chunk, sharing, begin)
    for _, reached, info in chunks:
        yield reached, info


def _chunks(
    batched: bool,
    optimizer: optax.GradientTransformation,
    state: State,
    problem: Problem,
    steps: int,
    pixels: Pixels,
    chunk: int,
    sharing: Sharing = ONE_DEVICE,
    begin: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, State, Info]]:
    """The steps before each chunk, the state after it, and its Info."""
    if steps <= 0:
        return
    program = optimizer, pixels, chunk, batched
    # The first call would compile by itself, and run among what that leaves.
    _compiled(program, state, problem, sharing)
    return_freed_memory()
    begin()
    done, count = 0, chunk if state.variable.size < LARGE else 1
    while done < steps:
        count = min(count, steps - done)
        begun = time.monotonic()
        state, info = _run_chunk(*program, state, problem, count, sharing=sharing)
        info = jax.tree.map(lambda values: values[:count], on_host(info))  # noqa: B023
        seconds = (time.monotonic() - begun) / count
        yield done, state, info
        done, count = done + count, agreed(max(1, min(chunk, int(SECONDS / seconds))))


def prepared(problem: Problem) -> Problem:
    """The problem with its network made ready for many passes."""
    layout = problem.targets.layout
    network = prepare_network(problem.network, layout.layers(), precision=layout.precision)
    return problem.replace(network=network)


def stack(items: Sequence[Tree]) -> Tree:
    """Pytrees of one structure and one shape, such as `Targets`, with a leading axis for all."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)


@functools.partial(
    jax.jit, static_argnums=(0, 1, 2, 3), donate_argnums=4, static_argnames="sharing"
)
def _run_chunk(
    optimizer: optax.GradientTransformation,
    pixels: Pixels,
    chunk: int,
    batched: bool,
    state: State,
    problem: Problem,
    count: Int[Array, ""],
    *,
    sharing: Sharing = ONE_DEVICE,
) -> tuple[State, Info]:
    steps = functools.partial(_steps, make_step(optimizer, pixels=pixels), chunk, batched)
    return sharing.run(steps, state, problem, count)


def _steps(
    step: Step,
    chunk: int,
    batched: bool,
    state: State,
    problem: Problem,
    count: Int[Array, ""],
) -> tuple[State, Info]:
    if not batched:
        return _repeat(step, state, problem, chunk, count)
    if len(state.best_loss) > 1:
        return _repeat(_batched(step), state, problem, chunk, count)
    # Batched, `where` and `cond` have both ways computed, which one item need not pay for. It is
    # taken out before the loop: inside, XLA would copy the memory of L-BFGS.
    alone = problem.replace(targets=_squeezed(problem.targets), weights=_squeezed(problem.weights))
    state, infos = _repeat(step, _squeezed(state), alone, chunk, count)
    return (
        jax.tree.map(lambda leaf: jnp.expand_dims(leaf, 0), state),
        jax.tree.map(lambda leaf: jnp.expand_dims(leaf, 1), infos),
    )


def _batched(step: Step) -> Step:
    def items(state: State, problem: Problem) -> tuple[State, Info]:
        return jax.vmap(lambda state, *rest: step(state, Problem(problem.network, *rest)))(
            state, problem.targets, problem.weights
        )

    return items


def _squeezed(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: jnp.squeeze(leaf, 0), tree)


def _repeat(
    step: Step, state: State, problem: Problem, most: int, count: Int[Array, ""]
) -> tuple[State, Info]:
    """The state after `count` steps, and the Info of each in room for `most`."""
    step = jax.jit(step, inline=True)  # traced once for both uses
    _, info = jax.eval_shape(step, state, problem)
    infos = jax.tree.map(lambda leaf: jnp.zeros((most, *leaf.shape), leaf.dtype), info)

    # The last chunk of a run is shorter. A `cond` around each step would copy the state.
    def body(index: Int[Array, ""], so_far: tuple[State, Info]) -> tuple[State, Info]:
        state, infos = so_far
        state, info = step(state, problem)
        return state, jax.tree.map(lambda every, one: every.at[index].set(one), infos, info)

    return jax.lax.fori_loop(0, count, body, (state, infos))


def compiled_batch(
    optimizer: optax.GradientTransformation,
    state: State,
    problem: Problem,
    *,
    pixels: Pixels = "free",
    chunk: int = 5,
) -> Compiled:
    """The program of `run_prepared_batch` on one device, which then finds it compiled.

    Takes what that takes, or only its shapes (`jax.eval_shape`).
    """
    return _compiled((optimizer, pixels, chunk, True), state, problem, ONE_DEVICE)


def _compiled(program: Program, state: State, problem: Problem, sharing: Sharing) -> Compiled:
    """What `_run_chunk` finds compiled, if it is called with the same types."""
    _, _, chunk, _ = program
    return _run_chunk.lower(*program, state, problem, chunk, sharing=sharing).compile()
