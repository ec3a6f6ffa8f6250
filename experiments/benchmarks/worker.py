"""Shared by both workers: arguments, weights of the objective, clock, report."""

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

CONTENT_WEIGHT, STYLE_WEIGHT = 1.0, 100.0
LEARNING_RATE = 0.02
"""Adam's; L-BFGS makes unit steps."""

CHUNK = 5
"""Steps between two readings of the clock, as often as jnst returns to Python."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that both workers take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--network", required=True, help="a canonical .h5 file")
    parser.add_argument("--size", type=int, default=512, help="longer side of both pictures")
    parser.add_argument("--optimizer", choices=["adam", "lbfgs"], default="lbfgs")
    parser.add_argument("--steps", type=int, default=25, help="gradients")
    return parser


class Clock:
    """The seconds of each step: an equal share of its chunk; the first chunk has the setup too."""

    def __init__(self) -> None:
        self.called_at = time.time()
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def chunk(self, steps: int) -> None:
        """Record steps that have ended since the last call."""
        now = time.perf_counter()
        self.seconds += [(now - self._last) / steps] * steps
        self._last = now


def peak_resident_memory() -> int:
    """Peak memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def print_report(
    clock: Clock, shape: tuple[int, ...], loss: Sequence[float], size: Sequence[int], **more: Any
) -> None:
    """One JSON object: `loss`, `size` (the longer side) and `seconds` have one entry a step.

    `called_at` is the start of the clock, in seconds since the epoch; `shape` is (height, width). A
    loss that is not finite is null.
    """
    report = {
        "shape": list(shape),
        "called_at": clock.called_at,
        "seconds": clock.seconds,
        "loss": [value if math.isfinite(value) else None for value in loss],
        "size": list(size),
        **more,
    }
    print(json.dumps(report))
