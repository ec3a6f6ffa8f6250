import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.losses import nine_point_variation_loss
from jnst.networks.layers import VGG19
from jnst.objective.regions import masked_variation, position_weights, propagate_mask

DEEP = "relu3_1"
propagated = jax.jit(propagate_mask, static_argnums=(1, 2))


def plain(mask, layer, method):
    """By the receptive field of each position, found by moving one pixel at a time."""
    for name in VGG19.layers[: 1 + VGG19.layers.index(layer)]:
        if name.startswith("conv") and method != "simple":
            padded = np.pad(mask, 1, constant_values=-np.inf if method == "all" else np.inf)
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
            mask = windows.max((2, 3)) if method == "all" else windows.min((2, 3))
        elif name.startswith("pool"):
            height, width = mask.shape[0] // 2, mask.shape[1] // 2
            squares = mask[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
            mask = {"simple": np.mean, "all": np.max, "inside": np.min}[method](squares, (1, 3))
    return mask


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.integers(16, 40), st.integers(16, 40), st.sampled_from(["simple", "all", "inside"]))
def test_propagation(height, width, method):
    mask = np.random.default_rng(height * width).random((height, width)).astype(np.float32)
    given_ = propagated(mask, DEEP, method)
    np.testing.assert_allclose(given_, plain(mask, DEEP, method), rtol=1e-5)


@pytest.mark.parametrize("method", ["simple", "all", "inside"])
def test_a_mask_of_ones_stays_one(method):
    assert (np.asarray(propagated(np.ones((37, 50), np.float32), "relu5_1", method)) == 1).all()


def test_inside_is_within_simple_within_all():
    mask = np.zeros((64, 64), np.float32)
    mask[10:40, 20:50] = 1
    inside, simple, every = (propagated(mask, DEEP, m) for m in ("inside", "simple", "all"))
    assert (inside <= simple).all() and (simple <= every).all()
    assert 0 < inside.sum() < simple.sum() < every.sum()


def test_weights_are_the_squares():
    mask = np.random.default_rng(0).random((5, 6)).astype(np.float32)
    np.testing.assert_allclose(position_weights(mask), mask**2 / (mask**2).sum(), rtol=1e-5)
    assert (np.asarray(position_weights(np.zeros((3, 3), np.float32))) == 0).all()


def test_unknown_method():
    with pytest.raises(ValueError, match="is 'most'; accepted: simple, all, inside"):
        propagate_mask(np.ones((9, 9), np.float32), DEEP, "most")


@pytest.mark.parametrize(("variation", "power"), [("l1", 1), ("l2", 2)])
def test_variation_of_a_part(variation, power):
    random = np.random.default_rng(3)
    image = random.random((9, 11, 3))
    mask = np.zeros((9, 11), np.float32)
    mask[2:7, 3:9] = 1
    part = image[2:7, 3:9]
    expected = sum((np.abs(np.diff(part, axis=axis)) ** power).mean() for axis in (0, 1))
    given_ = masked_variation(image.astype(np.float32), mask, variation)
    np.testing.assert_allclose(given_, expected, rtol=1e-5)
    assert masked_variation(image.astype(np.float32), 0 * mask, variation) == 0


def test_nine_point_variation_of_all():
    image = np.random.default_rng(4).random((60, 70, 3), np.float32)
    given_ = masked_variation(image, np.ones((60, 70), np.float32), "nine_point")
    np.testing.assert_allclose(given_, nine_point_variation_loss(image), rtol=0.05)
