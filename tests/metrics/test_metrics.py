import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jnst import metrics
from jnst.images.drawings import draw_landscape, draw_painting
from jnst.images.pixels import to_uint8


@pytest.fixture(scope="module")
def pictures():
    """A content, a style of another size, and a mixture of them of a third one, as 8 bits."""
    content, style = to_uint8(draw_landscape()), to_uint8(draw_painting())[:200, :250]
    enlarged = Image.fromarray(style).resize((320, 240), Image.Resampling.LANCZOS)
    mixture = np.round(0.5 * content + 0.5 * np.asarray(enlarged))
    return content, style, mixture.astype(np.uint8)[:237, :311]


def test_figures_are_those_of_an_independent_program(pictures):
    """A program that shares no code with jnst and halves pictures in 8 bits gave these three."""
    content, style, mixture = pictures
    figures = metrics.style_metrics(mixture, content, style)
    assert figures == pytest.approx((0.73164, 0.20531, 0.26688), rel=5e-3)


def test_figures_of_the_style_and_of_the_content(pictures):
    content, style, _ = pictures
    at_style = metrics.style_metrics(style, content[:200, :250], style)
    assert at_style.style == pytest.approx(0, abs=0.1)  # other places of the same patches
    assert at_style.noise == 1
    at_content = metrics.style_metrics(content, content, style)
    assert (at_content.style, at_content.content) == pytest.approx((1, 1), rel=1e-12)


def test_several_styles_give_means(pictures):
    content, style, mixture = pictures
    one, other = (metrics.style_metrics(mixture, content, each) for each in (style, style[:, ::-1]))
    both = metrics.style_metrics(mixture, content, [style, style[:, ::-1]])
    assert both.style == pytest.approx((one.style + other.style) / 2)
    assert both.noise == pytest.approx((one.noise + other.noise) / 2)
    assert both.content == one.content == other.content


@pytest.mark.parametrize("seed", [0, 1])
def test_distance_of_flat_pictures(seed):
    """|p - q| of the sum of a random direction, a normal number, at four scales; nothing else."""
    dark, light = np.full((70, 90, 3), 0.25), np.full((80, 65, 3), 0.75)
    expected = 4 * 0.5 * np.sqrt(2 / np.pi)
    assert metrics.patch_distance(dark, light, seed=seed) == pytest.approx(expected, rel=0.15)
    assert metrics.patch_distance(dark, dark) == 0


def test_distance_of_two_patches():
    """Along a random direction of length 1, p - q is normal with deviation |p - q| / sqrt(147)."""
    first, second = np.random.default_rng(3).random((2, 7, 7, 3))
    difference = first - second
    lengths = [np.linalg.norm(each) for each in (difference, difference - difference.mean((0, 1)))]
    expected = sum(lengths) * np.sqrt(2 / (np.pi * 7 * 7 * 3))
    assert metrics.patch_distance(first, second) == pytest.approx(expected, rel=0.2)


def test_distance_sees_directions():
    """Stripes have the same colors and scales when they are turned."""
    stripes = np.tile(0.5 + 0.4 * np.sin(np.arange(96) / 2)[:, None, None], (1, 96, 3))
    same = metrics.patch_distance(stripes, stripes[::-1])
    assert metrics.patch_distance(stripes, stripes.swapaxes(0, 1)) > 5 * same


def test_distance_sees_structure_and_grows_with_noise(pictures):
    content, _, _ = pictures
    noise = np.random.default_rng(0).normal(size=content.shape)
    noisy = [np.clip(content / 255 + size * noise, 0, 1) for size in (0.01, 0.03, 0.1)]
    distances = [metrics.patch_distance(content, each) for each in noisy]
    assert 0 < distances[0] < distances[1] < distances[2]
    shuffled = np.random.default_rng(0).permutation(content.reshape(-1, 3)).reshape(content.shape)
    assert metrics.patch_distance(content, shuffled) > distances[0]


def plain_halves(image, times):
    for _ in range(times):
        image = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
    return image


def plain_edges(image):
    vertical, horizontal = np.gradient(image.mean(-1))
    return np.sqrt(vertical**2 + horizontal**2).ravel()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100), st.integers(8, 20), st.integers(8, 20))
def test_correlation_of_gradients_in_float64(seed, rows, columns):
    image, other = np.random.default_rng(seed).random((2, 4 * rows, 4 * columns, 3))
    expected = np.mean(
        [
            np.corrcoef(plain_edges(plain_halves(image, k)), plain_edges(plain_halves(other, k)))[
                0, 1
            ]
            for k in (1, 2)
        ]
    )
    found = metrics.gradient_correlation(image, other)
    assert found == pytest.approx(expected, abs=1e-5)
    assert metrics.gradient_correlation(other, image) == pytest.approx(found, abs=1e-12)
    assert metrics.gradient_correlation(image, 0.2 + 0.5 * image) == pytest.approx(1, abs=1e-5)


def test_correlation_without_edges_is_zero(pictures):
    assert metrics.gradient_correlation(pictures[0], np.full((9, 9, 3), 0.5)) == 0


def test_fine_detail_of_a_checkerboard():
    """A checkerboard is all detail, as its means are flat. One of larger squares has less."""
    board = np.indices((32, 48)).sum(0) % 2
    image = np.repeat(0.5 + 0.2 * (board[..., None] - 0.5), 3, axis=-1)
    assert metrics.fine_detail(image) == pytest.approx(0.1**2, rel=1e-5)
    assert 0 < metrics.fine_detail(image.repeat(4, 0).repeat(4, 1)) < 0.1**2 / 2
    assert metrics.fine_detail(np.full((9, 11, 3), 0.3)) == pytest.approx(0, abs=1e-12)


def test_what_is_no_picture_or_too_small_is_refused(pictures):
    with pytest.raises(ValueError, match="other has 6 x 320 pixels; 7 x 7 or more are accepted"):
        metrics.patch_distance(pictures[0], pictures[0][:6])
    with pytest.raises(ValueError, match="seed is -1"):
        metrics.patch_distance(pictures[0], pictures[0], seed=-1)
    with pytest.raises(ValueError, match="there is no such file"):
        metrics.fine_detail("none.png")
