"""`jnst stylize`, `texture`, `reconstruct` and `demo`: commands that make one picture."""

import argparse
import contextlib
import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import jnst
from jnst.cli.app.server import check_gradio
from jnst.cli.commands import (
    add_command,
    add_compilation_cache,
    add_content,
    add_quiet,
    add_styles,
    fail,
    in_whole_steps,
    interrupted_status,
    is_out_of_memory,
    leaving_at_once,
    noticing,
    picture_path,
    say,
    uninterrupted,
)
from jnst.cli.estimates import RunPace
from jnst.cli.options import add_run_options, config_of, network_of, output_of
from jnst.cli.resuming import checkpoint_of
from jnst.common.errors import DivergedError
from jnst.common.progress import PictureWay, duration, following, tell
from jnst.images import drawings
from jnst.images.encoding import read_recipe
from jnst.images.files import ImageError, check_writable
from jnst.images.loading import load_image
from jnst.runs.recipes import load_recipe
from jnst.settings.config import OWN, Config
from jnst.settings.enlarging import enlarged

if TYPE_CHECKING:
    from jnst.runs.resuming import CheckpointFile


def add_run_commands(commands: Any) -> None:
    """Declare the commands that make one picture."""
    _add_stylize(commands)
    _add_texture(commands)
    _add_reconstruct(commands)
    _add_demo(commands)


def _add_stylize(commands: Any) -> None:
    command = add_command(
        commands,
        "stylize",
        stylize_command,
        usage="[options] CONTENT STYLE...",
        examples=(
            "photo.jpg painting.jpg -o out.png",
            "photo.jpg painting.jpg --strength clear --color recombine",
            "photo.jpg one.jpg two.jpg --style-blend 1 3 --size 1024",
        ),
    )
    add_content(command, "the picture whose shapes are kept")
    add_styles(command, "the pictures whose style is taken")
    add_run_options(command, regions=_add_regions)
    recipes = command.add_mutually_exclusive_group()
    recipes.add_argument(
        "--like",
        type=picture_path,
        metavar="PICTURE",
        help="use the recipe inside a result; other options change it",
    )
    recipes.add_argument(
        "--enlarge",
        type=picture_path,
        metavar="PICTURE",
        help="go on with a result at a larger --size: its recipe, from itself, through the sizes "
        "that it lacks",
    )
    command.add_argument(
        "--preview",
        action="store_true",
        help="show the picture as it grows, on a page in the browser",
    )


def _add_texture(commands: Any) -> None:
    command = add_command(
        commands,
        "texture",
        texture_command,
        usage="[options] STYLE...",
        examples=("painting.jpg -o texture.png",),
    )
    add_styles(command, "the pictures whose texture is taken")
    add_run_options(command)


def _add_reconstruct(commands: Any) -> None:
    command = add_command(
        commands,
        "reconstruct",
        reconstruct_command,
        usage="[options] CONTENT",
        examples=("photo.jpg --layer relu5_1 -o relu5_1.png",),
    )
    add_content(command, "the picture")
    command.add_argument("--layer", default="relu4_2", help="the layer that is matched (relu4_2)")
    add_run_options(command)


def _add_demo(commands: Any) -> None:
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


def _add_regions(group: Any) -> None:
    group.add_argument(
        "--content-masks",
        type=picture_path,
        nargs="+",
        metavar="MASK",
        help="one mask for each style, white where it applies; one file for several styles is a "
        "label map, its darkest color for the first style; pixels in no mask keep the content",
    )
    group.add_argument(
        "--style-masks",
        type=picture_path,
        nargs="+",
        metavar="MASK",
        help="one mask for each style, white on the part of the style that counts",
    )


def stylize_command(options: argparse.Namespace) -> int:
    """`jnst stylize`: a picture in the style of one or more others."""
    earlier = options.like or options.enlarge
    if earlier and options.preset:
        name = "--like" if options.like else "--enlarge"
        raise ValueError(f"--preset and {name} are both given; one of them is accepted")
    if options.preview:
        check_gradio()
    recipe = load_recipe(earlier) if earlier else {"config": {}, "network": {}}
    if own := recipe.get("extra_terms"):
        raise ValueError(
            f"{earlier}: was made in Python with extra terms ({', '.join(own)}); "
            "pass them to jnst.stylize as extra_terms"
        )
    if options.enlarge:
        recipe["config"] = _enlarged(options, recipe["config"])
    config = config_of(options, recipe["config"])
    styles = [str(style) for style in options.style]
    name = f"{'-'.join(path.stem for path in (options.content, *options.style))}.png"
    masks = [*(options.content_masks or ()), *(options.style_masks or ())]
    out = output_of(options, name, [options.content, *options.style, *masks, earlier])
    content_masks, style_masks = options.content_masks or [], options.style_masks or []
    pictures = [options.content, *options.style, *content_masks, *style_masks]
    network = network_of(options, pictures, recipe)
    checkpoint = checkpoint_of(options, out)
    results = jnst.stylize_steps(
        options.content,
        styles,
        content_masks=content_masks,
        style_masks=style_masks,
        network=network,
        config=config,
        checkpoint=checkpoint,
    )
    if len(content_masks) == 1 and len(styles) > 1:
        tell(
            f"{content_masks[0]}: one mask for {len(styles)} styles is a label map, its darkest "
            "color for the first style",
            quiet=options.quiet,
        )
    with _preview(options, out) as show:
        return _write_last(
            results, out, options.save_every, checkpoint, quiet=options.quiet, show=show
        )


def _enlarged(options: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a recipe for a larger picture that begins with the one it made."""
    if "size" not in vars(options):
        raise ValueError("--enlarge needs a larger --size")
    if "init" in vars(options):
        raise ValueError("--enlarge begins with the result; it takes no --init")
    own = {name: value for name, value in settings.items() if value == OWN}
    kept = {name: value for name, value in settings.items() if value != OWN}
    options.init = str(options.enlarge)
    kept |= {"init": None, "level_factor": vars(options).get("level_factor", kept["level_factor"])}
    return enlarged(Config(**kept), options.size).plain() | own


def _preview(
    options: argparse.Namespace, out: Path
) -> "contextlib.AbstractContextManager[Callable[[jnst.Result], None]]":
    if not options.preview:
        return contextlib.nullcontext(_unseen)
    with leaving_at_once(options.interrupted):
        app_preview = importlib.import_module("jnst.cli.app.preview")
    return app_preview.previewing(str(out), quiet=options.quiet)


def _unseen(_: "jnst.Result") -> None:
    """Used without `--preview`: shows nothing."""


def texture_command(options: argparse.Namespace) -> int:
    """`jnst texture`: a texture in the style of one or more pictures, without a content."""
    out = output_of(
        options, f"{'-'.join(path.stem for path in options.style)}-texture.png", options.style
    )
    network = network_of(options, options.style)
    config = config_of(options, {"content_layers": ()})
    checkpoint = checkpoint_of(options, out)
    results = jnst.texture_steps(
        list(map(str, options.style)), network=network, config=config, checkpoint=checkpoint
    )
    return _write_last(results, out, options.save_every, checkpoint, quiet=options.quiet)


def reconstruct_command(options: argparse.Namespace) -> int:
    """`jnst reconstruct`: from noise, a picture with the same features at one layer."""
    out = output_of(options, f"{options.content.stem}-{options.layer}.png", [options.content])
    network = network_of(options, [options.content])
    given = {"content_layers": (options.layer,), "style_layers": ()}
    checkpoint = checkpoint_of(options, out)
    results = jnst.reconstruct_steps(
        options.content,
        network=network,
        config=config_of(options, given, has_style=False),
        checkpoint=checkpoint,
    )
    return _write_last(results, out, options.save_every, checkpoint, quiet=options.quiet)


def demo_command(options: argparse.Namespace) -> int:
    """`jnst demo`: draw a content and a style, and stylize one with the other."""
    options.output.mkdir(parents=True, exist_ok=True)
    paths = [options.output / f"{name}.png" for name in ("content", "style", "result")]
    check_writable(paths[-1])
    _check_own(paths)
    content, style = drawings.write_pictures(*paths[:2])
    results = jnst.stylize_steps(content, style, size=drawings.SIZE)
    return _write_last(results, paths[-1], save_every=None, quiet=options.quiet)


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


def _write_last(
    results: "Iterator[jnst.Result]",
    out: Path,
    save_every: int | None,
    checkpoint: "CheckpointFile | None" = None,
    *,
    quiet: bool,
    show: "Callable[[jnst.Result], None]" = _unseen,
) -> int:
    import jax

    started = time.monotonic()
    status, outcome = 0, ""
    result = next(results)
    begun = result.steps
    saved = begun // save_every if save_every else 0
    device = jax.devices()[0].platform
    levels = jnst.plan_levels(result.image.shape[:2], result.config)
    steps = result.config.steps
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
                    try:
                        result.save(out.with_stem(f"{out.stem}-{result.steps:04}"))
                    except ImageError as error:  # the final picture may still fit
                        say(str(error))
    except KeyboardInterrupt:
        if not result.steps:
            raise
        results.close()  # type: ignore[attr-defined]  # which keeps its last state
        status, outcome = interrupted_status(), "interrupted: "
    except DivergedError as error:
        result = error.result
        status, outcome = 1, f"{error}: "
        if checkpoint is not None:
            checkpoint.remove()  # it would diverge again
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        status, outcome = 1, "not enough memory; a smaller --size needs less: "
    if status and not np.isfinite(result.history.loss).any():
        return fail(f"{outcome}no step was taken, nothing was written", status)
    with uninterrupted():
        result.save(out)
        show(result)
    seconds = time.monotonic() - started
    taken = f"{result.steps} of {steps} steps"
    report = f"{outcome}wrote {out}, {taken}, {seconds:.0f} s on {device}"
    if checkpoint is not None and not status:
        checkpoint.remove()
    if status > 128 and checkpoint is not None and os.path.exists(checkpoint.path):
        report = f"{report}; --resume {out} goes on"
    if status:
        return fail(report, status)
    if not begun:
        pace.keep()
    tell(report, quiet=quiet)
    return 0
