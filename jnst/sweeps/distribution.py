"""The tasks of a sweep given out to the workers of an executor, and taken back."""

import textwrap
import time
import warnings
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from pathlib import Path
from typing import Any

from jnst.common.errors import WorkerWarning, one_line
from jnst.common.plugins import loaded
from jnst.sweeps.folder import SweepError
from jnst.sweeps.records import finished_record, write_failure
from jnst.sweeps.tasks import Task
from jnst.sweeps.workers import (
    Order,
    OwnLoss,
    Report,
    begin_run,
    end_run,
    refusals,
    signs,
    versions,
    work,
)

LOSSES = 3
"""Times that a task is lost with its worker before its points have failed."""

ROUNDS = 3
"""Times that refused tasks are given out again while nobody finishes anything."""

POLL = 1.0
"""Seconds between two looks at the workers."""

PATIENCE = 60.0
"""Seconds that workers get to leave a checkpoint when a sweep is ended."""

Ended = tuple[Task, Sequence[dict[str, Any]]]


class BrokenError(SweepError):
    """An executor that takes or gives nothing more."""


class Distribution:
    """Tasks given out to the workers of an executor.

    A task that is lost with its worker is given out again, at most `LOSSES` times. One that a
    worker refuses is given out again when another task has been done, which shows that there are
    better workers.
    """

    def __init__(
        self, executor: Executor, folder: Path, run: str, losses: tuple[OwnLoss, ...]
    ) -> None:
        self._executor, self._folder, self._run, self._losses = executor, folder, run, losses
        self._pending: dict[Future[Report], Task] = {}
        self._lost: Counter[str] = Counter()
        self._refused: list[Task] = []
        self._told: set[str] = set()
        self._heard: set[str] = set()

    def run(self, tasks: Iterable[Task]) -> Generator[Ended | None, None, None]:
        """Yield each task as it ends, with the records of its points, and None now and then.

        Raises:
            SweepError: the executor is broken, or no worker takes what is left.
        """
        rounds, patience = 0, PATIENCE
        begin_run(self._folder, self._run)
        try:
            for task in tasks:
                self._give(task)
            while self._pending:
                self._take_refusals()
                done, _ = wait(self._pending, timeout=POLL, return_when=FIRST_COMPLETED)
                ended = [each for future in done if (each := self._taken(future))]
                if not ended:
                    yield None
                yield from ended
                rounds = 0 if ended else rounds
                if self._refused and (ended or not self._pending):
                    rounds += not ended
                    if rounds > ROUNDS:
                        raise self._nobody()
                    refused, self._refused = self._refused, []
                    for task in refused:
                        self._give(task)
        except BrokenError:
            patience = 0
            raise
        finally:
            self._end(patience)

    def _give(self, task: Task) -> None:
        order = Order(task, self._run, versions(), self._losses, tuple(loaded))
        try:
            self._pending[self._executor.submit(work, order)] = task
        except Exception as error:  # each engine has its own
            raise self._broken(error) from error

    def _taken(self, future: "Future[Report]") -> Ended | None:
        """The task of a future and its records; None if it has to be given out again."""
        task = self._pending.pop(future)
        try:
            report = future.result()
        except CancelledError as error:  # not by us
            raise self._broken(error) from error
        except Exception as error:  # of the engine, or what the worker had no answer to
            self._lost[task.name] += 1
            if self._lost[task.name] == LOSSES:
                return task, self._failed(task)
            self._tell(
                f"a worker was lost ({_short(error)}); its {len(task.points)} points are given "
                "out again"
            )
            self._give(task)
            return None
        if report.refusal:
            self._refuse(task, report.refusal)
            return None
        if report.stopped:
            self._give(task)
            return None
        return task, report.records

    def _take_refusals(self) -> None:
        """Take back what workers refuse, before they are free for it again."""
        for refusal in refusals(self._folder, self._run):
            if refusal.id in self._heard:
                continue
            self._heard.add(refusal.id)
            for future, task in list(self._pending.items()):
                if task.name == refusal.task:
                    del self._pending[future]
                    self._refuse(task, refusal.reason)

    def _refuse(self, task: Task, reason: str) -> None:
        self._tell(reason)
        self._refused.append(task)

    def _failed(self, task: Task) -> list[dict[str, Any]]:
        error = f"lost {LOSSES} times with its worker"
        return [
            finished_record(self._folder, point.entry.id)
            or write_failure(self._folder, point.entry, error)
            for point in task.points
        ]

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            warnings.warn(line, WorkerWarning, stacklevel=2)

    def _end(self, patience: float) -> None:
        """Cancel what has not begun, and let the rest leave checkpoints."""
        if not self._pending:
            return
        end_run(self._folder)
        running = [future for future in self._pending if not future.cancel()]
        if running and patience:
            self._tell(
                f"batches in progress: {len(running)}; at most {patience:.0f} s for checkpoints"
            )
        wait(running, timeout=patience)
        # Dask calls running tasks cancelled: their workers are done when their signs are gone.
        end = time.monotonic() + patience
        while signs(self._folder, self._run) and time.monotonic() < end:
            time.sleep(POLL)

    def _nobody(self) -> SweepError:
        points = sum(len(task.points) for task in self._refused)
        return SweepError(f"{self._folder}: no worker takes the {points} points that are left")

    def _broken(self, error: Exception) -> "BrokenError":
        return BrokenError(
            f"{self._folder}: the executor is broken ({_short(error)}); the same command continues"
        )


def _short(error: Exception) -> str:
    """What an error says; those of an engine may hold a whole log."""
    return textwrap.shorten(one_line(error), 200, placeholder=" ...")
