"""The one way in which pictures are made: jobs of one program together, level after level."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jnst.common.brief import brief
from jnst.common.devices import on_host
from jnst.common.heap import return_freed_memory
from jnst.networks.feature_network import FeatureNetwork, strides_of
from jnst.networks.preparation import prepare_network
from jnst.objective.margin import remove_margin
from jnst.objective.targets import Targets
from jnst.objective.total import hold_fixed
from jnst.optimizers.carrying import carry_schedules, resize_moments
from jnst.optimizers.loop import run_prepared_batch
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.optimizers.state import Info, State
from jnst.runs.ahead import Ahead
from jnst.runs.batch_sizes import program
from jnst.runs.fitting import fit_level
from jnst.runs.footprint import Fit
from jnst.runs.jobs import Job, share_pictures
from jnst.runs.levels import level_optimizer
from jnst.runs.problems import begin_states, level_problem
from jnst.runs.results import History, Result
from jnst.settings.config import Config

Image = Float[np.ndarray, "h w 3"]


class Position(NamedTuple):
    """Where a batch of jobs is: their images so far, and what it takes to go on.

    `level` is the index of the level, `fit` how it fits into memory, and `steps` those taken there.
    `diverged` has for each job the step at which it could not go on. The devices of `sharing` have
    the state.
    """

    level: int
    fit: Fit
    steps: int
    images: tuple[Image, ...]
    state: State
    diverged: tuple[int | None, ...]
    sharing: Sharing = ONE_DEVICE

    def __repr__(self) -> str:
        return brief(self)


class Snapshot(NamedTuple):
    """Where a batch is, and the history of each of its jobs."""

    position: Position
    histories: tuple[History, ...]

    def __repr__(self) -> str:
        return brief(self)


def run_levels(
    network: FeatureNetwork, jobs: Sequence[Job], *, resume: Position | None = None
) -> Iterator[tuple[Position, Info]]:
    """Optimize the initial images of some jobs, at one level after the other.

    All are run in one program: their settings may differ in what is traced. What one level ends
    with is resized to the next. Adam's memory is resized too, other optimizers start anew;
    schedules go on counting. A job that diverges keeps its best image and leaves the others alone.
    The fields of Info are (steps, jobs). The state is donated, as in `run`. `resume` is a Position
    of before, from which it goes on to the same images.

    Raises:
        ValueError: jobs that cannot share a program, or settings that are not for the network.
    """
    config = jobs[0].config
    if len({*map(program, jobs)}) > 1:
        raise ValueError("jobs are of several programs; equal levels, layers and losses are needed")
    config.check_network(strides_of(network), own_terms=bool(jobs[0].extra_terms))
    yield from _run_levels(prepared_for(network, config), jobs, resume, ONE_DEVICE)


def prepared_for(
    network: FeatureNetwork, config: Config, sharing: Sharing = ONE_DEVICE
) -> FeatureNetwork:
    """The network made ready for the many passes of a run."""
    return prepare_network(
        network,
        config.layers(),
        precision=config.precision,
        shared_rows=sharing.rows is not None,
    )


def prepared_shapes(network: FeatureNetwork, config: Config) -> FeatureNetwork:
    """What `prepared_for` returns, in shapes alone: enough to check a job and to count memory."""
    return jax.eval_shape(partial(prepared_for, config=config), network)


def _run_levels(
    network: FeatureNetwork,
    jobs: Sequence[Job],
    resume: Position | None,
    sharing: Sharing,
) -> Iterator[tuple[Position, Info]]:
    config, levels, jobs = jobs[0].config, jobs[0].levels, share_pictures(jobs)
    first = resume.level if resume else 0
    images = resume.images if resume else tuple(job.initial_image for job in jobs)
    diverged = resume.diverged if resume else (None,) * len(jobs)
    last: State | None = None
    later = [index for index in range(first + 1, len(levels)) if levels[index].steps]
    with contextlib.closing(Ahead(network, jobs, later, sharing)) as ahead:
        for index, level in enumerate(levels[first:], first):
            before = resume if index == first else None
            if last is not None and config.optimizer == "lbfgs":
                _free(last)
                last = None
            ahead.wait(index)
            sharing = sharing.with_height(level.shape[0] + 2 * config.margin)
            fit = before.fit if before else fit_level(network, jobs, index, sharing)
            optimizer = level_optimizer(config, index, fit.lbfgs)
            problem = level_problem(network, jobs, level.shape, fit.tiles, sharing.rows)
            return_freed_memory()  # of compiling the targets
            if before:
                state, taken = sharing.place(before.sharing.whole(before.state)), before.steps
            else:
                state, taken = begin_states(jobs, images, level.shape, optimizer, sharing), 0
                if last is not None:
                    state = sharing.place(_carried(config, last, sharing.whole(state)))
                    last = None
            problem = sharing.place_problem(problem)
            chunks = run_prepared_batch(
                optimizer,
                state,
                problem,
                steps=level.steps - taken,
                pixels=config.pixels,
                sharing=sharing,
                begin=ahead.begin,
            )
            for state, info in chunks:
                taken += len(info.loss)
                now = np.array(on_host(_cut_out(state, problem.targets, sharing)))
                images = tuple(
                    image if gone is None else kept
                    for image, kept, gone in zip(now, images, diverged, strict=True)
                )
                end = sum(level.steps for level in levels[:index]) + taken
                diverged = _diverged(diverged, state, info, end, last=taken == level.steps)
                yield Position(index, fit, taken, images, state, diverged, sharing), info
                if None not in diverged:
                    return
            del problem, chunks
            last = state if config.optimizer == "lbfgs" else sharing.whole(state)


def _free(state: State) -> None:
    """Delete a state of which nothing is carried on, whoever holds it."""
    for leaf in jax.tree.leaves(state):
        leaf.delete()


def _carried(config: Config, state: State, begin: State) -> State:
    """The state that a level begins with, and what the optimizer remembers of the last level."""
    if config.optimizer == "adam":
        return jax.vmap(partial(resize_moments, margin=config.margin))(state, begin)
    return carry_schedules(state, begin)


@partial(jax.jit, static_argnums=2)
def _cut_out(state: State, targets: Targets, sharing: Sharing) -> jax.Array:
    def cut_out(canvas: jax.Array, targets: Targets) -> jax.Array:
        return remove_margin(hold_fixed(canvas, targets), targets.layout.margin)

    return jax.vmap(cut_out)(sharing.whole(state).result, targets)


def _diverged(
    earlier: Sequence[int | None], state: State, info: Info, end: int, *, last: bool
) -> tuple[int | None, ...]:
    """The step at which each item could not go on; after a level's last step its best is left."""
    lost = on_host(~jnp.isfinite(state.best_loss) if last else state.diverged)
    begin = end - len(info.loss)
    steps = [begin + int(np.argmin(np.append(finite, False))) for finite in info.finite.T]
    return tuple(
        step if gone and before is None else before
        for before, gone, step in zip(earlier, lost, steps, strict=True)
    )


def run_jobs(
    network: FeatureNetwork,
    jobs: Sequence[Job],
    *,
    size: int = 1,
    resume: Snapshot | None = None,
    sharing: Sharing = ONE_DEVICE,
) -> Iterator[Snapshot]:
    """Run jobs of one program together; the last is repeated until there are `size`.

    `network` is from `prepared_for`. Yields a Snapshot every few steps, whose state is donated to
    the next ones. `resume` is one of before. `sharing` says which devices share the batch.
    """
    levels = jobs[0].levels
    # A batch of another size would compile again.
    repeated = [*jobs, *[jobs[-1]] * (size - len(jobs))]
    histories = tuple(History.empty(job.weights()) for job in jobs)
    ended = [False] * len(repeated)
    if resume is not None:
        histories = resume.histories
        ended = [step is not None for step in resume.position.diverged]
    for position, info in _run_levels(network, repeated, resume and resume.position, sharing):
        longest = max(levels[position.level].shape)
        histories = tuple(
            history if gone else history.extend(longest, info, number)
            for number, (history, gone) in enumerate(zip(histories, ended, strict=False))
        )
        ended = [step is not None for step in position.diverged]
        yield Snapshot(position, histories)


def results_of(
    jobs: Sequence[Job], snapshot: Snapshot | None, network: dict[str, str]
) -> list[Result]:
    """The result of each job so far; without a snapshot, before the first step."""
    if snapshot is None:
        return [
            job.result(job.initial_image, History.empty(job.weights()), network) for job in jobs
        ]
    position, histories = snapshot
    return [
        job.result(
            position.images[number],
            histories[number],
            network,
            position.diverged[number],
            position.fit,
        )
        for number, job in enumerate(jobs)
    ]
