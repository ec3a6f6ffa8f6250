"""`jnst stylize`, `texture`, `reconstruct` and `demo`: commands that make one picture."""

import argparse
import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jnst
from jnst.cli.app.server import check_gradio
from jnst.cli.commands import (
    add_command,
    add_content,
    add_styles,
    leaving_at_once,
    picture_path,
)
from jnst.cli.demo import add_demo_command
from jnst.cli.devices import mesh_of
from jnst.cli.options import add_run_options, config_of, network_of, output_of
from jnst.cli.resuming import checkpoint_of
from jnst.cli.writing import unseen, write_last
from jnst.common.progress import tell
from jnst.runs.recipes import load_recipe
from jnst.settings.config import OWN, Config

ROWS = "the rows of the picture, each in its own memory"
"""What devices share."""


def add_run_commands(commands: Any) -> None:
    """Declare the commands that make one picture."""
    _add_stylize(commands)
    _add_texture(commands)
    _add_reconstruct(commands)
    add_demo_command(commands)


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
    add_run_options(command, regions=_add_regions, devices=ROWS)
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
    add_run_options(command, devices=ROWS)


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
    add_run_options(command, devices=ROWS)


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
    mesh = mesh_of(options)
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
        mesh=mesh,
    )
    if len(content_masks) == 1 and len(styles) > 1:
        tell(
            f"{content_masks[0]}: one mask for {len(styles)} styles is a label map, its darkest "
            "color for the first style",
            quiet=options.quiet,
        )
    with _preview(options, out) as show:
        return write_last(
            results, out, options.save_every, checkpoint, quiet=options.quiet, show=show
        )


def _enlarged(options: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a recipe for a larger picture that begins with the one it made."""
    with leaving_at_once(options.interrupted):
        from jnst.runs.enlarging import enlarged  # with JAX

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
        return contextlib.nullcontext(unseen)
    with leaving_at_once(options.interrupted):
        app_preview = importlib.import_module("jnst.cli.app.preview")
    return app_preview.previewing(str(out), quiet=options.quiet)


def texture_command(options: argparse.Namespace) -> int:
    """`jnst texture`: a texture in the style of one or more pictures, without a content."""
    out = output_of(
        options, f"{'-'.join(path.stem for path in options.style)}-texture.png", options.style
    )
    mesh = mesh_of(options)
    network = network_of(options, options.style)
    checkpoint = checkpoint_of(options, out)
    results = jnst.texture_steps(
        list(map(str, options.style)),
        network=network,
        config=config_of(options, {"content_layers": ()}),
        checkpoint=checkpoint,
        mesh=mesh,
    )
    return write_last(results, out, options.save_every, checkpoint, quiet=options.quiet)


def reconstruct_command(options: argparse.Namespace) -> int:
    """`jnst reconstruct`: from noise, a picture with the same features at one layer."""
    out = output_of(options, f"{options.content.stem}-{options.layer}.png", [options.content])
    mesh = mesh_of(options)
    network = network_of(options, [options.content])
    given = {"content_layers": (options.layer,), "style_layers": ()}
    checkpoint = checkpoint_of(options, out)
    results = jnst.reconstruct_steps(
        options.content,
        network=network,
        config=config_of(options, given, has_style=False),
        checkpoint=checkpoint,
        mesh=mesh,
    )
    return write_last(results, out, options.save_every, checkpoint, quiet=options.quiet)
