"""A sweep: all points of a plan, in batches, into a folder that it can go on in at any time."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst.common.progress import followed, sweep_way
from jnst.common.validation import whole_number
from jnst.networks.vgg import Network
from jnst.runs.batch_sizes import MOST_ITEMS, BatchSize, evenly, group, split
from jnst.sweeps.distribution import Distribution
from jnst.sweeps.executors import opened_executor
from jnst.sweeps.flops import operations_a_second
from jnst.sweeps.folder import FinishedPoint, read_sweep
from jnst.sweeps.folder_lock import check_folder, held
from jnst.sweeps.ledger import Ledger
from jnst.sweeps.plans import Plan, read_plan
from jnst.sweeps.points import Point, PreparedPlan, paths_of, prepare_plan
from jnst.sweeps.records import measured
from jnst.sweeps.report import write_report
from jnst.sweeps.tasks import BATCHES, Input, Task, TaskPoint, TaskStep, run_task, size_of
from jnst.sweeps.timing import Clock
from jnst.sweeps.workers import SECONDS_BETWEEN_SIGNS, Sign, own_losses, signs


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

    `seconds_left` is for all points, from the pace so far. With an executor `batch`, `step` and
    `steps` are sums over the batches in progress, and `workers` says who has which.
    """

    points: int
    done: int
    failed: int
    batch: int
    step: int
    steps: int
    seconds_left: float
    workers: tuple[Sign, ...] = ()


def sweep(
    plan: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    batch_size: BatchSize = "auto",
    executor: Executor | str | None = None,
    callback: Callable[[SweepProgress], Any] | None = None,
    progress: bool = False,
) -> list[FinishedPoint]:
    """Run all points of a plan into a folder, with a table and a page; goes on where it was.

    `plan` is what `read_plan` takes. What is traced is run together, at most `batch_size` at a time
    (`stylize_batch`). Points that fail are recorded. `callback` is called with the SweepProgress;
    True ends the sweep there, and the same call goes on. `progress` shows how far it is. The result
    is that of `read_sweep`.

    `executor` is any `concurrent.futures.Executor` (Dask's `client.get_executor()`, MPI's, a pool
    of processes), or its name as `open_executor` takes it. Its workers find pictures, networks and
    the folder by their absolute paths; each runs a batch of at most 16 points at a time
    (`batch_size`), fewer together where its memory asks for it, and writes them.

    Raises:
        SweepError: the plan or the folder is not accepted; nothing has been run. Or the executor is
            broken, or no worker takes what is left; the same call goes on.
        ImageError: a picture cannot be read; nothing has been run.
    """
    opened, name = open_sweep(plan, folder, batch_size=batch_size), os.fspath(folder)
    with (
        opened_executor(executor, folder, opened.plan.slurm) as workers,
        contextlib.closing(opened.run(workers)) as running,
    ):
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
    """An open sweep of a `plan`: `outline` says what it is about to do, `run` does it."""

    def __init__(self, plan: Plan, folder: Path, prepared: PreparedPlan, batch_size: BatchSize):
        self.plan, self._folder, self._batch_size = plan, folder, batch_size
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

    def run(self, executor: Executor | None = None) -> Generator[SweepProgress, None, None]:
        """Run what is left in batches; write each point as it ends, and the page at the end.

        With an `executor`, batches are run by its workers. The page is written also when the run is
        stopped or fails.

        Raises:
            SweepError: another sweep is running in the folder, or it cannot be written to; the
                executor is broken, or none of its workers takes what is left.
        """
        with held(self._folder, [point.id for point in self._points]):
            self._ledger.begin()
            clock = Clock(_work(self._left(self._points)))
            try:
                if executor is None:
                    yield from self._run_here(clock)
                else:
                    yield from self._run_on(executor, clock)
                if self.plan.metrics:
                    yield from self._measure(clock)
            finally:
                self._ledger.find(self._left(self._points))  # what workers wrote at the end
                self._ledger.write_table()
                write_report(self._folder)
                if not self._left(self._points):
                    shutil.rmtree(self._folder / BATCHES, ignore_errors=True)

    def _run_here(self, clock: Clock) -> Iterator[SweepProgress]:
        for batch, size in self._batches(self._size):
            running = run_task(self._task(batch, size), self._network(batch))
            records = yield from self._followed(running, batch, clock)
            self._end(batch, records, clock)
            yield self._progress(clock)

    def _followed(
        self, running: Generator[TaskStep, None, Any], batch: Sequence[Point], clock: Clock
    ) -> Generator[SweepProgress, None, Any]:
        """Show the steps of a task; what it returns."""
        with contextlib.closing(running):
            while True:
                try:
                    at = next(running)
                except StopIteration as ended:
                    return ended.value
                yield self._progress(clock, at, at.share * _work(batch))

    def _run_on(self, executor: Executor, clock: Clock) -> Iterator[SweepProgress]:
        batches = {batch[0].id: batch for batch, _ in self._batches(self._most_together)}
        run = secrets.token_hex(4)
        names = {name for point in self._points for name in point.planned.config.style_loss}
        given = Distribution(executor, self._folder, run, own_losses(names))
        tasks = [self._task(batch, None) for batch in batches.values()]
        seen: list[Sign] = []
        looked = -SECONDS_BETWEEN_SIGNS
        with contextlib.closing(given.run(tasks)) as running:
            for ended in running:
                if ended is not None:
                    task, records = ended
                    self._end(batches.pop(task.name), records, clock)
                if time.monotonic() - looked >= SECONDS_BETWEEN_SIGNS:
                    seen, looked = signs(self._folder, run), time.monotonic()
                yield self._all_workers(seen, batches, clock)

    def _all_workers(
        self, seen: Sequence[Sign], batches: Mapping[str, Sequence[Point]], clock: Clock
    ) -> SweepProgress:
        """Where the tasks that workers have are, together."""
        busy = [sign for sign in seen if sign.task in batches]
        sums = (sum(values) for values in zip(*[sign.at for sign in busy], strict=True))
        part = sum(sign.at.share * _work(batches[sign.task]) for sign in busy)
        at = TaskStep(*sums) if busy else None
        return self._progress(clock, at, part)._replace(workers=tuple(busy))

    def _measure(self, clock: Clock) -> Iterator[SweepProgress]:
        """Measure pictures that were made before the plan asked for it, or whose task was ended."""
        for point, record in self._ledger.unmeasured():
            of_task = self._task_point(point)
            found = measured(self._folder, record, of_task.content, of_task.styles)
            self._ledger.take([found])
            self._ledger.show()
            yield self._progress(clock)

    def _end(self, batch: Sequence[Point], records: Sequence[dict[str, Any]], clock: Clock) -> None:
        self._ledger.take(records)
        clock.done(_work(batch))
        self._ledger.show()

    def _task(self, batch: Sequence[Point], size: int | None) -> Task:
        planned = batch[0].planned
        return Task(
            folder=os.path.abspath(self._folder),
            points=tuple(map(self._task_point, batch)),
            network=self.plan.weights(planned.network),
            digest=self._network(batch).digest,
            batch_size=self._batch_size,
            size=size,
            metrics=self.plan.metrics,
        )

    def _task_point(self, point: Point) -> TaskPoint:
        planned = point.planned
        paths = paths_of(self.plan, planned)
        return TaskPoint(
            self._ledger.entry(point),
            paths[planned.content],
            tuple(paths[style] for style in planned.styles),
            planned.config,
            tuple(Input(name, path, self._digests[name]) for name, path in paths.items()),
        )

    def _network(self, batch: Sequence[Point]) -> Network:
        return self._networks[batch[0].planned.network]

    def _batches(
        self, size_of: Callable[[str, Sequence[Point]], int]
    ) -> Iterator[tuple[Sequence[Point], int]]:
        """The batches that are not done, each with its size; one may have fewer points."""
        for number, members in enumerate(group(point.program for point in self._points)):
            todo = [self._points[member] for member in members]
            todo = [point for point in todo if self._ledger.was_left(point)]
            if not self._left(todo):
                continue
            size = size_of(str(number), todo)
            for batch in split(todo, size):
                if self._left(batch):
                    yield batch, size

    def _left(self, points: Sequence[Point]) -> list[Point]:
        return [point for point in points if not self._ledger.is_done(point)]

    def _most_together(self, group: str, todo: Sequence[Point]) -> int:
        """The points of a task for a worker, which may run fewer of them together."""
        return evenly(len(todo), MOST_ITEMS if self._batch_size == "auto" else self._batch_size)

    def _size(self, group: str, todo: Sequence[Point]) -> int:
        size = self._ledger.size_of(group)
        if size is None:
            try:
                size = size_of(self._task(todo, None), self._network(todo))
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError):
                return 1  # what is wrong with a point is told where it is run
            self._ledger.keep_size(group, size)
        return size

    def _progress(
        self, clock: Clock, at: TaskStep | None = None, part: float = 0.0
    ) -> SweepProgress:
        points, step, steps = at or (0, 0, 0)
        return SweepProgress(
            points=len(self._points),
            done=self._ledger.done,
            failed=self.failed,
            batch=points,
            step=step,
            steps=steps,
            seconds_left=clock.left(part),
        )


def _work(points: Sequence[Point]) -> float:
    """Operations of the points together."""
    return sum(point.work for point in points)
