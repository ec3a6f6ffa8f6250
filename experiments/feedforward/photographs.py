"""Squares of photographs to train on. A folder of any size can be used: COCO, or ten pictures."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps

import jnst
from jnst.images import drawings
from jnst.weights.pictures import draw_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
DRAWN = 16


def find_photographs(folder: Path) -> list[Path]:
    """All pictures of a folder and of the folders in it."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{folder} has no pictures ({', '.join(SUFFIXES)})")
    return found


def draw_photographs(folder: Path) -> list[Path]:
    """Pictures in the place of photographs: the landscape of the demo, and shapes and textures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(DRAWN):
        path = folder / f"{number:02}.png"
        image = draw_picture(rng, 256) if number else drawings.draw_landscape()
        if not path.exists():
            jnst.save_image(path, image)
    return find_photographs(folder)


def draw_batch(
    paths: Sequence[Path], step: int, count: int, size: int
) -> Float[np.ndarray, "count size size 3"]:
    """The squares of one step, the same whenever training comes to it: parts of photographs.

    A square is between 60 % and all of the photograph's shorter side. Half are mirrored.
    """
    rng = np.random.default_rng((0, step))
    return np.stack([_square(paths[rng.integers(len(paths))], rng, size) for _ in range(count)])


def _square(path: Path, rng: np.random.Generator, size: int) -> Float[np.ndarray, "size size 3"]:
    where = {"bleed": rng.uniform(0, 0.2), "centering": tuple(rng.random(2))}
    square = ImageOps.fit(_load(path, 2 * size), (size, size), Image.Resampling.LANCZOS, **where)
    if rng.random() < 0.5:
        square = ImageOps.mirror(square)
    return np.asarray(square, np.float32) / 255


@functools.lru_cache(maxsize=256)
def _load(path: Path, size: int) -> Image.Image:
    image = jnst.load_image(path, size=size)
    return Image.fromarray(np.rint(255 * np.asarray(image)).astype(np.uint8))
