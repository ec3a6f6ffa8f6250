"""Progress of a run: a bar on a terminal or in a notebook, lines elsewhere."""

import contextlib
import html
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from jnst.common.console import is_terminal, printable, terminal
from jnst.common.validation import true_or_false

Advance: TypeAlias = Callable[[float, str, str], None]
"""Shows progress: the share that is done, the stage, and the state in a few words."""

Value = TypeVar("Value")


def tell(message: str, *, quiet: bool) -> None:
    """Print one line on standard error; errors of writing are ignored."""
    if not quiet and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that was closed, a full disk
            print(printable(message), file=sys.stderr, flush=True)


@contextlib.contextmanager
def following(name: str | os.PathLike[str], *, quiet: bool) -> Iterator[Advance]:
    """A context that gives a function to call whenever there is progress.

    Without a terminal and a notebook, each stage and each tenth is a line that begins with `name`.
    """
    if quiet:
        yield lambda *_: None
    elif (display := _notebook()) is not None:
        yield _Display(display)
    elif not is_terminal(sys.stderr):
        yield _Lines(os.fspath(name))
    else:
        columns = (
            *("{task.description}", BarColumn(), "{task.percentage:.0f} %", "{task.fields[state]}"),
            *(TimeElapsedColumn(), TimeRemainingColumn()),
        )
        with Progress(*columns, console=terminal()) as bar:
            task = bar.add_task("", total=1, state="")

            def advance(share: float, stage: str, state: str) -> None:
                bar.update(task, completed=share, description=stage, state=state)

            yield advance


def followed(
    values: Iterator[Value],
    way: Callable[[Value], tuple[float, str, str]],
    *,
    name: str,
    callback: Callable[[Value], Any] | None,
    progress: bool,
) -> Iterator[Value]:
    """Yield the values and show progress; end when `callback` returns True.

    Raises:
        ValueError: `progress` is neither True nor False.
    """
    true_or_false("progress", progress)

    def shown_values() -> Iterator[Value]:
        with following(name, quiet=not progress) as advance:
            for value in values:
                advance(*way(value))
                yield value
                # Only True ends a run, not other true values that a callback may return by chance.
                if callback and isinstance(end := callback(value), bool | np.bool_) and end:
                    return

    return shown_values()


class PictureWay:
    """Progress of the run of one picture through its levels.

    `levels` are (shape, steps); `begin` is the state shown before the first step.
    """

    def __init__(self, levels: Sequence[tuple[tuple[int, int], int]], *, begin: str = "compiling"):
        self._levels, self._begin = levels, begin
        self._clock, self._steps = time.monotonic(), 0

    def __call__(self, result: Any) -> tuple[float, str, str]:
        """The share of the work that is done, the current level, and its state."""
        ends = np.cumsum([steps for _, steps in self._levels])
        steps = result.steps
        number = min(int(np.searchsorted(ends, steps, side="right")), len(ends) - 1)
        shape, _ = self._levels[number]
        stage = f"level {number + 1} of {len(ends)}, {max(shape)} px"
        before, compiles = (self._clock, self._steps), (0, *ends[:-1])
        self._clock, self._steps = time.monotonic(), steps
        if steps in compiles:
            state = self._begin if steps == 0 else "compiling"
        else:
            state = f"step {steps} of {ends[-1]}, loss {result.history.loss[-1]:.4g}"
            if before[1] not in compiles:
                rate = (steps - before[1]) / max(self._clock - before[0], 1e-9)
                state += f", {rate:.2f} steps/s"
        return self.work(steps) / max(self.work(ends[-1]), 1), stage, state

    def work(self, steps: int) -> int:
        """The pixels of the first `steps` steps; the time of a step grows with its pixels."""
        work = 0
        for (height, width), most in self._levels:
            work += min(steps, most) * height * width
            steps = max(0, steps - most)
        return work


class BatchWay:
    """Progress of a run of `count` pictures, from the results so far of each batch."""

    def __init__(self, count: int):
        self._count = count
        self._done: dict[int, float] = {}

    def __call__(self, progress: Any) -> tuple[float, str, str]:
        """The share of the steps that are done, the pictures begun, and the last one's steps."""
        for number, result in progress.results.items():
            self._done[number] = result.steps / max(result.planned_steps, 1)
        last = progress.results[max(progress.results)]
        state = f"step {last.steps} of {last.planned_steps}" if last.steps else "compiling"
        stage = f"{len(self._done)} of {self._count} pictures begun"
        return sum(self._done.values()) / self._count, stage, state


def sweep_way(progress: Any) -> tuple[float, str, str]:
    """Progress of a sweep: the share and number of its points, and the current batch."""
    begun = progress.batch * progress.step / max(progress.steps, 1)
    share = min(1, (progress.done + begun) / progress.points)
    stage = f"{progress.done} of {count_of(progress.points, 'point')}"
    left = f"{duration(progress.seconds_left)} left"
    if not progress.batch:
        return share, stage, left
    together = f"{progress.batch} together"
    if progress.workers:
        together = f"{progress.batch} on {count_of(len(progress.workers), 'worker')}"
    if not progress.step:
        return share, stage, f"{together}, compiling"
    state = f"{together}, step {progress.step} of {progress.steps}, {left}"
    return share, stage, state


def count_of(number: int, name: str) -> str:
    """A number with its noun: "1 point", "2 points"."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def duration(seconds: float) -> str:
    """A duration as text, in whole seconds, minutes or hours."""
    if seconds == float("inf"):
        return "?"
    minutes, hours = seconds / 60, seconds / 3600
    return (
        f"{seconds:.0f} s"
        if minutes < 2
        else f"{minutes:.0f} min"
        if hours < 2
        else f"{hours:.0f} h"
    )


class _Lines:
    def __init__(self, name: str):
        self._name = name
        self._told, self._begun = ("", -1), time.monotonic()

    def __call__(self, share: float, stage: str, state: str) -> None:
        now = stage, int(10 * share + 1e-6)
        if now != self._told:
            seconds = time.monotonic() - self._begun
            message = f"{self._name}: {stage}, {100 * share:.0f} %, {state}, {seconds:.0f} s"
            tell(message, quiet=False)
        self._told = now


class _Display:
    """An output of a notebook cell that is updated in place."""

    def __init__(self, display: Callable[..., Any]):
        self._begun = time.monotonic()
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def __call__(self, share: float, stage: str, state: str) -> None:
        line = f"{stage}, {100 * share:.0f} %, {state}, {time.monotonic() - self._begun:.0f} s"
        bar = f'<progress value="{share:.3f}"></progress> {html.escape(line)}'
        self._handle.update({"text/plain": line, "text/html": bar}, raw=True)


def _notebook() -> Callable[..., Any] | None:
    """IPython's `display`, if this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return ipython.display.display  # type: ignore[union-attr]
