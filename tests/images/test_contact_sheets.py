import itertools
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image, ImageFont

from jnst.images import contact_sheets
from jnst.images.contact_sheets import contact_sheet

COLORS = [np.array(color) / 255 for color in ((200, 30, 40), (20, 160, 60), (40, 50, 210))]


def flat(color, shape):
    return np.broadcast_to(color, (*shape, 3)).astype(np.float32)


def box(array, color):
    """(top, bottom, left, right) of what has a color, and whether all in it has."""
    found = np.abs(array - color).max(-1) < 2 / 255
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    inside = found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1), inside


def test_pictures_keep_their_shape_and_their_order():
    shapes = [(40, 20), (20, 40), (300, 150)]
    images = [flat(*pair) for pair in zip(COLORS, shapes, strict=True)]
    array = contact_sheet(images, ["one", "two", "three"], columns=2, cell=100)
    assert array.dtype == np.float32 and array.shape[2] == 3
    boxes = []
    for color, (height, width) in zip(COLORS, shapes, strict=True):
        (top, bottom, left, right), inside = box(array, color)
        scale = 100 / max(height, width)
        assert inside
        assert (bottom - top, right - left) == (round(height * scale), round(width * scale))
        boxes.append((top, bottom, left, right))
    first, second, third = boxes
    assert first[3] < second[2] and first[1] == second[1]  # beside each other, on one line
    assert third[0] > first[1] and third[2] + third[3] == first[2] + first[3]  # in one column
    assert (array[[0, -1]] == 1).all() and (array[:, [0, -1]] == 1).all()


def test_every_picture_has_its_label_under_it():
    images = [flat(color, (8, 8)) for color in COLORS]
    with_label = contact_sheet(images, ["one", "", "three"], columns=3, cell=64)
    without = contact_sheet(images, ["", "", ""], columns=3, cell=64)
    assert with_label.shape == without.shape
    rows, columns = np.nonzero((with_label != without).any(-1))
    assert rows.min() >= box(without, COLORS[0])[0][1]
    (first, second, third) = (box(without, color)[0] for color in COLORS)
    for _, _, left, right in (first, third):
        assert ((columns >= left) & (columns < right)).any()
    assert not ((columns >= second[2]) & (columns < second[3])).any()


@pytest.mark.parametrize(
    "text", ["x" * 300, "a label / of\nseveral\twords " * 9, "\x1b[31mred", ""]
)
def test_labels_stay_in_their_column(text):
    array = contact_sheet([flat(COLORS[0], (8, 8))] * 2, [text, ""], columns=2, cell=64)
    without = contact_sheet([flat(COLORS[0], (8, 8))] * 2, ["", ""], columns=2, cell=64)
    columns = np.nonzero((array != without).any((0, 2)))[0]
    _, _, left, right = box(without[:, : without.shape[1] // 2], COLORS[0])[0]
    assert all(left - 1 <= column <= right for column in columns)
    assert bool(len(columns)) == bool(text)


def test_the_middle_of_a_long_label_is_left_out():
    font = ImageFont.load_default(14)
    text = "".join(map(str, range(100)))
    shortened = contact_sheets._shorten(text, font, 120)
    first, last = shortened.split("…")
    assert text.startswith(first) and text.endswith(last) and abs(len(first) - len(last)) <= 1
    assert 105 < font.getlength(shortened) <= 120
    assert contact_sheets._shorten("short", font, 120) == "short"
    assert contact_sheets._shorten(text, font, 1) == "…"


@pytest.mark.parametrize("shape", [(30, 30), (20, 60), (60, 20)])
@pytest.mark.parametrize("count", [4, 25, 60])
def test_the_sheet_is_about_a_square(shape, count):
    array = contact_sheet([flat(COLORS[0], shape)] * count, ["x"] * count, cell=32)
    assert 0.6 < array.shape[0] / array.shape[1] < 1.7


def test_no_empty_columns():
    images = [flat(color, (8, 8)) for color in COLORS]
    widths = [contact_sheet(images, "abc", columns=n, cell=32).shape[1] for n in (1, 2, 3, 9)]
    assert widths[2] == widths[3]
    assert all(x < y for x, y in itertools.pairwise(widths[:3]))


def test_pixels_are_those_of_the_pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    array = contact_sheet([pixels / np.float32(255)], ["x"], cell=32)
    gap = 4
    assert (np.rint(array * 255)[gap : gap + 32, gap : gap + 32] == pixels).all()
    assert Image.fromarray(np.rint(array * 255).astype(np.uint8)).size == (40, array.shape[0])


@pytest.mark.parametrize(
    ("count", "labels", "options", "message"),
    [
        (0, [], {}, "images is empty; at least one is accepted"),
        (2, ["a"], {}, "labels has 1 entries; expected 2, one each"),
        (1, ["a"], {"columns": 0}, "columns is 0; a whole number of at least 1 is accepted"),
        (
            1,
            ["a"],
            {"cell": 2.5},
            "cell is 2.5; a whole number of at least 1 and at most 10000 is accepted",
        ),
    ],
)
def test_wrong_arguments(count, labels, options, message):
    with pytest.raises(ValueError) as error:
        contact_sheet([flat(COLORS[0], (8, 8))] * count, labels, **options)
    assert str(error.value) == message


def test_strips_and_files_are_opened_small(tmp_path, monkeypatch):
    strips = [flat(COLORS[0], (2, 900)), flat(COLORS[1], (900, 2))]
    array = contact_sheet(strips, ["wide", "high"], columns=2, cell=64)
    (top, bottom, left, right), _ = box(array, COLORS[0])
    assert (bottom - top, right - left) == (1, 64)
    Image.fromarray(np.zeros((400, 300, 3), np.uint8)).save(tmp_path / "a.png")
    opened = []
    open_picture = contact_sheets.open_picture

    def noted(*arguments, **options):
        opened.append(open_picture(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(contact_sheets, "open_picture", noted)
    contact_sheet([tmp_path / "a.png"], ["a"], cell=80)
    assert max(opened[0].image.shape) < 100


def test_a_sheet_that_memory_does_not_hold(monkeypatch):
    free = SimpleNamespace(available=20 * 300 * 300)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ValueError, match=r"pixels need about .* GB are free"):
        contact_sheet([flat(COLORS[0], (8, 8))] * 9, "x" * 9, cell=256)
