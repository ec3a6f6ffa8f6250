"""The two pictures of the demo, drawn by code: a landscape, and a painting of swirling strokes."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFilter

from jnst.images.encoding import save_image

SIZE = 320
"""Longer side of the demo's result in pixels."""

_SCALE = 4  # drawn this many times larger, for smooth edges
_HEIGHT, _WIDTH = 240 * _SCALE, 320 * _SCALE


def write_pictures(content: Path, style: Path) -> tuple[Path, Path]:
    """Draw the landscape to `content` and the painting to `style`; returns both paths."""
    save_image(content, draw_landscape())
    save_image(style, draw_painting())
    return content, style


def draw_landscape() -> Float[np.ndarray, "240 320 3"]:
    """A house and poplars by a lake under hills and a low sun, in [0, 1]."""
    rng = np.random.default_rng(1)
    rows = np.linspace(0, 1, _HEIGHT)[:, None, None]
    sky = (1 - rows) * np.array([88, 138, 196]) + rows * np.array([250, 214, 170])
    canvas = Image.fromarray(np.tile(sky, (1, _WIDTH, 1)).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    draw.ellipse(_box(0.72, 0.3, 0.05), fill=(255, 240, 190))
    across = np.linspace(0, 1, 65)
    for horizon, roughness, color in (
        (0.42, 0.09, (120, 138, 168)), (0.52, 0.07, (94, 120, 118)), (0.6, 0.04, (92, 118, 70)),
    ):  # fmt: skip
        frequencies = np.array([[1], [2], [3], [5], [9]])
        phases = rng.random((5, 1))
        waves = np.sin(2 * np.pi * (frequencies * across + phases)) / frequencies
        ridge = horizon + roughness * waves.sum(0)
        draw.polygon(_pixels([*zip(across, ridge, strict=True), (1, 1), (0, 1)]), fill=color)
    for x, y, height in ((0.1, 0.74, 0.42), (0.19, 0.72, 0.34), (0.9, 0.75, 0.38)):
        waist = y - 0.3 * height
        poplar = [(x, y - height), (x + 0.035, waist), (x, y), (x - 0.035, waist)]
        draw.polygon(_pixels(poplar), fill=(40, 66, 44))
    draw.rectangle(_pixels([(0.4, 0.52), (0.64, 0.72)]), fill=(226, 208, 178))
    roof = [(0.37, 0.53), (0.45, 0.38), (0.6, 0.38), (0.67, 0.53)]
    draw.polygon(_pixels(roof), fill=(158, 70, 50))
    for x in (0.43, 0.5, 0.57):
        draw.rectangle(_pixels([(x, 0.57), (x + 0.035, 0.64)]), fill=(62, 66, 84))
    shore = int(0.74 * _HEIGHT)
    mirrored = canvas.crop((0, 2 * shore - _HEIGHT, _WIDTH, shore)).transpose(
        Image.Transpose.FLIP_TOP_BOTTOM
    )
    water = Image.blend(mirrored, Image.new("RGB", mirrored.size, (70, 104, 128)), 0.45)
    canvas.paste(water.filter(ImageFilter.BoxBlur(_SCALE)), (0, shore))
    return _finish(canvas)


def draw_painting() -> Float[np.ndarray, "240 320 3"]:
    """Thick strokes of ultramarine, turquoise, ochre and cream along eddies, in [0, 1]."""
    rng = np.random.default_rng(2)
    blues = [(22, 38, 96), (34, 84, 158), (70, 146, 178)]
    palette = np.array([*blues, (232, 184, 70), (246, 232, 180), (168, 74, 40)])
    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), (26, 44, 92))
    draw = ImageDraw.Draw(canvas)
    centers = rng.random((7, 2)) * (_WIDTH, _HEIGHT)
    spins = rng.choice([-1, 1], 7)
    for _ in range(5200):
        point = rng.random(2) * (_WIDTH, _HEIGHT)
        offsets = point - centers
        nearness = np.exp(-np.square(offsets).sum(1) / (0.17 * _WIDTH) ** 2)
        warmth = nearness.max() + 0.12 * rng.standard_normal()
        first = np.searchsorted([0.1, 0.3, 0.55, 0.75, 0.93], warmth)
        color = palette[first] + rng.normal(0, 14, 3)
        path = [point]
        for _ in range(6):
            offsets = path[-1] - centers
            pull = spins * np.exp(-np.linalg.norm(offsets, axis=1) / (0.16 * _WIDTH))
            along = (pull[:, None] * offsets[:, ::-1] * (-1, 1)).sum(0) + np.array((12, 4))
            path.append(path[-1] + 3.2 * _SCALE * along / np.linalg.norm(along))
        width = int(rng.uniform(2, 4.2) * _SCALE)
        for shift, shade in ((0, 0.78), (-width // 4, 1.0)):
            line = [(x, y + shift) for x, y in path]
            tint = tuple((shade * color).clip(0, 255).astype(int))
            draw.line(line, fill=tint, width=width * 3 // 4, joint="curve")
    return _finish(canvas)


def _box(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    x, y, radius = x * _WIDTH, y * _HEIGHT, radius * _WIDTH
    return [(x - radius, y - radius), (x + radius, y + radius)]


def _pixels(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * _WIDTH, y * _HEIGHT) for x, y in points]


def _finish(canvas: Image.Image) -> Float[np.ndarray, "240 320 3"]:
    small = canvas.resize((_WIDTH // _SCALE, _HEIGHT // _SCALE), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255
