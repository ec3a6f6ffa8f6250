import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jnst.images.loading import Picture
from jnst.images.transparency import drawn_colors, fill_unseen, seen_part
from jnst.runs.batch_sizes import program
from jnst.runs.opening import open_job
from jnst.settings.config import Config

repeatable = settings(derandomize=True, deadline=None, max_examples=30)
SETTINGS = {"size": 32, "steps": 1, "levels": 1, "style_layers": ("relu1_1", "relu2_1")}


def with_alpha(style, hidden, alpha):
    colors = np.where(alpha[..., None] > 0, style, np.asarray(hidden, np.float32))
    return np.dstack([colors, alpha])


def prepared(content, style, **options):
    return open_job(content, style, Config(**(SETTINGS | options)))


@pytest.fixture
def alpha(arrays):
    """The left half is opaque, a column half so."""
    alpha = np.zeros(arrays[1].shape[:2], np.float32)
    alpha[:, :18] = 1
    alpha[:, 18] = 0.5
    return alpha


@repeatable
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99), st.floats(0.01, 1))
def test_what_is_not_seen_is_filled_with_what_is(height, width, seed, share):
    random = np.random.default_rng(seed)
    image = (0.3 + 0.4 * random.random((height, width, 3))).astype(np.float32)
    seen = random.random((height, width)) < share
    seen[random.integers(height), random.integers(width)] = True
    filled = fill_unseen(np.where(seen[..., None], image, 0), seen)
    np.testing.assert_array_equal(filled[seen], image[seen])
    other = fill_unseen(np.where(seen[..., None], image, 1), seen)
    np.testing.assert_allclose(filled, other, atol=1e-6)
    flat = fill_unseen(np.where(seen[..., None], np.float32(0.6), 0), seen)
    np.testing.assert_allclose(flat, 0.6, atol=1e-5)


def test_the_nearest_colors_are_taken():
    image = np.zeros((32, 64, 3), np.float32)
    image[:, :8], image[:, -8:] = (1, 0, 0), (0, 0, 1)
    seen = np.zeros((32, 64), bool)
    seen[:, :8] = seen[:, -8:] = True
    filled = fill_unseen(image, seen)
    assert filled[:, 8:16, 0].min() > 0.8 and filled[:, 48:56, 2].min() > 0.8


def test_colors_under_the_transparency(arrays, alpha):
    image = arrays[1] * alpha[..., None] + 1 - alpha[..., None]
    drawn = drawn_colors(Picture(image, alpha))
    np.testing.assert_allclose(drawn[alpha > 0], arrays[1][alpha > 0], atol=1e-6)
    assert seen_part(Picture(image, None)) is None
    np.testing.assert_array_equal(seen_part(Picture(image, alpha)), alpha >= 0.5)
    assert seen_part(Picture(image, alpha / 5)).sum() == 18 * len(alpha)


@pytest.mark.parametrize("color", ["style", "luminance", "recombine", "symmetric", "histogram"])
@pytest.mark.parametrize("init", ["style", "colors"])
def test_hidden_colors_of_a_style_do_not_count(arrays, alpha, color, init):
    content, style = arrays
    red, green = (
        prepared(content, with_alpha(style, hidden, alpha), color=color, init=init)
        for hidden in ((1, 0, 0), (0, 1, 0))
    )
    np.testing.assert_array_equal(red.initial_image, green.initial_image)
    np.testing.assert_array_equal(red.styles[0], green.styles[0])
    np.testing.assert_array_equal(red.style_masks[0], alpha)
    if color == "style":
        assert abs(red.initial_image.mean() - style[:, :19].mean()) < 0.05  # no white paper


def test_colors_are_matched_where_the_style_is_seen(arrays, alpha):
    content, style = arrays
    job = prepared(content, with_alpha(style, (1, 1, 1), alpha), color="histogram", size=36)
    seen = job.styles[0][:, :18]
    np.testing.assert_allclose(seen.mean((0, 1)), job.original.mean((0, 1)), atol=0.03)


def test_start_in_the_colors_that_are_seen(arrays, alpha):
    style = np.full((40, 40, 3), 0.25, np.float32)
    alpha = np.zeros((40, 40), np.float32)
    alpha[3, 4] = 1
    start = prepared(arrays[0], with_alpha(style, (1, 1, 1), alpha), init="colors").initial_image
    np.testing.assert_allclose(start, 0.25, atol=0.01)


def test_a_mask_and_the_transparency_both_count(arrays, alpha):
    mask = np.zeros(alpha.shape, np.float32)
    mask[:10] = 1
    job = open_job(
        arrays[0],
        [with_alpha(arrays[1], (1, 1, 1), alpha), arrays[1]],
        Config(**SETTINGS),
        style_masks=[mask, None],
    )
    both, none = job.style_masks
    np.testing.assert_allclose(both, mask * alpha, atol=1e-6)
    assert none is None


def test_a_loss_without_masks_takes_the_colors_around(arrays, alpha):
    style = with_alpha(arrays[1], (1, 1, 1), alpha)
    job = prepared(arrays[0], style, style_loss=("contextual",))
    assert job.style_masks == ()
    assert job.styles[0][:, 22:].max() < 0.95


def test_programs_of_transparent_and_of_opaque_styles(arrays, alpha):
    style = with_alpha(arrays[1], (1, 1, 1), alpha)
    for loss, shared in (("gram", True), ("patches", False)):
        keys = [
            program(prepared(arrays[0], each, style_loss=(loss,))) for each in (style, arrays[1])
        ]
        assert (keys[0] == keys[1]) == shared


def test_a_style_of_which_nothing_is_seen(arrays, tmp_path):
    path = tmp_path / "nothing.png"
    Image.new("RGBA", (40, 40)).save(path)
    with pytest.raises(ValueError, match=r"nothing\.png: it is transparent everywhere"):
        prepared(arrays[0], path)
