"""`jnst sweep`, `report` and `grid`: run many settings and show their results."""

import argparse
import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.filesize import decimal

import jnst
from jnst.cli.commands import (
    add_batch_size,
    add_command,
    add_compilation_cache,
    add_plugin,
    add_quiet,
    fail,
    interrupted_status,
    noticing,
    picture_path,
)
from jnst.cli.outputs import check_no_input
from jnst.common.console import terminal
from jnst.common.progress import count_of, duration, following, sweep_way, tell
from jnst.images.contact_sheets import contact_sheet
from jnst.images.encoding import save_image
from jnst.images.files import ImageError, check_writable
from jnst.runs.recipes import load_recipe
from jnst.sweeps.executors import check_executor, opened_executor
from jnst.sweeps.folder import labeled_pictures
from jnst.sweeps.report import PAGE, write_report


def add_sweep_commands(commands: Any) -> None:
    """Declare the commands that make and show sweeps."""
    command = add_command(commands, "sweep", sweep_command, examples=("plan.toml -o weights",))
    command.add_argument(
        "plan",
        type=Path,
        help="a TOML file with contents, styles, [settings], [grid], [[zip]]; see README",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the folder of the results; an unfinished sweep in it is continued",
    )
    add_batch_size(command)
    command.add_argument(
        "--executor",
        metavar="NAME",
        help="who runs the batches: processes:N of this machine, each with a GPU or its share of "
        "the cores; dask://HOST:PORT; slurm, with the plan's [slurm] (unset: this process)",
    )
    add_compilation_cache(command)
    add_plugin(command)
    add_quiet(command)

    command = add_command(commands, "report", report_command, computes=False)
    command.add_argument("folder", type=Path, help="the folder of a sweep")

    command = add_command(commands, "grid", grid_command, computes=False)
    command.add_argument(
        "result",
        type=picture_path,
        nargs="+",
        help="pictures of any size, or the folder of a sweep, sorted by what varies",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="PICTURE")
    command.add_argument(
        "--columns", type=int, metavar="N", help="columns; unset: the sheet is about square"
    )
    command.add_argument(
        "--cell",
        type=int,
        default=256,
        metavar="N",
        help="longer side of each picture in pixels (%(default)s)",
    )


def sweep_command(options: argparse.Namespace) -> int:
    """`jnst sweep`: run all points of a plan, or continue; write a table and a page."""
    progress: jnst.SweepProgress | None = None
    if options.executor is not None:
        check_executor(options.executor)
    opened = jnst.open_sweep(options.plan, options.output, batch_size=options.batch_size)
    outline = opened.outline()
    try:
        with opened_executor(options.executor, options.output, opened.plan.slurm) as executor:
            tell(f"{options.output}: {_tell(outline, executor is not None)}", quiet=options.quiet)
            with (
                following(options.output, quiet=options.quiet) as advance,
                contextlib.closing(opened.run(executor)) as running,
            ):
                stage = f"{outline.finished} of {count_of(outline.points, 'point')}"
                advance(outline.finished / outline.points, stage, "compiling")
                for progress in noticing(running):
                    advance(*sweep_way(progress))
    except KeyboardInterrupt:
        done = progress.done if progress else outline.finished
        return fail(
            f"interrupted: {done} of {outline.points} points are in {options.output}; "
            "the same command continues",
            interrupted_status(),
        )
    page = options.output / PAGE
    if opened.failed:
        return fail(f"{opened.failed} of {outline.points} points failed: see {page}", status=1)
    tell(f"wrote {page}", quiet=options.quiet)
    return 0


def report_command(options: argparse.Namespace) -> int:
    """`jnst report`: write the page of a sweep again, also of an unfinished one."""
    terminal().print(f"wrote {write_report(options.folder)}", markup=False, soft_wrap=True)
    return 0


def grid_command(options: argparse.Namespace) -> int:
    """`jnst grid`: a contact sheet of pictures, each with a label."""
    check_writable(options.output)
    labeled: list[tuple[Path, str]] = []
    for path in options.result:
        labeled += labeled_pictures(path) if path.is_dir() else [(path, _label(path))]
    pictures, labels = zip(*labeled, strict=True)
    check_no_input(options.output, pictures)
    sheet = contact_sheet(
        pictures,
        labels,
        columns=options.columns,
        cell=options.cell,
    )
    save_image(options.output, np.asarray(sheet))
    terminal().print(f"wrote {options.output}", markup=False, soft_wrap=True)
    return 0


def _label(path: Path) -> str:
    """The label of a picture: its name, or its recipe if the name is a number or a digest."""
    if not re.fullmatch(r"[0-9a-f]*[0-9][0-9a-f]*", path.stem, re.IGNORECASE):
        return path.stem
    try:
        recipe = load_recipe(path)
        styles = "+".join(Path(name).stem for name in recipe["styles"])
        weight = recipe["config"]["style_weight"]
    except (ImageError, KeyError, TypeError):  # no recipe, or one of another program
        return path.stem
    return f"{styles}, style_weight {weight:g}" if styles else path.stem


def _tell(outline: "jnst.Outline", shared: bool) -> str:
    left = outline.points - outline.finished
    parts = [count_of(outline.points, "point")]
    if outline.finished:
        parts.append(f"{outline.finished} already done")
    if outline.strays:
        parts.append(f"{outline.strays} in the folder are not in the plan")
    if left:
        parts.append(f"{count_of(outline.programs, 'program')} to compile")
        of = " of a machine like this one" if shared else ""
        parts.append(f"about {duration(outline.seconds)}{of} and {decimal(outline.bytes)}")
    return ", ".join(parts)
