"""Shared by the experiments: arguments, default pictures, running a sweep."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import jnst
from jnst.images import drawings


def arguments(description: str) -> argparse.Namespace:
    """Read the command line of an experiment that has no options of its own."""
    parser = new_parser(description)
    add_arguments(parser)
    return parse(parser)


def picture_arguments(description: str) -> argparse.Namespace:
    """Read the command line of an experiment with one content, one style and one picture."""
    parser = new_parser(description)
    parser.add_argument("pictures", type=Path, nargs=2, help="a content and a style")
    parser.add_argument("-o", "--output", type=png, required=True, help="the PNG")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--steps", type=int, default=120)
    return parse(parser)


def new_parser(description: str) -> argparse.ArgumentParser:
    """A parser that keeps the lines of the description."""
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=description, formatter_class=formatter)


def png(text: str) -> Path:
    """The path of a picture that is written at the end: a wrong one is refused at once."""
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text} does not end in .png")
    return path


def add_arguments(parser: argparse.ArgumentParser, *, picture: bool = False) -> None:
    """What every experiment accepts: pictures, where the results go, the network, full size."""
    kind, output = (png, "the PNG") if picture else (Path, "folder of the results")
    parser.add_argument("pictures", type=Path, nargs="*", help="a content, and styles")
    parser.add_argument("-o", "--output", type=kind, required=True, help=output)
    parser.add_argument("--network", default="embedded")
    parser.add_argument(
        "--full", action="store_true", help="512 pixels and many steps, or much time"
    )


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, and make the folder that the output is in."""
    options = parser.parse_args()
    if len(options.pictures) == 1:
        parser.error("a content needs at least one style")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    return options


def pictures(options: argparse.Namespace) -> dict[str, Any]:
    """Contents and styles of a plan: the given ones, or the two pictures of the demo."""
    if options.pictures:
        content, *styles = map(str, options.pictures)
        return {"contents": content, "styles": styles}
    folder = options.output.with_name(f"{options.output.name}-pictures")
    folder.mkdir(parents=True, exist_ok=True)
    content, style = drawings.write_pictures(folder / "landscape.png", folder / "painting.png")
    return {"contents": str(content), "styles": [str(style)]}


def versions(styles: list[str]) -> list[str]:
    """The painting of the demo, and three pictures made from it."""
    path = Path(styles[0])
    image = jnst.load_image(path)
    others = {
        "warm": image[..., ::-1],
        "turned": np.rot90(image).copy(),
        "large": image[60:180, 80:240],
    }
    for name, other in others.items():
        styles = [*styles, str(path.with_stem(name))]
        jnst.save_image(styles[-1], other)
    return styles


def write_network(options: argparse.Namespace, name: str, network: jnst.Network) -> str:
    """Write a network beside the folder of the results, and return its path."""
    folder = options.output.with_name(f"{options.output.name}-networks")
    folder.mkdir(parents=True, exist_ok=True)
    jnst.write_network(folder / f"{name}.h5", network)
    return str(folder / f"{name}.h5")


def sweep(plan: dict[str, Any], options: argparse.Namespace) -> None:
    """Run a plan, and print its progress and the path of its page."""

    def show(progress: jnst.SweepProgress) -> None:
        end = "\r" if progress.steps else "\n"
        done, left = progress.done, progress.seconds_left
        print(f"{done} of {progress.points} points, {left:.0f} s left   ", end=end, flush=True)

    jnst.sweep(plan, options.output, callback=show)
    print(options.output / "index.html")
