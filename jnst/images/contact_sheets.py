"""Contact sheets: many small pictures on one, each with a label."""

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from jnst.common.validation import whole_number
from jnst.images.files import check_picture_memory
from jnst.images.pixels import to_uint8
from jnst.images.resizing import fit_size, resize_image
from jnst.images.sources import Source, listed, numbered, open_picture

LARGEST_CELL = 10_000  # pixels
_SMALLEST_FONT = 10  # pixels
_Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def contact_sheet(
    images: Sequence[Source],
    labels: Sequence[str],
    *,
    columns: int | None = None,
    cell: int = 256,
) -> Float[np.ndarray, "height width 3"]:
    """Images on white, row by row, each above its label.

    The longer side of every image becomes `cell` pixels; a row is as high as its highest image. A
    label is one line; the middle of a label that is wider than a cell is left out. By default
    there are as many `columns` as make the sheet about square.

    Raises:
        ValueError: there are no images, or not one label for each; `columns` or `cell` is not a
            whole number of at least 1; the sheet needs more memory than is free.

    >>> dark, light = np.zeros((8, 8, 3)), np.ones((8, 8, 3))
    >>> jnst.contact_sheet([dark, light], ["dark", "light"], cell=32).shape
    (52, 76, 3)
    """
    sources = listed("images", images)
    if not sources:
        raise ValueError("images is empty; at least one is accepted")
    if len(labels) != len(sources):
        raise ValueError(f"labels has {len(labels)} entries; expected {len(sources)}, one each")
    cell = whole_number("cell", cell, minimum=1, maximum=LARGEST_CELL)
    fitted = [_fitted(name, source, cell) for name, source in numbered("image", sources)]
    font = ImageFont.load_default(max(_SMALLEST_FONT, round(cell / 18)))
    gap, line = max(4, cell // 16), math.ceil(font.getbbox("Ag")[3])
    if columns is None:
        columns = _square_columns([image.size for image in fitted], cell + gap, line + 2 * gap)
    columns = min(whole_number("columns", columns, minimum=1), len(fitted))
    rows = [range(len(fitted))[start : start + columns] for start in range(0, len(fitted), columns)]
    heights = [max(fitted[place].height for place in row) for row in rows]
    size = columns * (cell + gap) + gap, sum(heights) + len(rows) * (line + 2 * gap)
    check_picture_memory((size[1], size[0]), 4, 1, blended=False)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, place in enumerate(row):
            picture, left = fitted[place], gap + column * (cell + gap)
            sheet.paste(
                picture, (left + (cell - picture.width) // 2, top + height - picture.height)
            )
            label = _shorten(_one_line(labels[place]), font, cell)
            text = left + cell / 2, top + height + gap / 4
            draw.text(text, label, fill="black", font=font, anchor="ma")
        top += height + line + 2 * gap
    return np.asarray(sheet, np.float32) / 255


def _fitted(name: str, source: Source, cell: int) -> Image.Image:
    image = open_picture(name, source, size=cell).image
    fitted = resize_image(image, fit_size(image.shape[:2], cell))
    return Image.fromarray(to_uint8(fitted))


def _square_columns(sizes: Sequence[tuple[int, int]], width: int, margin: int) -> int:
    """The number of columns of this width that brings the sheet nearest to a square."""
    height = sum(high for _, high in sizes) / len(sizes) + margin
    return max(1, round(math.sqrt(len(sizes) * height / width)))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def _shorten(text: str, font: _Font, width: int) -> str:
    """The text, with an ellipsis for the part of its middle that does not fit."""
    if font.getlength(text) <= width:
        return text

    def length(kept: int) -> int:
        return math.ceil(font.getlength(_ends(text, kept)))

    kept = bisect_right(range(len(text)), width, key=length) - 1
    return _ends(text, max(0, kept))


def _ends(text: str, kept: int) -> str:
    last = kept // 2
    return text[: kept - last] + "…" + text[len(text) - last :]
