import numpy as np
import pytest
from PIL import Image

from jnst.images import ImageError
from jnst.masks import load_labels, load_mask, load_masks


def save(path, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


def test_a_grey_file_is_a_soft_mask(tmp_path):
    values = np.arange(12).reshape(3, 4) * 20
    mask = load_mask(save(tmp_path / "a.png", values))
    np.testing.assert_allclose(mask, values / 255, atol=1e-6)


def test_a_label_map_is_a_mask_for_each_colour_from_dark_to_light(tmp_path):
    colours = np.array([[255, 255, 0], [10, 0, 30], [0, 200, 90]])
    labels = np.random.default_rng(0).integers(0, 3, (5, 7))
    path = save(tmp_path / "a.png", colours[labels])
    masks = load_labels(path)
    for mask, number in zip(masks, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(mask, labels == number)
    assert len(load_masks([path], 2)) == 3
    assert len(load_masks([path], 1)) == 1
    assert len(load_masks([path, path], 2)) == 2


def test_a_photograph_is_no_label_map(tmp_path):
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (30, 30, 3)))
    with pytest.raises(ImageError, match="colours; a label map has at most 64"):
        load_labels(path)
    with pytest.raises(ImageError, match=r"missing.png"):
        load_mask(tmp_path / "missing.png")
