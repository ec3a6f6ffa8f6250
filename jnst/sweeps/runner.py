"""A sweep: all points of a plan, in batches, into a folder that it can go on in at any time."""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst.common.progress import followed, sweep_way
from jnst.common.validation import whole_number
from jnst.networks.loading import network_identity
from jnst.runs.batch_sizes import BatchSize, fit_batch, group, split
from jnst.runs.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    Saves,
    load_checkpoint,
    save_checkpoint,
)
from jnst.runs.engine import Snapshot, prepared_for, prepared_shapes, results_of, run_jobs
from jnst.runs.jobs import Job
from jnst.runs.results import Result
from jnst.sweeps.flops import operations_a_second
from jnst.sweeps.folder import FinishedPoint, read_sweep
from jnst.sweeps.folder_lock import check_folder, held
from jnst.sweeps.ledger import Ledger
from jnst.sweeps.plans import Plan, read_plan
from jnst.sweeps.points import Point, PreparedPlan, job_of, prepare_plan
from jnst.sweeps.report import write_report
from jnst.sweeps.timing import Clock


class SweepWarning(UserWarning):
    """Something that a sweep goes on without."""


class Outline(NamedTuple):
    """What a sweep is about to do.

    `finished` of the `points` are there from before, and `strays` are there that the plan no longer
    has. `programs` are compiled. `seconds` and `bytes` are estimates for what is left.
    """

    points: int
    finished: int
    strays: int
    programs: int
    seconds: float
    bytes: int


class SweepProgress(NamedTuple):
    """How far a sweep is: points that are done, failed ones among them, and the batch in progress.

    `seconds_left` is for all points, from the pace so far.
    """

    points: int
    done: int
    failed: int
    batch: int
    step: int
    steps: int
    seconds_left: float


def sweep(
    plan: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    batch_size: BatchSize = "auto",
    callback: Callable[[SweepProgress], Any] | None = None,
    progress: bool = False,
) -> list[FinishedPoint]:
    """Run all points of a plan into a folder, with a table and a page; goes on where it was.

    `plan` is what `read_plan` takes. What is traced is run together, at most `batch_size` at a time
    (`stylize_batch`). Points that fail are recorded. `callback` is called with the SweepProgress;
    True ends the sweep there, and the same call goes on. `progress` shows how far it is. The result
    is that of `read_sweep`.

    Raises:
        SweepError: the plan or the folder is not accepted; nothing has been run.
        ImageError: a picture cannot be read; nothing has been run.
    """
    opened, name = open_sweep(plan, folder, batch_size=batch_size), os.fspath(folder)
    with contextlib.closing(opened.run()) as running:
        for _ in followed(running, sweep_way, name=name, callback=callback, progress=progress):
            pass
    return read_sweep(folder)


def open_sweep(
    plan: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    batch_size: BatchSize = "auto",
) -> "Sweep":
    """A sweep that is checked and not begun: nothing is written before `run`.

    Raises:
        SweepError, ImageError: as `sweep`.
    """
    if batch_size != "auto":
        whole_number("batch_size", batch_size, minimum=1)
    read, folder = read_plan(plan), Path(folder)
    check_folder(folder)
    return Sweep(read, folder, prepare_plan(read), batch_size)


class Sweep:
    """An open sweep: `outline` says what it is about to do, `run` does it."""

    def __init__(self, plan: Plan, folder: Path, prepared: PreparedPlan, batch_size: BatchSize):
        self._plan, self._folder, self._batch_size = plan, folder, batch_size
        self._points, self._networks = prepared.points, prepared.networks
        self._digests = prepared.digests
        self._ledger = Ledger(plan, folder, prepared, batch_size)

    def outline(self) -> Outline:
        """The number of points and programs, and estimates, for which it runs a short benchmark."""
        left = self._left(self._points)
        return Outline(
            points=len(self._points),
            finished=self._ledger.done,
            strays=self._ledger.strays,
            programs=sum({point.program: point.levels for point in left}.values()),
            seconds=_work(left) / operations_a_second() if left else 0.0,
            bytes=sum(3 * point.pixels for point in left),
        )

    @property
    def failed(self) -> int:
        """Points that failed or diverged, of those that are done."""
        return self._ledger.failed

    def run(self) -> Generator[SweepProgress, None, None]:
        """Run what is left in batches; write each point as it ends, and the page at the end.

        The page is written also when the run is stopped or fails.

        Raises:
            SweepError: another sweep is running in the folder, or it cannot be written to.
        """
        with held(self._folder, [point.id for point in self._points]):
            self._ledger.begin()
            clock = Clock(_work(self._left(self._points)))
            try:
                for batch, size in self._batches():
                    yield from self._run_batch(batch, size, clock)
            finally:
                write_report(self._folder)

    def _batches(self) -> Iterator[tuple[Sequence[Point], int]]:
        """The batches that are not done, each with its size; one may have fewer points."""
        for number, members in enumerate(group(point.program for point in self._points)):
            todo = [self._points[member] for member in members]
            todo = [point for point in todo if self._ledger.was_left(point)]
            if not self._left(todo):
                continue
            try:
                size = self._size(str(number), todo)
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError):
                size = 1  # what is wrong with a point is told where it is run
            for batch in split(todo, size):
                if self._left(batch):
                    yield batch, size

    def _left(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if not self._ledger.is_done(point)]

    def _size(self, group: str, todo: Sequence[Point]) -> int:
        size = self._ledger.size_of(group)
        if size is None:
            network = self._networks[todo[0].planned.network]
            job = self._job(todo[0])
            ready = prepared_shapes(network, job.config)
            size = fit_batch(ready, job, len(todo), self._batch_size)
            self._ledger.keep_size(group, size)
        return size

    def _job(self, point: Point) -> Job:
        return job_of(self._plan, point.planned, self._digests)

    def _run_batch(
        self, batch: Sequence[Point], size: int, clock: Clock
    ) -> Iterator[SweepProgress]:
        started, failure = time.monotonic(), ""
        results: list[Result] = []
        try:
            results, earlier = yield from self._results(batch, size, clock)
        except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:
            failure = " ".join(str(error).split()) or type(error).__name__
        if failure and len(batch) > 1:  # which is let go of, with its memory
            for point in self._left(batch):
                yield from self._run_batch([point], 1, clock)
            return
        if failure:
            self._ledger.write_failure(batch[0], failure)
        else:
            seconds = (earlier + time.monotonic() - started) / len(batch)
            for point, result in zip(batch, results, strict=True):
                if not self._ledger.is_done(point):
                    self._ledger.write_result(point, result, seconds)
        clock.done(_work(batch))
        (self._folder / CHECKPOINT).unlink(missing_ok=True)
        self._ledger.write_table()
        yield self._progress(clock)

    def _results(
        self, batch: Sequence[Point], size: int, clock: Clock
    ) -> Generator[SweepProgress, None, tuple[list[Result], float]]:
        """Run a batch, from its checkpoint if it has one; its results, and the seconds before."""
        started, names = time.monotonic(), [point.id for point in batch]
        jobs = [self._job(point) for point in batch]
        network = self._networks[batch[0].planned.network]
        ready = prepared_for(network, jobs[0].config)
        identity = network_identity(network, self._plan.weights(batch[0].planned.network))
        before = load_checkpoint(self._folder / CHECKPOINT, jobs, names, size=size)
        earlier, saves = before.seconds if before else 0.0, Saves()
        resume = snapshot = before.snapshot if before else None
        for snapshot in run_jobs(ready, jobs, size=size, resume=resume):
            save = partial(self._save, snapshot, earlier + time.monotonic() - started, names)
            if saves.due():
                saves.save(save)
            step = max(len(history.loss) for history in snapshot.histories)
            try:
                yield self._progress(clock, batch, step)
            except (KeyboardInterrupt, GeneratorExit):
                save()
                raise
        return results_of(jobs, snapshot, identity), earlier

    def _progress(self, clock: Clock, batch: Sequence[Point] = (), step: int = 0) -> SweepProgress:
        steps = batch[0].planned.config.steps if batch else 0
        return SweepProgress(
            points=len(self._points),
            done=self._ledger.done,
            failed=self.failed,
            batch=len(batch),
            step=step,
            steps=steps,
            seconds_left=clock.left(step / steps * _work(batch) if batch else 0.0),
        )

    def _save(self, snapshot: Snapshot, seconds: float, names: Sequence[str]) -> None:
        """Write a checkpoint; where there is no room for one, results may still find some."""
        try:
            save_checkpoint(self._folder / CHECKPOINT, Checkpoint(snapshot, seconds), names)
        except OSError as error:
            warnings.warn(
                f"{self._folder}: no checkpoint can be written ({error.strerror}); an interrupted "
                "batch begins again",
                SweepWarning,
                stacklevel=2,
            )


def _work(points: Sequence[Point]) -> float:
    """Operations of the points together."""
    return sum(point.work for point in points)
