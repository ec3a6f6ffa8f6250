"""Procedurally drawn pictures to learn from: dead leaves, brush strokes, hatching, 1/f texture.

The model is that of Lee, Mumford and Huang (2001), "Occlusion models for natural images":
opaque shapes, whose radii follow a power law, hide each other. This gives the edges, corners, flat
areas and scale invariance of photographs. Brush strokes stand for paintings.
"""

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from jnst.images.pixels import to_uint8

Points = Float[np.ndarray, "n 2"]
Field = Float[np.ndarray, "h w"]
Picture = Float[np.ndarray, "h w 3"]

SUPERSAMPLING = 2


def draw_picture(rng: Generator, size: int) -> Picture:
    """One picture, (size, size, 3) float32 in [0, 1], from the generator `rng`.

    A 1/f background, then three depths of leaves from far to near, each blurred by its distance
    from the depth in focus. Every other picture is painted over at some depth: see `_paint`.
    """
    side = SUPERSAMPLING * size
    palette = _draw_palette(rng)
    textures = [_draw_noise(rng, side, exponent) for exponent in (0.8, 1.2, 1.6)]
    canvas = _draw_background(rng, palette, textures)
    focus = int(rng.integers(3))
    painted_at = rng.integers(6)
    for depth in range(3):
        for radius in _draw_radii(rng, side):
            _draw_leaf(rng, canvas, palette, textures, radius)
        if depth == painted_at:
            canvas = _paint(rng, canvas)
        canvas = _blur(canvas, 0.6 + rng.uniform(0.3, 0.9) * abs(depth - focus))
    canvas = canvas.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3).mean((1, 3))
    return canvas.clip(0, 1).astype(np.float32)


def _draw_palette(rng: Generator) -> Float[np.ndarray, "n 3"]:
    """The colors of one picture: vivid, muted, or shades of a few hues."""
    lightness = rng.beta(1.2, 1.2, (12, 1))
    chroma = rng.standard_normal((12, 3))
    kind = rng.integers(3)
    if kind == 2:
        chroma = chroma[rng.integers(2, size=12)]
    chroma -= chroma.mean(1, keepdims=True)
    return (lightness + (0.22, 0.07, 0.15)[kind] * chroma).clip(0, 1)


def _draw_noise(rng: Generator, side: int, exponent: float) -> Field:
    """A periodic field of amplitude spectrum 1/f^exponent, mean 0, standard deviation 1."""
    y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    frequency = np.hypot(y, x)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / frequency**exponent
    field = np.fft.irfft2(spectrum, s=(side, side))
    return field / field.std()


def _draw_background(rng: Generator, palette: np.ndarray, textures: list[Field]) -> Picture:
    low, high = palette[rng.choice(len(palette), 2, replace=False)]
    share = 0.5 + 0.25 * textures[-1][..., None]
    return low + (high - low) * share + rng.uniform(0, 0.1) * textures[0][..., None]


def _draw_radii(rng: Generator, side: int) -> Float[np.ndarray, " n"]:
    """Some hundred radii of density r^-2.5 between side / 100 and side / 3."""
    smallest, largest = (side / 100) ** -1.5, (side / 3) ** -1.5
    share = rng.random(rng.integers(100, 500))
    return (smallest + share * (largest - smallest)) ** (-1 / 1.5)


def _draw_leaf(
    rng: Generator,
    canvas: Picture,
    palette: np.ndarray,
    textures: list[Field],
    radius: float,
) -> None:
    """Draw one opaque shape into the canvas, in place."""
    side = len(canvas)
    points = _draw_outline(rng, radius) + rng.uniform(-0.1 * side, 1.1 * side, 2)
    left, top = np.floor(points.min(0)).clip(0, side).astype(int)
    right, bottom = np.ceil(points.max(0) + 1).clip(0, side).astype(int)
    if left == right or top == bottom:
        return
    mask = Image.new("1", (right - left, bottom - top))
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points - (left, top)], fill=1)
    x, y = (np.mgrid[left:right, top:bottom].T - points.mean(0)).T / radius
    shade = _draw_shade(rng, x.T, y.T, textures)
    color = palette[rng.integers(len(palette))] + 0.03 * rng.standard_normal(3)
    leaf = color + shade[..., None] * (0.5 + 0.5 * color)
    covered = np.asarray(mask)
    canvas[top:bottom, left:right][covered] = leaf[covered]


def _draw_outline(rng: Generator, radius: float) -> Points:
    """The polygon of an ellipse, a polygon, a bar or a curved stroke around (0, 0)."""
    kind = rng.integers(4)
    if kind == 0:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        points = np.stack([np.cos(angle), rng.uniform(0.3, 1) * np.sin(angle)], 1)
    elif kind == 1:
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        points = np.stack([np.cos(angle), np.sin(angle)], 1)
        points *= rng.uniform(0.5, 1.2, (len(angle), 1))
    elif kind == 2:
        width = rng.uniform(0.05, 0.5)
        points = np.array([(-1.5, -width), (1.5, -width), (1.5, width), (-1.5, width)])
    else:
        along = np.linspace(-1, 1, 20)
        spine = np.stack([2 * along, rng.uniform(0, 1.5) * along**2], 1)
        widths = rng.uniform(0.08, 0.35) * np.sqrt(1.02 - along**2)
        normal = np.gradient(spine, axis=0)[:, ::-1] * (-1, 1)
        normal *= (widths / np.linalg.norm(normal, axis=1))[:, None]
        points = np.concatenate([spine + normal, (spine - normal)[::-1]])
    cosine, sine = np.cos(turn := rng.uniform(0, 2 * np.pi)), np.sin(turn)
    return radius * points @ np.array([(cosine, sine), (-sine, cosine)])


def _draw_shade(rng: Generator, x: Field, y: Field, textures: list[Field]) -> Field:
    """Light and dark over a leaf: a gradient, 1/f texture; on a quarter of leaves stripes."""
    turn = rng.uniform(0, 2 * np.pi)
    across = np.cos(turn) * x + np.sin(turn) * y
    texture = textures[rng.integers(len(textures))]
    top, left = rng.integers(len(texture), size=2)
    rows = np.arange(top, top + x.shape[0]) % len(texture)
    columns = np.arange(left, left + x.shape[1]) % len(texture)
    shade = 0.15 * rng.random() * across
    shade = shade + 0.15 * rng.random() ** 2 * texture[np.ix_(rows, columns)]
    if rng.random() < 0.25:
        wave = np.sin(rng.uniform(4, 25) * (across + 0.2 * y**2))
        shade = shade + rng.uniform(0.05, 0.3) * np.tanh(rng.uniform(0.5, 4) * wave)
    return shade


def _paint(rng: Generator, canvas: Picture) -> Picture:
    """Paint the canvas over in strokes along a smooth field of directions, in its own colors.

    Strokes are long or short; lines of much darker or lighter strokes are hatching.
    """
    side = len(canvas)
    turn = rng.uniform(0, 2 * np.pi) + rng.uniform(0.2, 1.5) * _draw_noise(rng, side, 2.2)
    width = side * rng.uniform(0.004, 0.02)
    length = width * rng.uniform(3, 12)
    contrast = rng.uniform(0.03, 0.2)
    picture = _to_image(canvas)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.uniform(0.5, 2) * side**2 / (width * length))):
        point = rng.uniform(0, side, 2)
        row, column = point.astype(int)
        color = canvas[row, column] + contrast * rng.standard_normal()
        path = [point]
        for _ in range(5):
            row, column = path[-1].astype(int).clip(0, side - 1)
            direction = np.array([np.sin(turn[row, column]), np.cos(turn[row, column])])
            path.append(path[-1] + length / 5 * direction)
        fill = tuple((255 * color.clip(0, 1)).astype(int).tolist())
        line = [(x, y) for y, x in path]
        thickness = round(width * rng.uniform(0.6, 1.4))
        draw.line(line, fill, thickness, joint="curve")
    return np.asarray(picture) / 255


def _blur(canvas: Picture, sigma: float) -> Picture:
    return np.asarray(_to_image(canvas).filter(ImageFilter.GaussianBlur(sigma))) / 255


def _to_image(canvas: Picture) -> Image.Image:
    return Image.fromarray(to_uint8(canvas))
