"""Runs of the app: one at a time, in the order of the requests."""

import dataclasses
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from jnst.cli.networks import is_to_be_fetched
from jnst.common.errors import DivergedError, is_out_of_memory, reason
from jnst.common.progress import PictureWay, count_of, duration
from jnst.runs.levels import plan_levels
from jnst.runs.results import Result
from jnst.runs.stylization import stylize_steps
from jnst.settings.config import Config

BETWEEN = 0.3
"""Seconds between two views of a run, at least."""


@dataclasses.dataclass(frozen=True)
class View:
    """What a page shows of a run: a line, the share that is done, and the picture so far.

    `file` is the written picture, at the end of the run. `failed`: the line is an error message.
    """

    line: str
    share: float = 0.0
    result: Result | None = None
    running: bool = True
    failed: bool = False
    file: Path | None = None


class Way:
    """Makes the View of each result, with the time that is left."""

    def __init__(self, first: Result):
        self._way = PictureWay(plan_levels(first.image.shape[:2], first.config))
        self._then, self._compiled = (time.monotonic(), 0.0), False
        self._worked = self._seconds = 0.0

    def __call__(self, result: Result) -> View:
        """The View of a result; its line has size, step, loss, and the time left if known."""
        share, stage, state = self._way(result)
        now, (then, before) = time.monotonic(), self._then
        if self._compiled:  # intervals with a compilation do not count
            self._worked, self._seconds = self._worked + share - before, self._seconds + now - then
        self._then, self._compiled = (now, share), state != "compiling"
        line = f"{stage}, {state}"
        if self._worked > 0 and share < 1:
            line += f", about {duration(self._seconds / self._worked * (1 - share))} left"
        return View(line, share, result)


class Studio:
    """Makes one picture at a time; other windows wait in line and see their place."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._line: list[object] = []
        self._stops: dict[str, threading.Event] = {}

    def stop(self, window: str) -> None:
        """End the run of a window; its last picture is kept."""
        if window in self._stops:
            self._stops[window].set()

    def run(
        self, window: str, content: Path, style: Path, network: str, config: Config
    ) -> Iterator[View]:
        """Yield the views of a window's run, from waiting in line to the end."""
        stop, ticket = threading.Event(), object()
        self._stops[window] = stop
        self._line.append(ticket)
        try:
            while (before := self._line.index(ticket)) and not stop.is_set():
                yield View(f"waiting: {count_of(before, 'picture')} of other windows before this")
                time.sleep(BETWEEN)
            if stop.is_set():
                yield View("stopped before it began", running=False)
                return
            yield from self._views(stop, content, style, network, config)
        finally:
            self._line.remove(ticket)
            self._stops.pop(window, None)

    def _views(
        self, stop: threading.Event, content: Path, style: Path, network: str, config: Config
    ) -> Iterator[View]:
        fetched = is_to_be_fetched(network)
        yield View(f"fetching the network {network}, once" if fetched else "opening the pictures")
        begun, result, problem = time.monotonic(), None, ""
        try:
            results = stylize_steps(content, style, network=network, config=config)
            result = next(results)
            way = Way(result)
            yield way(result)
            shown = time.monotonic()
            for result in results:
                view = way(result)
                if stop.is_set():
                    break
                if time.monotonic() - shown > BETWEEN:
                    yield view
                    shown = time.monotonic()
        except DivergedError as error:
            result, problem = error.result, str(error)
        except Exception as error:
            problem = sentence(error, content, style)
        try:
            yield self._end(result, problem, content, style, time.monotonic() - begun)
        except (ValueError, OSError) as error:
            yield View(sentence(error), 1, result, running=False, failed=True)

    def _end(
        self, result: Result | None, problem: str, content: Path, style: Path, seconds: float
    ) -> View:
        if result is None or result.steps < min(1, result.planned_steps):
            line = problem or "stopped before the first step"
            return View(line, running=False, failed=bool(problem))
        file = Path(tempfile.mkdtemp(dir=self._folder)) / f"{content.stem}-{style.stem}.png"
        result.save(file)
        steps, whole = result.steps, result.planned_steps
        state = f"step {steps} of {whole}" if steps < whole else count_of(steps, "step")
        line = f"{'stopped' if steps < whole else 'done'}: {state}, {duration(seconds)}"
        if problem:
            line = f"{problem}; the picture is that of step {steps}"
        share = 1.0 if steps == whole else steps / whole
        return View(line, share, result, running=False, failed=bool(problem), file=file)


def sentence(error: Exception, *files: Path) -> str:
    """The text of an error for the user; paths of uploads are replaced by their names."""
    if is_out_of_memory(error):
        return "not enough memory; a smaller size needs less"
    if not isinstance(error, ValueError | OSError):
        traceback.print_exception(error)
        return f"this should not have happened ({type(error).__name__}); the terminal has more"
    text = reason(error)
    for file in files:
        text = text.replace(str(file), file.name)
    return " ".join(text.split())
