"""Measures from the reports of workers: times, slopes, losses over time. Pure functions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from worker import CHUNK

Report = dict[str, Any]


class Curve(NamedTuple):
    """The lowest loss so far, and the gradients and seconds until then, after each step.

    With several sizes, losses are those of the last size; gradients and seconds are those of all.
    `cold` has all seconds from the call on; `warm` leaves out what happens once: reading, targets,
    compilation.
    """

    loss: np.ndarray
    gradients: np.ndarray
    cold: np.ndarray
    warm: np.ndarray


def median(values: Sequence[float | None]) -> float | None:
    """The median, or None if a value is missing."""
    present = [value for value in values if value is not None]
    return float(np.median(present)) if present and len(present) == len(values) else None


def ratio(value: float | None, other: float | None) -> float | None:
    """The first divided by the second, or None if one is missing."""
    return None if value is None or other is None else value / other


def step_seconds(reports: Sequence[Report]) -> float:
    """The median over the steps of all reports; the first chunk of each holds compilation."""
    return float(np.median(np.concatenate([report["seconds"][CHUNK:] for report in reports])))


def pixels(report: Report) -> int:
    """Height x width."""
    height, width = report["shape"]
    return height * width


def log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent p of y ~ x^p: the slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def curve(report: Report) -> Curve:
    """The curve of a run; the first chunk of steps of each size includes compilation.

    Only the total time of that chunk is known. Its steps are assumed to take as long as the later
    ones of this size; the rest is counted before them (`cold`), or not at all (`warm`).
    """
    size = np.array(report["size"])
    cold = np.array(report["seconds"], float)
    warm = cold.copy()
    for each in np.unique(size):
        steps = np.flatnonzero(size == each)
        first, rest = steps[:CHUNK], steps[CHUNK:]
        if not len(rest):
            continue
        usual = np.median(cold[rest])
        before = cold[first].sum() - usual * len(first)
        cold[first] = warm[first] = usual
        cold[first[0]] += before
    last = np.flatnonzero(size == size[-1])
    lowest = np.fmin.accumulate(np.array(report["loss"], float)[last])
    return Curve(lowest, last + 1, np.cumsum(cold)[last], np.cumsum(warm)[last])


def loss_after(curve: Curve, gradients: int) -> float | None:
    """The lowest loss after so many gradients; None if the last size has no finite one there."""
    found = curve.loss[(curve.gradients == gradients) & np.isfinite(curve.loss)]
    return float(found[0]) if len(found) else None


def first_reached(clock: np.ndarray, loss: np.ndarray, target: float) -> float | None:
    """The seconds, or gradients, until the loss is at most the target; None if it never is."""
    reached = np.flatnonzero(loss <= target)
    return float(clock[reached[0]]) if len(reached) else None
