import numpy as np
import pytest
from PIL import Image

from jnst.images.files import ImageError
from jnst.images.masks import content_masks_of, load_labels, load_mask, style_masks_of

SHAPE = np.zeros((6, 8), np.uint8)
SHAPE[:, :4] = 255
SOFT = np.linspace(0, 255, 48).astype(np.uint8).reshape(6, 8)
COLORS = np.array([[255, 255, 0], [10, 0, 30], [0, 200, 90]], np.uint8)
LABELS = np.random.default_rng(0).integers(0, 3, (6, 8))


def save(path, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


def layered(gray, alpha):
    """Gray (or a color) on a transparent layer."""
    return np.dstack([np.broadcast_to(gray, (6, 8, 3)), alpha]).astype(np.uint8)


def test_a_gray_file_is_a_soft_mask(tmp_path):
    path = save(tmp_path / "a.png", SOFT)
    for source in (path, SOFT, SOFT / 255, SOFT[..., None]):
        np.testing.assert_allclose(load_mask(source), SOFT / 255, atol=1e-6)


@pytest.mark.parametrize("kind", [bool, np.uint8, int, float])
def test_0_and_1_are_a_mask_of_any_type(kind):
    np.testing.assert_array_equal(load_mask((SHAPE > 0).astype(kind)), SHAPE > 0)


@pytest.mark.parametrize("color", [255, 0, 128, [200, 0, 0]])
def test_one_color_on_nothing_is_a_mask_of_what_is_drawn(tmp_path, color):
    path = save(tmp_path / "a.png", layered(np.array(color), SHAPE))
    np.testing.assert_array_equal(load_mask(path), SHAPE / 255)
    np.testing.assert_allclose(load_mask(layered(np.array(color), SOFT)), SOFT / 255, atol=1e-6)


def test_grays_on_nothing_count_where_they_are_drawn():
    gray = np.dstack([SOFT] * 3)
    np.testing.assert_allclose(load_mask(layered(gray, SHAPE)), SOFT / 255 * (SHAPE > 0), atol=1e-6)
    painted = layered(np.dstack([SHAPE] * 3), np.full((6, 8), 128))
    np.testing.assert_allclose(load_mask(painted), SHAPE / 255 * 128 / 255, atol=1e-6)


def test_a_label_map_is_a_mask_for_each_color_from_dark_to_light(tmp_path):
    path = save(tmp_path / "a.png", COLORS[LABELS])
    for masks in (load_labels(path), content_masks_of([COLORS[LABELS]], (6, 8), 3)):
        for mask, number in zip(masks, (1, 2, 0), strict=True):
            np.testing.assert_array_equal(mask, number == LABELS)


def test_what_is_transparent_has_no_label():
    for mask, number in zip(load_labels(layered(COLORS[LABELS], SHAPE)), (1, 2, 0), strict=True):
        np.testing.assert_array_equal(mask, (number == LABELS) & (SHAPE > 0))


def test_masks_of_some_styles(tmp_path):
    path, mask = save(tmp_path / "a.png", SHAPE), SHAPE > 0
    assert content_masks_of((), (6, 8), 2) == style_masks_of((), [(6, 8)] * 2) == ()
    assert len(content_masks_of(path, (12, 16), 1)) == len(content_masks_of(mask, (6, 8), 1)) == 1
    assert len(content_masks_of([path, mask], (6, 8), 2)) == 2
    assert len(content_masks_of(np.stack([mask, ~mask, mask]), (6, 8), 3)) == 3
    first, second = style_masks_of([None, path], [(3, 3), (60, 80)])
    assert first is None
    np.testing.assert_array_equal(second, mask)


@pytest.mark.parametrize(
    ("given", "styles", "message"),
    [
        ([SHAPE, SHAPE], 1, "content_masks has 2 entries; expected 1, one for"),
        ([SHAPE, SHAPE], 3, "content_masks has 2 entries; expected 3, one for"),
        ([SHAPE], 0, "content_masks has 1 entries; expected 0, one for"),
        (SHAPE, 3, "content_masks is a label map of 2 colors; expected 3"),
        ([COLORS[LABELS]], 2, "content_masks is a label map of 3 colors; expected 2"),
        ([SHAPE, None], 2, "content_mask 2 is None"),
        ([SHAPE, SHAPE[:4]], 2, "content_mask 2 is 4 x 8 pixels, its picture 6 x 8"),
        (np.kron([[0, 1]], np.ones((6, 9), int)), 2, "content_masks is 6 x 18 pixels"),
        ([SHAPE * 0, SHAPE], 2, "content_mask 1 is 0 everywhere, so nothing counts"),
        ([COLORS[LABELS]], 1, "content_mask has colors; a mask is gray"),
        ([SHAPE.astype(int)], 1, "content_mask is int64 of shape"),
        ([SHAPE * 1.0], 1, "content_mask has values from 0 to 255"),
    ],
)
def test_refused_masks(given, styles, message):
    with pytest.raises(ValueError, match=message):
        content_masks_of(given, (6, 8), styles)


def test_refused_style_masks():
    with pytest.raises(ValueError, match="style_masks has 1 entries; expected 2, one for"):
        style_masks_of([SHAPE], [(6, 8)] * 2)
    with pytest.raises(ValueError, match="style_mask 2 is 6 x 8 pixels, its picture 8 x 6"):
        style_masks_of([None, SHAPE], [(6, 8), (8, 6)])


def test_refused_files(tmp_path):
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (30, 30, 3)))
    with pytest.raises(ValueError, match=r"a\.png has colors; a mask is gray"):
        load_mask(path)
    with pytest.raises(ValueError, match=r"a\.png has 900 colors; a label map has at most 64"):
        load_labels(path)
    with pytest.raises(ImageError, match=r"missing.png"):
        load_mask(tmp_path / "missing.png")
