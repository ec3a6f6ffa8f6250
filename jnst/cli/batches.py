"""`jnst batch` and `interpolate`: commands that make several pictures."""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jnst
from jnst.cli.commands import (
    add_batch_size,
    add_command,
    add_content,
    fail,
    interrupted_status,
    noticing,
    picture_path,
    uninterrupted,
)
from jnst.cli.devices import mesh_of
from jnst.cli.options import add_run_options, config_of, inputs_of, network_of, output_of
from jnst.cli.outputs import check_no_input
from jnst.common.errors import is_out_of_memory
from jnst.common.progress import BatchWay, following, tell
from jnst.common.validation import whole_number
from jnst.images.encoding import save_image
from jnst.images.files import check_writable


def add_many_commands(commands: Any) -> None:
    """Declare the commands that make several pictures."""
    command = add_command(
        commands,
        "batch",
        batch_command,
        usage="[options] CONTENT... --styles STYLE... -o FOLDER",
        examples=("photo.jpg --styles one.jpg two.jpg three.jpg -o pictures",),
    )
    command.add_argument(
        "content",
        type=picture_path,
        nargs="+",
        metavar="CONTENT",
        help="one picture, or one for each style",
    )
    command.add_argument(
        "--styles",
        type=picture_path,
        nargs="+",
        required=True,
        metavar="STYLE",
        help="one picture, one for each content, or several for one content",
    )
    add_batch_size(command)
    add_run_options(
        command, output="the folder of the results", saves=False, devices="the pictures of a batch"
    )

    command = add_command(
        commands,
        "interpolate",
        interpolate_command,
        usage="[options] CONTENT STYLE STYLE",
        examples=("photo.jpg one.jpg two.jpg --count 7 -o strip.png",),
    )
    add_content(command, "the picture")
    command.add_argument(
        "style",
        type=picture_path,
        nargs=2,
        metavar="STYLE",
        help="the styles at the two ends of the strip",
    )
    command.add_argument("--count", type=int, default=5, help="number of pictures (%(default)s)")
    add_run_options(command, saves=False, devices="the pictures")


def batch_command(options: argparse.Namespace) -> int:
    """`jnst batch`: one content in many styles, many contents in one style, or pairs."""
    folder = options.output
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is not a folder")
    names = _names(options.content, options.styles)
    for name in names:
        check_no_input(folder / name, inputs_of(options, *options.content, *options.styles))
    mesh = mesh_of(options)
    network = network_of(options, [*options.content, *options.styles])
    batches = jnst.stylize_batch_steps(
        list(map(str, options.content)),
        list(map(str, options.styles)),
        network=network,
        config=config_of(options, {}),
        batch_size=options.batch_size,
        mesh=mesh,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        check_writable(folder / name)

    def save(results: "dict[int, jnst.Result]") -> None:
        for number, result in results.items():
            result.save(folder / names[number])

    results: dict[int, jnst.Result] = {}
    interrupted = _follow(batches, folder, len(names), save, results, quiet=options.quiet)
    wrote = f"wrote {len(results)} of {len(names)} pictures to {folder}"
    diverged = [names[number] for number, result in results.items() if result.diverged is not None]
    if diverged:
        wrote += f", diverged: {', '.join(diverged)}"
    return _report(wrote, interrupted, bool(diverged), quiet=options.quiet)


def _follow(
    batches: "Iterator[jnst.BatchProgress]",
    name: Path,
    count: int,
    save: "Callable[[dict[int, jnst.Result]], None]",
    results: "dict[int, jnst.Result]",
    *,
    quiet: bool,
) -> bool:
    """Run the batches: show progress, collect `results`, and save each batch when it ends.

    Returns True if it was interrupted; the unfinished batch is then saved as it is.
    """
    with following(name, quiet=quiet) as advance:
        advance(0, f"0 of {count} pictures begun", "compiling")
        way, progress = BatchWay(count), jnst.BatchProgress({}, finished=True)
        try:
            for progress in noticing(batches):
                results.update(progress.results)
                advance(*way(progress))
                if progress.finished:
                    with uninterrupted():
                        save(progress.results)
        except KeyboardInterrupt:
            if not results:
                raise
            if not progress.finished:
                with uninterrupted():
                    save(progress.results)
            return True
    return False


def _report(wrote: str, interrupted: bool, failed: bool, *, quiet: bool) -> int:
    if interrupted or failed:
        if interrupted:
            return fail(f"interrupted: {wrote}", interrupted_status())
        return fail(wrote, status=1)
    tell(wrote, quiet=quiet)
    return 0


def _names(contents: Sequence[Path], styles: Sequence[Path]) -> list[str]:
    """content-style.png for each pair; equal names get a number."""
    count = max(len(contents), len(styles))
    pairs = itertools.islice(
        zip(itertools.cycle(contents), itertools.cycle(styles), strict=False), count
    )
    names: list[str] = []
    for content, style in pairs:
        stem = f"{content.stem}-{style.stem}"
        numbered = (f"{stem}-{number}.png" for number in itertools.count(2))
        names.append(next(n for n in itertools.chain([f"{stem}.png"], numbered) if n not in names))
    return names


def interpolate_command(options: argparse.Namespace) -> int:
    """`jnst interpolate`: a strip of pictures from one style to another."""
    pictures = [options.content, *options.style]
    out = output_of(options, f"{'-'.join(path.stem for path in pictures)}.png", pictures)
    mesh = mesh_of(options)
    network = network_of(options, pictures)
    count = whole_number("--count", options.count, minimum=2)
    batches = jnst.interpolate_steps(
        str(options.content),
        list(map(str, options.style)),
        count=count,
        network=network,
        config=config_of(options, {}),
        mesh=mesh,
    )
    results: dict[int, jnst.Result] = {}
    interrupted, short = False, ""
    try:
        interrupted = _follow(batches, out, count, lambda _: None, results, quiet=options.quiet)
    except (MemoryError, RuntimeError) as error:
        if not (is_out_of_memory(error) and results):
            raise
        short = "; it is incomplete: not enough memory"
    made = [results[number] for number in sorted(results)]
    recipe = made[0].recipe() | {"style_blends": [result.config.style_blend for result in made]}
    with uninterrupted():
        save_image(
            out, np.concatenate([result.image for result in made], 1), recipe=json.dumps(recipe)
        )
    diverged = [str(number) for number, each in enumerate(made, 1) if each.diverged is not None]
    wrote = f"wrote {out}" + (f", diverged: picture {', '.join(diverged)}" if diverged else "")
    return _report(wrote + short, interrupted, bool(diverged or short), quiet=options.quiet)
