"""The command line of the comparison."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from processes import HERE
from rows import LEVELS, ROWS
from worker import CHUNK

EMBEDDED = HERE.parents[1] / "weights" / "embedded.h5"


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Help that does not wrap the description and shows defaults."""


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def read_arguments(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Read the command line; `description` is for its help."""
    parser = argparse.ArgumentParser(description=description, formatter_class=HelpFormatter)
    add = parser.add_argument
    add("content", help="a picture")
    add("style", help="a picture")
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="folder of the results; must not have any yet",
    )
    add("--torch-python", default=sys.executable, help="the Python that has PyTorch")
    add("--network", type=Path, default=EMBEDDED, help="a canonical .h5 file")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where both compute")
    add("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="tables to make")
    add("--rounds", type=positive, default=3, help="rounds of every row but loss")
    add("--loss-rounds", type=positive, default=1, help="rounds of the row loss, which is long")
    add(
        "--sizes",
        type=positive,
        nargs="+",
        default=[256, 512, 1024],
        help="longer sides in px for the rows step, variants, pixels and floor",
    )
    add(
        "--size",
        type=positive,
        default=512,
        help="longer side in px for the rows loss, memory and start; batch takes half of it",
    )
    add(
        "--steps",
        type=positive,
        default=15,
        help="steps of a run of step, variants, pixels, floor, batch",
    )
    add("--gradients", type=positive, default=200, help="gradients of a run of loss")
    options = parser.parse_args(arguments)
    if options.steps < 2 * CHUNK:
        parser.error(
            f"--steps is {options.steps}; the first {CHUNK} are not counted: at least {2 * CHUNK}"
        )
    least = 2 * CHUNK * LEVELS
    if options.gradients < least:
        parser.error(
            f"--gradients is {options.gradients}; the first {CHUNK} of each of {LEVELS} sizes tell "
            f"nothing of steps: at least {least}"
        )
    if "pixels" in options.only and len(set(options.sizes)) < 2:
        parser.error("the row pixels needs two --sizes")
    return options
