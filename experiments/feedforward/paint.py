"""Paint photographs with a trained network, one pass each.

    python experiments/feedforward/paint.py starry photo.jpg other.jpg -o painted
    python experiments/feedforward/paint.py three photo.jpg -o painted --shares 0.5 0.5 0

The first argument is the folder of train.py. `--shares` mixes the styles of a network that has
many, and should sum to 1; without it a photograph is painted in each of them. A photograph may have
any size. Strokes are of the pixels that the network was trained with: larger photographs get finer
ones. What to see: milliseconds for each picture, and the same manner in all of them.
"""

import argparse
import time
from pathlib import Path

import jax
import model
import numpy as np

import jnst


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("model", type=Path, help="folder of the network")
    parser.add_argument("photographs", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--shares", type=float, nargs="+", help="one number for each style")
    options = parser.parse_args()
    settings = model.read_settings(options.model)
    names = [f"{number}-{Path(style).stem}" for number, style in enumerate(settings.styles)]
    mixtures = dict(zip(names, np.eye(len(names)), strict=True))
    if options.shares:
        if len(options.shares) != len(names):
            parser.error(f"--shares takes {len(names)} numbers, for {', '.join(names)}")
        mixtures = {"mixture": np.array(options.shares)}
    state = model.load(options.model, settings)
    options.output.mkdir(parents=True, exist_ok=True)
    for path in options.photographs:
        photograph = jnst.load_image(path, size=options.size)
        for name, shares in mixtures.items():
            jax.block_until_ready(model.paint(state, photograph, shares))  # compiles once a size
            start = time.perf_counter()
            image = jax.block_until_ready(model.paint(state, photograph, shares))
            milliseconds = 1000 * (time.perf_counter() - start)
            written = options.output / f"{path.stem}-{name}.png"
            jnst.save_image(written, image)
            print(f"{written}: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
