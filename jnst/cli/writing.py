"""The picture that a command makes: written at its end, or as far as it came."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import jnst
from jnst.cli.commands import (
    fail,
    in_whole_steps,
    interrupted_status,
    noticing,
    say,
    uninterrupted,
)
from jnst.cli.estimates import RunPace
from jnst.common.errors import DivergedError, is_out_of_memory
from jnst.common.progress import PictureWay, duration, following, tell
from jnst.images.files import ImageError

if TYPE_CHECKING:
    from jnst.runs.resuming import CheckpointFile


def unseen(_: "jnst.Result") -> None:
    """Used without `--preview`: shows nothing."""


def write_last(
    results: "Iterator[jnst.Result]",
    out: Path,
    save_every: int | None,
    checkpoint: "CheckpointFile | None" = None,
    *,
    quiet: bool,
    show: "Callable[[jnst.Result], None]" = unseen,
) -> int:
    """Write the last of the results, or what there is when the run is ended; the exit status.

    About every `save_every` steps one is written beside it. The `checkpoint` is removed where the
    run need not be gone on with. `show` is called with each result.
    """
    import jax

    started = time.monotonic()
    end = _End()
    result = next(results)
    begun = result.steps
    saved = begun // save_every if save_every else 0
    device = jax.devices()[0].platform
    levels = jnst.plan_levels(result.image.shape[:2], result.config)
    steps = result.planned_steps
    pace = RunPace(device, max(result.image.shape), PictureWay(levels).work, steps)
    if begun:
        tell(f"{out}: goes on from step {begun}", quiet=quiet)
    about = "" if pace.estimate is None else f", then about {duration(pace.estimate)}"
    way = PictureWay(levels, begin=f"compiling for {device}{about}")
    try:
        with following(out, quiet=quiet) as advance:
            advance(*way(result))
            show(result)
            for result in noticing(in_whole_steps(results)):
                advance(*way(result))
                show(result)
                pace.seen(result.steps)
                if save_every and result.steps // save_every > saved:
                    saved = result.steps // save_every
                    _save_beside(out, result)
    except (KeyboardInterrupt, DivergedError, MemoryError, RuntimeError) as error:
        end = _ended_by(error, result)
        result = error.result if isinstance(error, DivergedError) else result
        results.close()  # type: ignore[attr-defined]  # which keeps its last state
    if end.status and not np.isfinite(result.history.loss).any():
        return fail(f"{end.outcome}no step was taken, nothing was written", end.status)
    with uninterrupted():
        result.save(out)
        show(result)
    seconds = time.monotonic() - started
    taken = f"{result.steps} of {steps} steps"
    report = f"{end.outcome}wrote {out}, {taken}, {seconds:.0f} s on {device}"
    if checkpoint is not None and not end.goes_on:
        checkpoint.remove()
    elif end.status > 128 and checkpoint is not None and os.path.exists(checkpoint.path):
        report = f"{report}; --resume {out} goes on"
    if end.status:
        return fail(report, end.status)
    if not begun:
        pace.keep()
    tell(report, quiet=quiet)
    return 0


class _End(NamedTuple):
    """How a run ended: the exit status, what to say of it, and whether it may be gone on with."""

    status: int = 0
    outcome: str = ""
    goes_on: bool = False


def _ended_by(error: BaseException, result: "jnst.Result") -> _End:
    """The end that an exception made, of which there is something to write; else it is raised."""
    if isinstance(error, KeyboardInterrupt) and result.steps:
        return _End(interrupted_status(), "interrupted: ", goes_on=True)
    if isinstance(error, DivergedError):  # as it would again
        return _End(1, f"{error}: ")
    if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
        return _End(1, "not enough memory; a smaller --size needs less: ", goes_on=True)
    raise error


def _save_beside(out: Path, result: "jnst.Result") -> None:
    """Write a picture of before the end; where it does not fit, the final one still may."""
    try:
        result.save(out.with_stem(f"{out.stem}-{result.steps:04}"))
    except ImageError as error:
        say(str(error))
