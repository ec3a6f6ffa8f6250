"""Tasks that share a compiled program, run together."""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import jax

from jnst.common.brief import brief
from jnst.networks.feature_network import FeatureNetwork
from jnst.objective.extra_terms import functions_of
from jnst.objective.style_losses import named_style_loss
from jnst.optimizers.loop import memory_of_batch
from jnst.runs.footprint import free_memory
from jnst.runs.jobs import Task
from jnst.runs.levels import (
    Position,
    begin_level,
    level_optimizer,
    level_targets,
    run_levels,
)
from jnst.runs.results import History, Result

MOST_ITEMS = 16
"""Of a batch that is chosen: more are no faster on a CPU, and leave nothing until they all end."""


SHARE_OF_MEMORY = 0.5


Value = TypeVar("Value")


BatchSize = int | Literal["auto"]


class Snapshot(NamedTuple):
    """Where a batch is, and the steps that each of its items has taken."""

    position: Position
    histories: tuple[History, ...]

    def __repr__(self) -> str:
        return brief(self)


def program(task: Task) -> Hashable:
    """What tasks must share to be run in one compiled program."""
    config, styles = task.item.config, task.item.scene.styles
    mixed = all(named_style_loss(loss).mix for loss in config.style_loss)
    return (
        task.levels,
        config.layout(),
        config.optimizer,
        config.pixels,
        config.averaging > 0,
        config.learning_rate if callable(config.learning_rate) else None,
        functions_of(task.item.extra_terms),
        # A statistic that styles cannot be mixed in is as large as the style.
        None if mixed else tuple(style.shape for style in styles),
        None if mixed else tuple(mask is None for mask in task.item.scene.style_masks),
    )


def group(keys: Iterator[Hashable]) -> list[list[int]]:
    """The numbers of equal keys together, in the order in which they first come."""
    groups: dict[Hashable, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def split(values: Sequence[Value], size: int) -> list[Sequence[Value]]:
    """Runs of `size`, the last of what is left."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def fit_batch(
    network: FeatureNetwork, task: Task, count: int, batch_size: BatchSize = "auto"
) -> int:
    """How many tasks of one program are run together, so that batches are of about one size."""
    most = batch_size if batch_size != "auto" else _most_that_fit(network, task, count)
    return _evenly(count, most)


def run_tasks(
    network: FeatureNetwork,
    tasks: Sequence[Task],
    *,
    size: int,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Run tasks of one program together; the last is repeated until there are `size`.

    Yields a Snapshot every few steps, whose state is donated to the next ones. `resume` is one of
    before.
    """
    items = [task.item for task in tasks]
    items += items[-1:] * (size - len(items))  # a batch of another size would compile again
    levels = tasks[0].levels
    histories = tuple(History.empty(task.item.weights()) for task in tasks)
    ended = [False] * size
    if resume is not None:
        histories = resume.histories
        ended = [step is not None for step in resume.position.diverged]
    for position, info in run_levels(
        network, items, levels=levels, resume=resume and resume.position
    ):
        longest = max(levels[position.level].shape)
        histories = tuple(
            history if gone else history.extend(longest, info, item)
            for item, (history, gone) in enumerate(zip(histories, ended, strict=False))
        )
        ended = [step is not None for step in position.diverged]
        yield Snapshot(position, histories)


def results_of(
    tasks: Sequence[Task], snapshot: Snapshot | None, network: dict[str, str]
) -> list[Result]:
    """The result of each task so far; without a snapshot, before the first step."""
    if snapshot is None:
        return [
            task.result(task.item.start, History.empty(task.item.weights()), network)
            for task in tasks
        ]
    position, histories = snapshot
    return [
        task.result(position.images[item], histories[item], network, position.diverged[item])
        for item, task in enumerate(tasks)
    ]


def _most_that_fit(network: FeatureNetwork, task: Task, count: int) -> int:
    count = _evenly(count, MOST_ITEMS)
    if count == 1:
        return 1
    needed = _bytes_of_batch(network, task, count)
    return max(1, min(count, int(count * SHARE_OF_MEMORY * free_memory() / needed)))


def _evenly(count: int, most: int) -> int:
    return math.ceil(count / math.ceil(count / most))


def _bytes_of_batch(network: FeatureNetwork, task: Task, count: int) -> int:
    """Of the program of the last level, the largest."""
    item, shape = task.item, task.levels[-1].shape
    optimizer = level_optimizer(item.config, len(task.levels) - 1)

    def arguments() -> Any:
        targets = level_targets(network, item, shape)
        return begin_level(item, item.start, shape, optimizer), targets, item.weights()

    state, targets, weights = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype),
        jax.eval_shape(arguments),
    )
    return memory_of_batch(
        optimizer,
        state,
        network,
        targets,
        weights,
        pixels=item.config.pixels,
    )
