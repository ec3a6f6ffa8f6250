"""`jnst network`: port, list, verify, remove and normalize networks."""

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

import rich.progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

import jnst
from jnst.cli.commands import add_command
from jnst.common.console import printable, terminal
from jnst.common.errors import NetworkError
from jnst.images.loading import load_image
from jnst.networks.downloads import cache_folder
from jnst.networks.layers import Pooling
from jnst.networks.manifest import EMBEDDED, manifest
from jnst.networks.preprocessing import CONVENTIONS


def add_network_commands(commands: Any) -> None:
    """Declare `jnst network` and its actions."""
    summary = "port, list, verify, remove and normalize networks."
    network = commands.add_parser("network", help=summary, description=summary)
    actions = network.add_subparsers(required=True, metavar="ACTION")

    command = add_command(actions, "port", port_command)
    command.add_argument("file", type=Path, help="weights of a VGG network in any format")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        help="the canonical .h5 file to write; unset: in the cache, under the name of FILE",
    )
    command.add_argument(
        "--convention",
        choices=list(CONVENTIONS),
        help="the input that a file with the names of torchvision or of Keras 3 expects: BGR 0-255 "
        "(caffe; hed has another mean), RGB 0-255 (matconvnet), or torchvision's own; unset: "
        "guessed, and caffe for Keras 3",
    )

    add_command(actions, "list", list_command)

    command = add_command(actions, "verify", verify_command)
    command.add_argument("name", nargs="?", help="a network; unset: all of the cache")

    command = add_command(actions, "remove", remove_command)
    command.add_argument("name")

    command = add_command(actions, "normalize", normalize_command)
    command.add_argument("network", help="a network's name or file")
    command.add_argument(
        "images", nargs="+", type=Path, help="pictures that the mean activations are taken over"
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the .h5 file to write")
    command.add_argument(
        "--pooling",
        choices=get_args(Pooling),
        help="unset: the pooling that the network was trained with",
    )
    command.add_argument(
        "--size", type=int, default=512, help="longer side of the pictures (%(default)s)"
    )


def port_command(options: argparse.Namespace) -> int:
    """`jnst network port`: convert a file of VGG weights to the canonical format."""
    from jnst.networks.files.formats import open_weights

    out = jnst.port_network(options.file, options.output, convention=options.convention)
    with open_weights(out) as weights:
        source, digest = printable(weights.identity["source"]), weights.identity["digest"]
    print(f"wrote {out}: {source}, digest {digest}")
    return 0


def list_command(_: argparse.Namespace) -> int:
    """`jnst network list`: all known networks with their files, sizes and digests."""
    from jnst.networks.loading import cached_networks, find_network, known_networks

    cached = {EMBEDDED: find_network(EMBEDDED), **cached_networks()}
    table = Table("name", "where", "MB", "digest", "license", box=None, pad_edge=False)
    for name in known_networks():
        if name in cached:
            row = (
                str(cached[name]),
                cached[name].stat().st_size,
                *_digest_and_license(cached[name]),
            )
        else:
            row = ("not fetched", manifest()[name].bytes, "", manifest()[name].license)
        where, size, digest, license = row
        cells = (name, where, f"{size / 1e6:.1f}", digest[:12], license)
        table.add_row(*map(Text, map(printable, cells)))
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
    return 0


def _digest_and_license(path: Path) -> tuple[str, str]:
    from jnst.networks.loading import stated_identity

    try:
        identity = stated_identity(path)
        return identity["digest"], identity.get("license", "")
    except NetworkError:
        return "damaged", ""


def verify_command(options: argparse.Namespace) -> int:
    """`jnst network verify`: check the digests of the networks in the cache."""
    from jnst.networks.loading import cached_networks, find_network

    there = {EMBEDDED: find_network(EMBEDDED), **cached_networks()}
    if options.name and options.name not in there:
        raise NetworkError(f"{options.name}: not in the cache, which has {', '.join(there)}")
    damaged = []
    for name in [options.name] if options.name else there:
        try:
            print(f"{name}: sound, digest {jnst.load_network(there[name]).digest}")
        except NetworkError as error:
            damaged.append(str(error))
    if damaged:
        raise NetworkError("; ".join(damaged))
    return 0


def remove_command(options: argparse.Namespace) -> int:
    """`jnst network remove`: delete a network from the cache."""
    from jnst.networks.loading import remove_network

    freed = remove_network(options.name)
    print(f"removed {options.name} from {cache_folder()}, {freed / 1e6:.1f} MB")
    return 0


def normalize_command(options: argparse.Namespace) -> int:
    """`jnst network normalize`: scale every filter to mean activation 1 over some pictures."""
    from jnst.networks.files.canonical import check_output

    check_output(options.output)
    images = [load_image(path, size=options.size) for path in options.images]
    fetch(options.network)
    network = jnst.normalize_network(
        jnst.load_network(options.network), images, pooling=options.pooling
    )
    jnst.write_network(options.output, network)
    print(f"wrote {options.output}: {network.name}, digest {network.digest}")
    return 0


def fetch(name: str) -> None:
    """Download a network with a progress bar, if it is in the manifest and not in the cache."""
    if not is_to_be_fetched(name):
        return
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=terminal()) as bar:
        task = bar.add_task(name, total=manifest()[name].bytes)
        try:
            jnst.fetch_network(name, progress=lambda done, total: bar.update(task, completed=done))
        except KeyboardInterrupt:
            goes_on = "begins again" if manifest()[name].package else "continues the download"
            raise KeyboardInterrupt(f"interrupted; the same command {goes_on}") from None


def is_to_be_fetched(name: str) -> bool:
    """Whether a network has to be downloaded before it can be loaded."""
    from jnst.networks.loading import cached_networks

    there = name == EMBEDDED or Path(name).is_file() or name in cached_networks()
    return not there and name in manifest()
