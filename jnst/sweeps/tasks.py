"""A task of a sweep: a batch of points of one program, run from what can be sent to it."""

import os
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst.common.errors import CheckpointWarning, is_out_of_memory, one_line
from jnst.images.files import file_digest
from jnst.networks.loading import network_identity
from jnst.networks.vgg import Network
from jnst.runs.batch_sizes import BatchSize, fit_batch, split
from jnst.runs.checkpoints import Checkpoint, Saves, load_checkpoint, save_checkpoint
from jnst.runs.engine import prepared_for, prepared_shapes, results_of, run_jobs
from jnst.runs.jobs import Job
from jnst.runs.opening import open_job
from jnst.settings.config import Config
from jnst.sweeps.folder import SweepError
from jnst.sweeps.records import (
    Entry,
    finished_record,
    lacks_metrics,
    measured,
    write_failure,
    write_result,
)

BATCHES = "batches"
"""The subfolder of what is in progress: the checkpoint of each batch, and who has it."""

RUN_FAILURES = (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError)
"""What a point can fail with."""


class ReplacedError(SweepError):
    """A picture or a network that is not the one that the plan was looked at with."""


class Input(NamedTuple):
    """A picture that a point reads: what the plan calls it, where it is, its digest."""

    name: str
    path: str
    digest: str


class TaskPoint(NamedTuple):
    """A point with all that running it needs, but for the files. Paths are absolute."""

    entry: Entry
    content: str
    styles: tuple[str, ...]
    config: Config
    inputs: tuple[Input, ...]


class Task(NamedTuple):
    """Points of one program. `size` of them are run together; None: as many as fit.

    `network` is what `load_network` takes, `digest` that of the one that is meant. `metrics` is
    whether the pictures are measured.
    """

    folder: str
    points: tuple[TaskPoint, ...]
    network: str
    digest: str
    batch_size: BatchSize = "auto"
    size: int | None = None
    metrics: bool = False

    @property
    def name(self) -> str:
        """The id of its first point, which no other task has."""
        return self.points[0].entry.id


class TaskStep(NamedTuple):
    """Where a task is: its points that are not done, and their steps in all its batches."""

    points: int
    step: int
    steps: int

    @property
    def share(self) -> float:
        """The part of the steps that is done; 0 where there are none."""
        return self.step / max(self.steps, 1)


def run_task(
    task: Task, network: Network, *, passed_on: tuple[type[Exception], ...] = ()
) -> Generator[TaskStep, None, list[dict[str, Any]]]:
    """Run the points of a task that are not done, and write them; the records of all.

    It goes on from a checkpoint. Points that fail together are run one by one, and a point that
    fails alone is recorded, unless its failure is one of `passed_on`. Closed or interrupted, it
    leaves a checkpoint.
    """
    folder, points = Path(task.folder), task.points
    records = {point.entry.id: finished_record(folder, point.entry.id) for point in points}
    if None not in records.values():
        return [record for record in records.values() if record]
    failure: Exception | None = None
    try:
        size = task.size or size_of(task, network)
        batches = [
            batch
            for batch in split(points, size)
            if not all(records[point.entry.id] for point in batch)
        ]
        left = sum(map(len, batches))
        for number, batch in enumerate(batches):
            at = partial(_step_of_task, left, number, len(batches))
            for record in (yield from _run_batch(task, batch, size, network, at)):
                records[record["id"]] = records[record["id"]] or record
    except RUN_FAILURES as error:
        failure = error.with_traceback(None)  # whose frames hold the batch
        if is_out_of_memory(error):
            failure = MemoryError(str(error))
    if failure is not None and len(points) > 1:
        failure = None
        for point in points:
            if not records[point.entry.id]:
                alone = task._replace(points=(point,), size=1)
                try:
                    [record] = yield from run_task(alone, network, passed_on=passed_on)
                    records[record["id"]] = record
                except passed_on as error:
                    failure = error
        if failure is not None:
            raise failure
    elif failure is not None:
        if isinstance(failure, passed_on):
            raise failure
        records[task.name] = write_failure(folder, points[0].entry, one_line(failure))
    return [record for record in records.values() if record]


def size_of(task: Task, network: Network) -> int:
    """How many points of a task are run together: as many as fit, at most its `batch_size`.

    Raises:
        ValueError: as `job_of`.
    """
    job = job_of(task.points[0])
    ready = prepared_shapes(network, job.config)
    return fit_batch(ready, job, len(task.points), task.batch_size)


def job_of(point: TaskPoint) -> Job:
    """What a point runs.

    Raises:
        ReplacedError: a picture has another digest than when the plan was looked at.
        ValueError: as `open_job`.
    """
    job = open_job(point.content, point.styles, point.config)
    for name, path, digest in point.inputs:
        if file_digest(path) != digest:
            raise ReplacedError(f"{name}: has been replaced since the sweep began")
    return job


def _step_of_task(points: int, number: int, batches: int, step: int, steps: int) -> TaskStep:
    """Where a task is at a step of a batch, all of which take as many `steps`."""
    return TaskStep(points, number * steps + step, batches * steps)


def _run_batch(
    task: Task,
    points: Sequence[TaskPoint],
    size: int,
    network: Network,
    at: Callable[[int, int], TaskStep],
) -> Generator[TaskStep, None, list[dict[str, Any]]]:
    """Run a batch, from its checkpoint if it has one, and write what is not there.

    `at` tells where the task is from the steps that the batch has taken, and all of its steps.
    """
    started, names = time.monotonic(), [point.entry.id for point in points]
    folder = Path(task.folder)
    path = folder / BATCHES / f"{names[0]}.npz"
    jobs = list(map(job_of, points))
    steps = sum(level.steps for level in jobs[0].levels)
    ready, identity = prepared_for(network, jobs[0].config), network_identity(network, task.network)
    before = load_checkpoint(path, jobs, names, size=size)
    earlier, saves = before.seconds if before else 0.0, Saves()
    resume = snapshot = before.snapshot if before else None
    for snapshot in run_jobs(ready, jobs, size=size, resume=resume):
        seconds = earlier + time.monotonic() - started
        save = partial(_save, path, Checkpoint(snapshot, seconds), names)
        if saves.due():
            saves.save(save)
        step = max(len(history.loss) for history in snapshot.histories)
        try:
            yield at(step, steps)
        except (KeyboardInterrupt, GeneratorExit):
            save()
            raise
    seconds = (earlier + time.monotonic() - started) / len(points)
    results = zip(points, results_of(jobs, snapshot, identity), strict=True)
    records = [
        finished_record(folder, point.entry.id)
        or write_result(folder, point.entry, result, seconds)
        for point, result in results
    ]
    path.unlink(missing_ok=True)
    if task.metrics:  # after all results: a stopped task loses none
        records = [
            measured(folder, record, point.content, point.styles)
            if lacks_metrics(record)
            else record
            for point, record in zip(points, records, strict=True)
        ]
    return records


def _save(path: Path, checkpoint: Checkpoint, names: Sequence[str]) -> None:
    """Write a checkpoint; where there is no room for one, results may still find some."""
    try:
        os.makedirs(path.parent, exist_ok=True)
        save_checkpoint(path, checkpoint, names)
    except OSError as error:
        warnings.warn(
            f"{path.parent.parent}: no checkpoint can be written ({error.strerror}); an "
            "interrupted batch begins again",
            CheckpointWarning,
            stacklevel=2,
        )
