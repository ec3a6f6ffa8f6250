"""The command `jnst`: a thin face of the API."""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jnst import demo
from jnst.checks import whole_number
from jnst.cli_common import add_command, printable, terminal
from jnst.cli_network import add_network_commands, fetch, is_to_be_fetched
from jnst.config import Config
from jnst.images import check_writable, load_picture, save_image
from jnst.masks import load_masks
from jnst.networks import NetworkWarning, load_network
from jnst.optimize import DivergedError
from jnst.presets import NETWORKS, PRESETS, preset
from jnst.pyramid import plan_levels
from jnst.record import Result, load_recipe
from jnst.stylize import reconstruct_steps, stylize, stylize_steps, texture_steps
from jnst.version import __version__
from jnst.vgg import Network
from jnst.video import load_frames, save_gif, stylize_frames

INTERRUPTED = 130  # the shells' 128 + SIGINT
METAVARS = {int: "N", float: "X", str: "NAME"}


def script() -> NoReturn:
    """The installed command: `main`, and the end of the process."""
    status = main()
    if status == INTERRUPTED:
        # XLA may still compile or run on its own threads, and crash if Python is taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 for a refused input, 1 for a run that diverged."""
    options = _parser().parse_args(arguments)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with _warnings_in_one_line():
            return options.run(options)
    except (ValueError, OSError) as error:
        return _fail(str(error), status=2)
    except DivergedError as error:
        return _fail(str(error), status=1)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail("not enough memory, a smaller --size needs less", status=1)
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted before there was anything", INTERRUPTED)


def stylize_command(options: argparse.Namespace) -> int:
    """`jnst stylize`: a picture in the manner of others."""
    if options.like and options.preset:
        raise ValueError("--preset and --like are both whole recipes; one of them is accepted")
    recipe = load_recipe(options.like) if options.like else {"config": {}, "network": {}}
    config = _config(options, recipe["config"])
    styles = [str(style) for style in options.style]
    name = f"{options.content.stem}-{options.style[0].stem}.png"
    out = _output(options, name)
    masks = _masks(options)
    network = _network(options, [options.content, *options.style], recipe)
    results = stylize_steps(options.content, styles, network=network, config=config, **masks)
    return _write_last(results, out, options.save_every)


def texture_command(options: argparse.Namespace) -> int:
    """`jnst texture`: a new texture like pictures, without a content."""
    out = _output(options, f"{options.style[0].stem}-texture.png")
    network = _network(options, options.style)
    config = _config(options, {"init": "colours", "content_layers": ()})
    results = texture_steps(list(map(str, options.style)), network=network, config=config)
    return _write_last(results, out, options.save_every)


def reconstruct_command(options: argparse.Namespace) -> int:
    """`jnst reconstruct`: what a layer keeps of a picture, from noise."""
    out = _output(options, f"{options.content.stem}-{options.layer}.png")
    network = _network(options, [options.content])
    given = {"init": "noise", "content_layers": (options.layer,), "style_layers": ()}
    results = reconstruct_steps(options.content, network=network, config=_config(options, given))
    return _write_last(results, out, options.save_every)


def interpolate_command(options: argparse.Namespace) -> int:
    """`jnst interpolate`: a strip of pictures from one style to another."""
    whole_number("--count", options.count, minimum=2)
    out = _output(options, f"{options.content.stem}-interpolated.png")
    network = _network(options, [options.content, *options.style])
    config = _config(options, {})
    pictures: list[np.ndarray] = []
    try:
        for share in np.linspace(0, 1, options.count):
            blend = (1 - share, share)
            result = stylize(
                options.content,
                list(map(str, options.style)),
                network=network,
                config=config.replace(style_blend=blend),
            )
            pictures.append(result.image)
            terminal().print(f"{len(pictures)} of {options.count}")
    finally:
        if pictures:  # what there is, is never lost
            with _uninterrupted():
                save_image(out, np.concatenate(pictures, 1), recipe=json.dumps(result.recipe()))
    terminal().print(f"wrote {out}", markup=False, soft_wrap=True)
    return 0


def video_command(options: argparse.Namespace) -> int:
    """`jnst video`: a GIF or a folder of frames, each started from the last."""
    frames = load_frames(options.frames)
    out = options.output
    gif = out.suffix.lower() == ".gif"
    if not gif and out.suffix:
        raise ValueError(f"{out}: a .gif file or a folder is accepted")
    if gif and not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")
    if not gif:
        out.mkdir(parents=True, exist_ok=True)
    network = _network(options, options.style)
    config = _config(options, {})
    results = stylize_frames(
        frames,
        list(map(str, options.style)),
        flows=options.flow,
        frame_steps=whole_number("--frame-steps", options.frame_steps, minimum=1),
        network=load_network(network),
        config=config,
    )
    done = []
    for number, result in enumerate(results, 1):
        if not gif:
            result.save(out / f"frame-{number:04}.png")
        done.append(result.image)
        terminal().print(f"{number} of {len(frames)}")
        if gif:  # what there is, is never lost
            save_gif(out, done)
    terminal().print(f"wrote {out}", markup=False, soft_wrap=True)
    return 0


def presets_command(_: argparse.Namespace) -> int:
    """`jnst presets`: the recipes side by side, where they differ."""
    configs = {name: preset(name) for name in PRESETS}
    table = Table("", *configs, box=None, pad_edge=False)
    table.add_row("network", *NETWORKS.values())
    for field in dataclasses.fields(Config):
        values = [str(getattr(config, field.name)) for config in configs.values()]
        if len(set(values)) > 1:
            table.add_row(field.name, *map(Text, values))
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
    return 0


def _config(options: argparse.Namespace, base: dict[str, Any]) -> Config:
    """The settings of a preset, of a recipe or a command, and those that were given."""
    names = {field.name for field in dataclasses.fields(Config)} & vars(options).keys()
    given = {name: vars(options)[name] for name in names}
    return preset(options.preset or "fast").replace(**base).replace(**given)


def _output(options: argparse.Namespace, name: str) -> Path:
    if vars(options).get("save_every") is not None:
        whole_number("--save-every", options.save_every, minimum=1)
    out = options.output or _free_name(name)
    check_writable(out)
    return out


def _network(
    options: argparse.Namespace, pictures: Sequence[Path], recipe: dict[str, Any] | None = None
) -> str:
    """The name or file of the network; fetched once it is sure that the pictures can be read."""
    made_with = (recipe or {"network": {}})["network"].get("load")
    network = options.network or made_with or NETWORKS[options.preset or "fast"]
    if is_to_be_fetched(network):
        for picture in pictures:
            load_picture(picture)
        fetch(network)
    if recipe and recipe["network"] and not options.network:
        _same_network(load_network(network), recipe)
    return network


def _masks(options: argparse.Namespace) -> dict[str, Any]:
    count = len(options.style)
    return {
        "content_masks": load_masks(options.content_masks, count) if options.content_masks else (),
        "style_masks": load_masks(options.style_masks, count) if options.style_masks else (),
    }


def demo_command(options: argparse.Namespace) -> int:
    """`jnst demo`: pictures that the package draws itself, and what it makes of them."""
    options.output.mkdir(parents=True, exist_ok=True)
    paths = [options.output / f"{name}.png" for name in ("content", "style", "result")]
    check_writable(paths[-1])
    content, style = demo.write_pictures(*paths[:2])
    return _write_last(stylize_steps(content, style, size=demo.SIZE), paths[-1], save_every=None)


def show_command(options: argparse.Namespace) -> int:
    """`jnst show`: the recipe inside a result, as JSON."""
    print(json.dumps(load_recipe(options.picture), indent=2))
    return 0


def _write_last(results: Iterator[Result], out: Path, save_every: int | None) -> int:
    started = time.monotonic()
    status, outcome = 0, ""
    result = next(results)
    saved = 0
    try:
        with _progress_bar(result) as advance:
            for result in results:
                advance(result)
                if save_every and result.steps // save_every > saved:
                    saved = result.steps // save_every
                    result.save(out.with_stem(f"{out.stem}-{result.steps:04}"))
    except KeyboardInterrupt:
        if not result.steps:
            raise
        status, outcome = INTERRUPTED, "interrupted: "
    except DivergedError as error:
        result = dataclasses.replace(result, image=error.image)
        status, outcome = 1, f"{error}: "
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        status, outcome = 1, "not enough memory, a smaller --size needs less: "
    with _uninterrupted():
        result.save(out)
    seconds = time.monotonic() - started
    report = f"{outcome}wrote {out}, {result.steps} of {result.config.steps} steps, {seconds:.0f} s"
    if status:
        return _fail(report, status)
    terminal().print(report, markup=False, soft_wrap=True)
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Who presses Ctrl-C twice wants the picture all the same."""
    names = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(name, signal.SIG_IGN) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, handlers, strict=True):
            signal.signal(name, handler)


@contextlib.contextmanager
def _progress_bar(result: Result) -> Iterator[Callable[[Result], None]]:
    """Yields a function to call with every later Result; shows nothing unless on a terminal."""
    shape, config = result.image.shape[:2], result.config
    levels = plan_levels(shape, config)
    # Work is counted in pixels, so that the time left is right across levels.
    work = np.repeat(
        [level.shape[0] * level.shape[1] for level in levels], [level.steps for level in levels]
    ).cumsum()
    columns = ("{task.description}", BarColumn(), "{task.fields[status]}", TimeRemainingColumn())
    clock, steps = time.monotonic(), 0
    with Progress(*columns, console=terminal(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"{max(levels[0].shape)} px", total=work[-1:].sum(), status="compiling")

        def advance(result: Result) -> None:
            nonlocal clock, steps
            rate = (result.steps - steps) / (time.monotonic() - clock)
            clock, steps = time.monotonic(), result.steps
            bar.update(
                task,
                completed=work[result.steps - 1],
                description=f"{result.history.size[-1]} px",
                status=f"step {result.steps}/{config.steps}, "
                f"loss {result.history.loss[-1]:.4g}, {rate:.2f} steps/s",
            )

        yield advance


def _same_network(network: Network, recipe: dict[str, Any]) -> None:
    if network.digest != recipe["network"]["digest"]:
        raise ValueError(
            f"the recipe was made with network {recipe['network']['name']} "
            f"({recipe['network']['digest'][:12]}), this one is {network.name} "
            f"({network.digest[:12]}); --network says which to take"
        )


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings(record=False):
        show = warnings.showwarning

        def print_warning(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, NetworkWarning):
                print(f"jnst: {printable(str(message))}", file=sys.stderr)
            else:
                show(message, category, *place, **more)

        warnings.simplefilter("always", NetworkWarning)
        warnings.showwarning = print_warning
        yield


def _fail(message: str, status: int) -> int:
    print(f"jnst: {printable(message)}", file=sys.stderr)
    return status


def _free_name(name: str) -> Path:
    """The name, or with the first number behind it that makes it new."""
    path = Path(name)
    numbers = itertools.count(2)
    while path.exists():
        path = path.with_stem(f"{Path(name).stem}-{next(numbers)}")
    return path


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message} (see {self.prog} --help)", status=2))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="jnst", description="Neural style transfer in JAX.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"jnst {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = add_command(commands, "stylize", stylize_command)
    command.add_argument("content", type=Path, help="the picture that keeps its shapes")
    command.add_argument("style", type=Path, nargs="+", help="the pictures whose manner is taken")
    command.add_argument(
        "--content-masks",
        type=Path,
        nargs="+",
        metavar="MASK",
        help="for each style the region of the content it is for (white), or one label map, its "
        "colours from dark to light; what is in none keeps its content",
    )
    command.add_argument(
        "--style-masks",
        type=Path,
        nargs="+",
        metavar="MASK",
        help="for each style the part of it that counts",
    )
    command.add_argument(
        "--like",
        type=Path,
        metavar="PICTURE",
        help="take the recipe inside a result; further options change it",
    )
    _add_run_options(command)

    command = add_command(commands, "texture", texture_command)
    command.add_argument("style", type=Path, nargs="+", help="the pictures whose texture is taken")
    _add_run_options(command)

    command = add_command(commands, "reconstruct", reconstruct_command)
    command.add_argument("content", type=Path)
    command.add_argument("--layer", default="relu4_2", help="the layer that is matched (relu4_2)")
    _add_run_options(command)

    command = add_command(commands, "interpolate", interpolate_command)
    command.add_argument("content", type=Path)
    command.add_argument("style", type=Path, nargs=2)
    command.add_argument("--count", type=int, default=5, help="pictures in the strip (%(default)s)")
    _add_run_options(command, saves=False)

    command = add_command(commands, "video", video_command)
    command.add_argument("frames", type=Path, help="a GIF, or a folder of pictures")
    command.add_argument("style", type=Path, nargs="+", help="the pictures whose manner is taken")
    command.add_argument(
        "--flow",
        type=Path,
        metavar="FOLDER",
        help="optical flow: backward_2_1.flo, forward_1_2.flo, and so on",
    )
    command.add_argument(
        "--frame-steps",
        type=int,
        default=60,
        metavar="N",
        help="steps of every frame after the first (%(default)s)",
    )
    _add_run_options(command, output="a .gif file, or a folder", saves=False)

    add_command(commands, "presets", presets_command)

    command = add_command(commands, "demo", demo_command)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("jnst-demo"),
        metavar="FOLDER",
        help="where the three pictures go (%(default)s)",
    )

    command = add_command(commands, "show", show_command)
    command.add_argument("picture", type=Path, help="a picture that jnst wrote")

    add_network_commands(commands)
    return parser


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _add_run_options(
    command: argparse.ArgumentParser, *, output: str = "", saves: bool = True
) -> None:
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=bool(output),
        help=output or "a .png, .jpg, .tif or .webp file; unset: a new name in this folder",
    )
    command.add_argument(
        "--network",
        metavar="NAME",
        help="embedded, imagenet, torchvision, or any file of VGG-19 weights; unset: the preset's",
    )
    if saves:
        command.add_argument(
            "--save-every",
            type=int,
            metavar="N",
            help="also write OUTPUT-0050.png and so on, about every N steps",
        )
    command.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="a whole recipe, which further options change (fast): see jnst presets",
    )
    for field in dataclasses.fields(Config):
        command.add_argument(f"--{field.name.replace('_', '-')}", **_option(field))


def _option(field: dataclasses.Field) -> dict[str, Any]:
    """The arguments of `add_argument` for a field of Config: its type says how it is read."""
    hint = get_type_hints(Config)[field.name]
    if isinstance(hint, types.UnionType):
        hint = get_args(hint)[0]
    option: dict[str, Any] = {"default": argparse.SUPPRESS, "type": hint}
    default = field.default
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
        option |= {"type": hint, "nargs": "+", "metavar": METAVARS[hint]}
        default = " ".join(map(str, default)) if isinstance(default, tuple) else None
    elif hint is bool:
        return option | {"type": _yes_or_no, "metavar": "yes|no", "help": field.metadata["help"]}
    elif get_origin(hint) is Literal:
        option |= {"type": str, "choices": get_args(hint)}
    else:
        option |= {"metavar": METAVARS[hint]}
    shown = f" ({default})" if default not in (None, "") else ""
    return option | {"help": field.metadata["help"] + shown}
