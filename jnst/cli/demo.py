"""`jnst demo`: a content and a style that are drawn, and the one in the style of the other."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jnst
from jnst.cli.commands import add_command, add_compilation_cache, add_quiet
from jnst.cli.writing import write_last
from jnst.images import drawings
from jnst.images.encoding import read_recipe
from jnst.images.files import ImageError, check_writable
from jnst.images.loading import load_image


def add_demo_command(commands: Any) -> None:
    """Declare `jnst demo`."""
    command = add_command(commands, "demo", demo_command)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("jnst-demo"),
        metavar="FOLDER",
        help="where the three pictures go (%(default)s)",
    )
    add_compilation_cache(command)
    add_quiet(command)


def demo_command(options: argparse.Namespace) -> int:
    """`jnst demo`: draw a content and a style, and stylize one with the other."""
    options.output.mkdir(parents=True, exist_ok=True)
    paths = [options.output / f"{name}.png" for name in ("content", "style", "result")]
    check_writable(paths[-1])
    _check_own(paths)
    content, style = drawings.write_pictures(*paths[:2])
    results = jnst.stylize_steps(content, style, size=drawings.SIZE)
    return write_last(results, paths[-1], save_every=None, quiet=options.quiet)


def _check_own(paths: Sequence[Path]) -> None:
    """ValueError if a file that the demo would replace was not written by the demo."""
    drawn = (drawings.draw_landscape(), drawings.draw_painting())
    for path, image in zip(paths, (*drawn, None), strict=True):
        if not path.exists():
            continue
        try:
            own = bool(read_recipe(path)) if image is None else _is_drawn(load_image(path), image)
        except ImageError:
            own = False
        if not own:
            raise ValueError(
                f"{path}: exists and is not a file of the demo; choose another folder with -o"
            )


def _is_drawn(image: np.ndarray, drawn: np.ndarray) -> bool:
    return image.shape == drawn.shape and bool(np.abs(image - drawn).max() < 0.01)
