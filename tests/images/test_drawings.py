import numpy as np
import pytest
from PIL import Image

from jnst.images import drawings


@pytest.mark.parametrize("draw", [drawings.draw_landscape, drawings.draw_painting])
def test_pictures_are_images_and_always_the_same(draw):
    picture = draw()
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < 0.3
    assert 0.8 < picture.max() <= 1
    # Something is drawn in every part.
    assert (picture.reshape(4, 60, 4, 80, 3).std((1, 3, 4)) > 0.02).all()
    np.testing.assert_array_equal(picture, draw())


def test_files_hold_the_pictures(tmp_path):
    paths = tmp_path / "a.png", tmp_path / "b.png"
    assert drawings.write_pictures(*paths) == paths
    for path, picture in zip(
        paths, (drawings.draw_landscape(), drawings.draw_painting()), strict=True
    ):
        with Image.open(path) as file:
            np.testing.assert_array_equal(np.asarray(file), np.rint(picture * 255))
