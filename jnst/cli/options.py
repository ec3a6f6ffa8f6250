"""The options of every run (settings, network, output), and their meaning."""

import argparse
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from jnst.cli.commands import add_compilation_cache, add_plugin, add_quiet
from jnst.cli.devices import add_devices
from jnst.cli.networks import fetch, is_to_be_fetched
from jnst.cli.outputs import check_no_input, check_no_numbered_input
from jnst.cli.resuming import SUFFIX, add_resuming
from jnst.common.validation import whole_number
from jnst.images.files import check_writable
from jnst.images.loading import load_picture
from jnst.networks.manifest import EMBEDDED
from jnst.settings.config import OWN, Config, setting_names
from jnst.settings.fields import INITS
from jnst.settings.presets import NETWORKS, PRESETS, preset, preset_of
from jnst.settings.setting_types import setting_type

METAVARS = {int: "N", float: "X", str: "NAME"}


FIRST = "most important"
GROUPS = {
    FIRST: ("style_weight", "size", "steps", "color"),
    "look": (
        *("content_weight", "style_scale", "style_blend", "tv_weight", "init", "init_content"),
        *("seed", "laplacian_weight", "laplacian_pool", "temporal_weight"),
    ),
    "size and time": (
        "levels",
        "level_factor",
        "level_sizes",
        "level_steps",
        "margin",
        "tile",
        "tile_until",
    ),
    "regions": ("mask_propagation",),
    "layers and losses": (
        *("content_layers", "content_layer_weights", "style_layers", "style_layer_weights"),
        *("style_loss", "convention", "variation", "pooling", "precision"),
    ),
    "optimizer": (
        *("optimizer", "learning_rate", "learning_rate_decay", "pixels", "averaging"),
        "normalize_gradients",
    ),
    "files and networks": (),
}
"""The fields of Config by their heading in `--help`."""

STRENGTHS = {"subtle": 0.3, "clear": 3.0, "strong": 30.0}
"""Style weights for `--strength`."""


def add_run_options(
    command: argparse.ArgumentParser,
    *,
    output: str = "",
    saves: bool = True,
    devices: str = "",
    regions: Callable[[Any], None] | None = None,
) -> None:
    """Declare the output, the network, the preset, and an option for each field of Config.

    `output` is the help of `--output` and makes it required. `saves` adds `--save-every`,
    `devices`, what they share, `--devices`.
    `regions` is called to add options to the group of that name.
    """
    fields = {field.name: field for field in dataclasses.fields(Config)}
    groups = {title: command.add_argument_group(title) for title in GROUPS}
    first, files = groups[FIRST], groups["files and networks"]
    first.add_argument(
        "-o",
        "--output",
        type=Path,
        required=bool(output),
        help=output or "a .png, .jpg, .tif or .webp file; unset: a new file in this folder",
    )
    strength = first.add_mutually_exclusive_group()
    strength.add_argument(
        "--strength",
        choices=list(STRENGTHS),
        help=f"the style weight in words: {_words(STRENGTHS)}",
    )
    if regions:
        regions(groups["regions"])
    for title, names in GROUPS.items():
        for name in names:
            group = strength if name == "style_weight" else groups[title]
            group.add_argument(f"--{name.replace('_', '-')}", **_option(fields[name]))
    files.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="settings of a published method, which other options change; unset: the "
        "network's, or fast where there is no style; see jnst presets",
    )
    files.add_argument(
        "--network",
        metavar="NAME",
        help="embedded, hed, imagenet, torchvision, or a file of VGG weights; unset: the preset's",
    )
    if saves:
        files.add_argument(
            "--save-every",
            type=int,
            metavar="N",
            help="also write OUTPUT-0050.png, ... about every N steps",
        )
        add_resuming(files)
    if devices:
        add_devices(groups["size and time"], devices)
    add_plugin(files)
    add_quiet(files)
    add_compilation_cache(files)


def _words(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def config_of(
    options: argparse.Namespace, base: dict[str, Any], *, has_style: bool = True
) -> Config:
    """The settings of a run: the preset, changed by `base`, changed by the given options.

    `base` are the settings of a recipe or of the command. Unless a preset is given, that of a run
    that `has_style` is the network's.

    Raises:
        ValueError: a setting that is not accepted; a recipe whose first image is a file, which is
            only opened if `--init` names it.
    """
    names = {*setting_names()} & vars(options).keys()
    given = {name: vars(options)[name] for name in names}
    start = base.get("init")
    if "init" not in given and start is not None and start not in INITS:
        raise ValueError(
            f"the recipe starts from the file {start}; name it with --init, or another"
        )
    for name, value in base.items():
        if value == OWN and name not in given:
            raise ValueError(
                f"the recipe was made in Python with its own {name}; "
                f"choose one with --{name.replace('_', '-')}"
            )
    base = {name: value for name, value in base.items() if value != OWN}
    if options.preset or not has_style:
        config = preset(options.preset or "fast")
    else:
        config = preset_of(options.network or EMBEDDED)
    config = config.replace(**base).replace(**given)
    if options.strength:
        if config.convention != "relative":
            raise ValueError(
                f"--strength is for relative losses; convention is {config.convention}: use "
                f"--style-weight, which is {config.style_weight:g}"
            )
        config = config.replace(style_weight=STRENGTHS[options.strength])
    config.check_network()
    return config


def output_of(options: argparse.Namespace, name: str, pictures: Iterable[Path | None]) -> Path:
    """The file to write: `--output`, or a new file named like `name`.

    Raises:
        ValueError: it cannot be written, or it is one of the `pictures` or another input; or
            `--save-every` is not accepted.
    """
    if vars(options).get("save_every") is not None:
        whole_number("--save-every", options.save_every, minimum=1)
    out = options.output or _free_name(name)
    check_writable(out)
    inputs = inputs_of(options, *pictures)
    check_no_input(out, inputs)
    if vars(options).get("save_every"):
        check_no_numbered_input(out, inputs)
    return out


def inputs_of(options: argparse.Namespace, *pictures: Path | None) -> list[object]:
    """The pictures, and the other input files that options name."""
    return [*pictures, vars(options).get("init"), options.network]


def network_of(
    options: argparse.Namespace, pictures: Sequence[Path], recipe: dict[str, Any] | None = None
) -> str:
    """The name or file of the network; it is downloaded only if all pictures can be read."""
    from jnst.networks.loading import known_networks

    made_with = (recipe or {"network": {}})["network"].get("load")
    if made_with and not options.network and made_with not in known_networks():
        raise ValueError(
            f"the recipe was made with the network {made_with}, which is unknown here; "
            "choose a name or a file with --network"
        )
    network = options.network or made_with or NETWORKS[options.preset or "fast"]
    if is_to_be_fetched(network):
        for picture in pictures:
            load_picture(picture)
        fetch(network)
    if recipe and recipe["network"] and not options.network:
        from jnst.networks.loading import stated_identity

        _same_network(stated_identity(network), recipe)
    return network


def _same_network(network: Mapping[str, str], recipe: dict[str, Any]) -> None:
    if network["digest"] != recipe["network"]["digest"]:
        raise ValueError(
            f"the recipe was made with network {recipe['network']['name']} "
            f"({recipe['network']['digest'][:12]}), this one is {network['name']} "
            f"({network['digest'][:12]}); choose one with --network"
        )


def _free_name(name: str) -> Path:
    """The name, with the first number that makes it new if there is such a picture or run."""
    path = Path(name)
    numbers = itertools.count(2)
    while path.exists() or Path(f"{path}{SUFFIX}").exists():
        path = path.with_stem(f"{Path(name).stem}-{next(numbers)}")
    return path


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _number_or_word(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _option(field: dataclasses.Field) -> dict[str, Any]:
    """The arguments of `add_argument` for a field of Config, from its type."""
    hint, is_list, words = setting_type(field.name)
    option: dict[str, Any] = {"default": argparse.SUPPRESS, "type": hint}
    default = field.default
    if is_list:
        option |= {"nargs": "+", "metavar": METAVARS[hint]}
        default = " ".join(map(str, default)) if isinstance(default, tuple) else None
    elif hint is bool:
        return option | {"type": _yes_or_no, "metavar": "yes|no", "help": field.metadata["help"]}
    elif get_origin(hint) is Literal:
        option |= {"type": str, "choices": get_args(hint)}
    elif words:
        option |= {"type": _number_or_word, "metavar": "|".join((METAVARS[hint], *words, "none"))}
    else:
        option |= {"metavar": METAVARS[hint]}
    shown = f" ({default})" if default not in (None, "") else ""
    return option | {"help": field.metadata["help"] + shown}
