"""A sweep: all points of a plan, in batches, into a folder that it can go on in at any time."""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import jax

from jnst.common.atomic import remove_unfinished
from jnst.common.progress import followed, sweep_way
from jnst.common.validation import whole_number
from jnst.images.files import file_digest
from jnst.networks.library import network_identity
from jnst.runs.engine import BatchSize, Snapshot, fit_batch, group, results_of, run_tasks, split
from jnst.runs.results import Result, number_or_none
from jnst.sweeps.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from jnst.sweeps.flops import operations_a_second
from jnst.sweeps.folder import (
    FORMAT,
    INDEX,
    TABLE,
    SweepError,
    SweptPoint,
    has_picture,
    loss_sums,
    read_json,
    read_record,
    read_sweep,
    record_path,
    separate,
    varying_settings,
    write_json,
    write_table,
)
from jnst.sweeps.picture_names import SHORT, picture_names, short_id
from jnst.sweeps.plans import Plan, read_plan
from jnst.sweeps.points import SweepPoint, SweepPoints, prepare_points, task_of
from jnst.sweeps.report import show_inputs, write_report
from jnst.sweeps.timing import Clock, Saves

CHECKPOINT = "checkpoint.npz"


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
) -> list[SweptPoint]:
    """Run all points of a plan into a folder, with a table and a page; goes on where it was.

    `plan` is what `read_plan` takes. What is traced is run together, at most `batch_size` at a time
    (`stylize_batch`). Points that fail are recorded. `callback` is called with the SweepProgress;
    True ends the sweep there, and the same call goes on. `progress` shows how far it is. The result
    is that of `read_sweep`.

    Raises:
        SweepError: the plan or the folder is not accepted; nothing has been run.
        ImageError: a picture cannot be read; nothing has been run.
    """
    with open_sweep(plan, folder, batch_size=batch_size) as opened:
        name = os.fspath(folder)
        for _ in followed(opened.run(), sweep_way, name=name, callback=callback, progress=progress):
            pass
        write_report(folder)
    return read_sweep(folder)


@contextlib.contextmanager
def open_sweep(
    plan: str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    batch_size: BatchSize = "auto",
) -> Iterator["Sweep"]:
    """A sweep that is checked and not begun; nobody else can sweep into the folder meanwhile.

    Raises:
        SweepError, ImageError: as `sweep`.
    """
    if batch_size != "auto":
        whole_number("batch_size", batch_size, minimum=1)
    read, folder = read_plan(plan), Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"{folder}: is not a folder")
    points = prepare_points(read)
    if folder.is_dir() and not (folder / INDEX).exists() and _others(folder):
        raise SweepError(f"{folder}: is not empty, and there is no sweep in it")
    with contextlib.ExitStack() as stack:
        try:
            for name in ("points", "pictures"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(folder / ".lock", timeout=0))
            _remove_unfinished(folder, [point.id for point in points.points])
        except filelock.Timeout:
            raise SweepError(f"{folder}: another sweep is running in it") from None
        except OSError as error:
            raise SweepError(f"{folder}: cannot be written to ({error.strerror})") from None
        yield Sweep(read, folder, points, batch_size)


class Sweep:
    """An open sweep: `outline` says what it is about to do, `run` does it."""

    def __init__(self, plan: Plan, folder: Path, points: SweepPoints, batch_size: BatchSize):
        self._plan, self._folder, self._batch_size = plan, folder, batch_size
        self._points, self._networks, self._inputs, self._digests = points
        self._axes = {axis: plan.labelled(axis) for axis in plan.axes}
        self._varying = varying_settings(self._axes)
        self._pictures = picture_names({point.id: self._varied(point) for point in self._points})
        self._records = {
            point.id: record
            for point in self._points
            if (record := read_record(folder, point.id)) and self._is_whole(record)
        }
        for point in self._points:
            if point.id not in self._records:  # it is tried again
                record_path(folder, point.id).unlink(missing_ok=True)
        self._todo, self._sizes = self._batches_before()
        self._write_index()
        show_inputs(folder, self._inputs.values())
        write_table(folder, self._ordered_records(), self._varying)

    def _batches_before(self) -> tuple[set[str], dict[str, int]]:
        """The points that this plan began with, and its batches' sizes by program.

        The same batches after an interruption make the same roundings.
        """
        planned = [point.id for point in self._points]
        left = {id for id in planned if id not in self._records}
        index = read_json(self._folder / INDEX)
        try:
            ids = [point["id"] for point in index["points"]]
            todo, sizes = set(index["todo"]), dict(index["sizes"])
            same = ids == planned and index["batch_size"] == self._batch_size and left <= todo
        except (KeyError, TypeError, ValueError):
            same = False
        return (todo, sizes) if same else (left, {})

    @property
    def outline(self) -> Outline:
        """The number of points and programs, and estimates."""
        left = [point for point in self._points if point.id not in self._records]
        there = {path.stem for path in (self._folder / "points").glob("*.json")}
        return Outline(
            points=len(self._points),
            finished=len(self._records),
            strays=len(there - {point.id for point in self._points}),
            programs=sum({point.program: point.levels for point in left}.values()),
            seconds=sum(point.work for point in left) / operations_a_second() if left else 0.0,
            bytes=sum(3 * point.pixels for point in left),
        )

    @property
    def failed(self) -> int:
        """Points that failed or diverged, of those that are done."""
        return sum(bool(record["error"]) for record in self._records.values())

    def run(self) -> Iterator[SweepProgress]:
        """Run what is left, batch after batch, and write every point as it ends."""
        clock = Clock(sum(p.work for p in self._points if p.id not in self._records))
        groups = group(point.program for point in self._points)
        for number, members in enumerate(groups):
            todo = [self._points[member] for member in members]
            todo = [point for point in todo if point.id in self._todo]
            if all(point.id in self._records for point in todo):
                continue
            try:
                size = self._size(str(number), todo)
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError):
                size = 1  # what is wrong with a point is told where it is run
            for batch in split(todo, size):
                if not all(point.id in self._records for point in batch):
                    yield from self._run_batch(batch, size, clock)

    def _size(self, group: str, todo: Sequence[SweepPoint]) -> int:
        if group not in self._sizes:
            network = self._networks[todo[0].planned.network]
            task = task_of(self._plan, todo[0].planned, self._digests)
            self._sizes[group] = fit_batch(network, task, len(todo), self._batch_size)
            self._write_index()
        return self._sizes[group]

    def _run_batch(
        self, batch: Sequence[SweepPoint], size: int, clock: Clock
    ) -> Iterator[SweepProgress]:
        started, path = time.monotonic(), self._folder / CHECKPOINT
        names = [point.id for point in batch]
        failure = ""
        try:
            tasks = [task_of(self._plan, point.planned, self._digests) for point in batch]
            network = self._networks[batch[0].planned.network]
            identity = network_identity(network, self._plan.weights(batch[0].planned.network))
            before = load_checkpoint(path, tasks, names, size=size)
            started -= before.seconds if before else 0
            saves = Saves()
            resume = snapshot = before.snapshot if before else None
            for snapshot in run_tasks(network, tasks, size=size, resume=resume):
                save = partial(self._save, snapshot, time.monotonic() - started, names)
                if saves.due():
                    saves.save(save)
                step = max(len(history.loss) for history in snapshot.histories)
                try:
                    yield self._progress(clock, batch, step)
                except (KeyboardInterrupt, GeneratorExit):
                    save()
                    raise
            results = results_of(tasks, snapshot, identity)
        except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:
            failure = " ".join(str(error).split()) or type(error).__name__
        if failure:  # and what failed is let go of, with its memory
            if len(batch) > 1:
                for point in batch:
                    if point.id not in self._records:
                        yield from self._run_batch([point], 1, clock)
                return
            self._write_record(batch[0], None, 0.0, failure)
        else:
            seconds = (time.monotonic() - started) / len(batch)
            for point, result in zip(batch, results, strict=True):
                if point.id not in self._records:
                    self._write_result(point, result, seconds)
        clock.done(sum(point.work for point in batch))
        path.unlink(missing_ok=True)
        write_table(self._folder, self._ordered_records(), self._varying)
        yield self._progress(clock)

    def _progress(
        self, clock: Clock, batch: Sequence[SweepPoint] = (), step: int = 0
    ) -> SweepProgress:
        steps = batch[0].planned.config.steps if batch else 0
        part = step / steps * sum(point.work for point in batch) if batch else 0.0
        return SweepProgress(
            points=len(self._points),
            done=len(self._records),
            failed=self.failed,
            batch=len(batch),
            step=step,
            steps=steps,
            seconds_left=clock.left(part),
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

    def _write_result(self, point: SweepPoint, result: Result, seconds: float) -> None:
        path = self._folder / "pictures" / self._pictures[point.id]
        try:
            result.save(path)
        except (ValueError, OSError) as failure:
            self._write_record(point, None, seconds, " ".join(str(failure).split()))
            return
        error = None if result.diverged is None else f"diverged at step {result.diverged}"
        self._write_record(point, result, seconds, error, file_digest(path))

    def _write_record(
        self,
        point: SweepPoint,
        result: Result | None,
        seconds: float,
        error: str | None,
        digest: str | None = None,
    ) -> None:
        record = {
            "id": point.id,
            "settings": self._settings(point),
            "recipe": result.recipe() if result else None,
            "history": None,
            "seconds": seconds,
            "gradient_evaluations": int(result.history.evaluations.sum()) if result else 0,
            "error": error,
            "picture": self._pictures[point.id],
            "sha256": digest,
        }
        if result:
            losses = {"loss": result.history.loss, **loss_sums(result.history.by_term())}
            record["history"] = {
                name: list(map(number_or_none, values)) for name, values in losses.items()
            } | {"size": result.history.size.tolist()}
        write_json(record_path(self._folder, point.id), record)
        self._records[point.id] = record

    def _settings(self, point: SweepPoint) -> dict[str, Any]:
        places = zip(self._axes.items(), point.planned.at, strict=True)
        return {axis: values[place] for (axis, values), place in places}

    def _varied(self, point: SweepPoint) -> dict[str, Any]:
        settings = separate(self._settings(point))
        return {name: settings[name] for name in self._varying}

    def _is_whole(self, record: dict[str, Any]) -> bool:
        """A point that failed is not; one that diverged would again, and is."""
        return record["recipe"] is not None and has_picture(self._folder, record)

    def _ordered_records(self) -> list[dict[str, Any]]:
        return [self._records[point.id] for point in self._points if point.id in self._records]

    def _write_index(self) -> None:
        index = {
            "format": FORMAT,
            "title": self._plan.title,
            "axes": self._axes,
            "inputs": {
                self._plan.label(name): os.path.relpath(path, self._folder)
                for name, path in self._inputs.items()
            },
            "points": [{"id": point.id, "at": point.planned.at} for point in self._points],
            "batch_size": self._batch_size,
            "todo": sorted(self._todo),
            "sizes": self._sizes,
        }
        write_json(self._folder / INDEX, index)


def _remove_unfinished(folder: Path, ids: Sequence[str]) -> None:
    remove_unfinished(folder, lambda name: name in (INDEX, TABLE, CHECKPOINT))
    remove_unfinished(folder / "points", {f"{id}.json" for id in ids}.__contains__)
    if (thumbnails := folder / "thumbnails").is_dir():
        remove_unfinished(thumbnails, {f"{id}.jpg" for id in ids}.__contains__)
    # What was being written may have had its name by another plan.
    short = {id[:SHORT] for id in ids}
    remove_unfinished(folder / "pictures", lambda name: short_id(name) in short)


def _others(folder: Path) -> list[str]:
    ours = {"points", "pictures", TABLE, CHECKPOINT}
    return [name for name in os.listdir(folder) if name not in ours and not name.startswith(".")]
