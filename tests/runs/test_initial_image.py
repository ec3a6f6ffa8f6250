import numpy as np
import pytest

from jnst.images.files import ImageError
from jnst.runs.initial_image import first_image
from jnst.settings.config import Config

CONTENT = np.random.default_rng(1).random((40, 30, 3), np.float32)
STYLE = np.random.default_rng(2).random((50, 70, 3)).astype(np.float32) ** 3


def start(init, **settings):
    return first_image(Config(init=init, **settings), CONTENT, [STYLE])


def test_each_start():
    np.testing.assert_array_equal(start("content"), CONTENT)
    assert (start("gray") == 0.5).all()
    np.testing.assert_allclose(start("mean")[0, 0] * 255, [123.68, 116.779, 103.939], rtol=1e-6)
    noise = start("noise", seed=3)
    assert abs(noise.mean() - 0.5) < 0.02 and abs(noise.var() - 1 / 12) < 0.01
    noise = start("gaussian", seed=3)
    assert abs(noise.mean() - 0.5) < 0.02 and 0.2 < noise.std() < 0.25
    for init in ("style", "colors"):
        np.testing.assert_allclose(start(init).mean((0, 1)), STYLE.mean((0, 1)), atol=0.06)


def test_colors_have_the_styles_covariance():
    mixing = np.array([[0.1, 0.05, 0], [0, 0.08, 0.02], [0.03, 0, 0.05]], np.float32)
    pixels = np.random.default_rng(0).standard_normal((60, 60, 3)).astype(np.float32)
    style = 0.5 + pixels @ mixing
    content = np.zeros((100, 100, 3), np.float32)
    image = first_image(Config(init="colors"), content, [style])
    given, wanted = (np.cov(x.reshape(-1, 3).T) for x in (image, style))
    np.testing.assert_allclose(given, wanted, atol=0.1 * wanted.max())


@pytest.mark.parametrize("init", ["noise", "gaussian", "colors"])
def test_the_seed_decides(init):
    np.testing.assert_array_equal(start(init, seed=1), start(init, seed=1))
    assert (start(init, seed=1) != start(init, seed=2)).any()
    for image in (start(init, seed=4), start(init, seed=5)):
        assert image.shape == CONTENT.shape and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1


def test_content_is_blended_in():
    np.testing.assert_allclose(
        start("noise", init_content=0.25), 0.75 * start("noise") + 0.25 * CONTENT, rtol=1e-5
    )
    np.testing.assert_allclose(start("gray", init_content=1), CONTENT, atol=1e-6)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="init is 'colors', and there is no style"):
        first_image(Config(init="colors"), CONTENT, [])
    with pytest.raises(ImageError, match=r"missing.png"):
        start(str(tmp_path / "missing.png"))
