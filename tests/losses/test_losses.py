from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from jnst.losses import (
    balanced_gram_loss,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation_loss,
)
from support.golden import FILES, reference

CONVENTIONS = ("paper", "code", "johnson", "relative")


def plain_gram(features):
    matrix = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    return matrix.T @ matrix


def plain_content(features, target, convention):
    squared = (np.asarray(features, np.float64) - target) ** 2
    return {
        "paper": squared.sum() / 2,
        "code": squared.mean(),
        "johnson": squared.mean(),
        "relative": squared.mean() / (np.asarray(target, np.float64) ** 2).mean(),
    }[convention]


def plain_style(features, target, convention):
    """From the papers' own formulas, on raw Gram matrices of maps of one size."""
    height, width, channels = features.shape
    positions = height * width
    squared = (plain_gram(features) - plain_gram(target)) ** 2
    return {
        "paper": squared.sum() / (4 * channels**2 * positions**2),
        "code": (squared / positions**2).mean(),
        "johnson": (squared / (channels * positions) ** 2).mean(),
        "relative": squared.mean() / (plain_gram(target) ** 2).mean(),
    }[convention]


def plain_balanced(features, target, floor=0.01):
    positions = features.shape[0] * features.shape[1]
    gram, style = plain_gram(features) / positions, plain_gram(target) / positions
    strength = np.diag(style) + floor * np.diag(style).mean()
    weight = 1 / np.outer(strength, strength)
    return ((gram - style) ** 2 * weight).mean() / (style**2 * weight).mean()


def balanced_loss_of_maps(features, target, **options):
    return balanced_gram_loss(gram_matrix(features), gram_matrix(target), **options)


def style_loss_of_maps(features, target, *, convention):
    return style_loss(gram_matrix(features), gram_matrix(target), convention=convention)


def maps(shape, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape, np.float32), rng.standard_normal(shape, np.float32)


shapes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 5))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(shapes, st.integers(0, 999), st.sampled_from(CONVENTIONS))
def test_losses_equal_plain_float64(shape, seed, convention):
    features, target = maps(shape, seed)
    np.testing.assert_allclose(
        content_loss(features, target, convention=convention),
        plain_content(features, target, convention),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        style_loss_of_maps(features, target, convention=convention),
        plain_style(features, target, convention),
        rtol=1e-4,
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(shapes, st.integers(0, 999), st.sampled_from([0.001, 0.01, 1]))
def test_balanced_loss_equals_plain_float64(shape, seed, floor):
    features, target = maps(shape, seed)
    target *= 10.0 ** -np.arange(shape[-1], dtype=np.float32)
    np.testing.assert_allclose(
        balanced_loss_of_maps(features, target, floor=floor),
        plain_balanced(features, target, floor),
        rtol=1e-4,
    )


def test_balanced_loss_does_not_depend_on_the_strength_of_a_channel():
    """What a channel is multiplied by, in the image and in the style, without a floor."""
    features, target = maps((5, 4, 6), 3)
    scale = np.float32([0.01, 1, 7, 0.3, 100, 2])
    scaled = balanced_loss_of_maps(scale * features, scale * target, floor=0)
    expected = balanced_loss_of_maps(features, target, floor=0)
    np.testing.assert_allclose(scaled, expected, rtol=1e-4)


def test_balanced_loss_of_channels_alike_is_the_relative_loss():
    gram, target = np.float32([[3, 1], [1, 5]]), np.float32([[2, 0.5], [0.5, 2]])
    given, expected = balanced_gram_loss(gram, target), style_loss(gram, target)
    np.testing.assert_allclose(given, expected, rtol=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(shapes, st.integers(0, 999))
def test_gram_matrix_equals_plain_float64(shape, seed):
    height, width, channels = shape
    features, _ = maps(shape, seed)
    plain = plain_gram(features)
    for normalization, divisor in (
        ("none", 1),
        ("positions", height * width),
        ("elements", height * width * channels),
    ):
        gram = gram_matrix(features, normalization=normalization)
        np.testing.assert_allclose(gram, plain / divisor, rtol=1e-4, atol=1e-6 * plain.max())


@pytest.mark.parametrize("file", FILES)
def test_total_variation_equals_the_reference(file):
    numbers = reference(file)
    for norm in ("l2", "l1"):
        total = total_variation_loss(numbers["image"], norm=norm, reduction="sum")
        np.testing.assert_allclose(total, numbers[f"tv/{norm}_sum"], rtol=1e-5)


@pytest.mark.parametrize(("norm", "power"), [("l2", 2), ("l1", 1)])
def test_mean_total_variation_is_that_of_both_directions(norm, power):
    image = np.random.default_rng(0).random((5, 9, 3), np.float32)
    means = [(np.abs(np.diff(image, axis=axis)) ** power).mean() for axis in (0, 1)]
    np.testing.assert_allclose(total_variation_loss(image, norm=norm), sum(means), rtol=1e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradients_in_float64(convention):
    with jax.enable_x64(True):
        features, target = (jnp.asarray(array, jnp.float64) for array in maps((4, 3, 5), 0))
        for loss in (content_loss, style_loss_of_maps):
            compiled = jax.jit(partial(loss, target=target, convention=convention))
            check_grads(compiled, (features,), 2)
        check_grads(jax.jit(partial(balanced_loss_of_maps, target=target)), (features,), 2)
        for norm in ("l2", "l1"):
            check_grads(jax.jit(partial(total_variation_loss, norm=norm)), (features,), 1)


def test_gram_forward_derivative():
    with jax.enable_x64(True):
        features = jnp.asarray(maps((4, 3, 5), 1)[0], jnp.float64)
        check_grads(gram_matrix, (features,), order=2, modes=["fwd", "rev"])


def test_gram_gradient_costs_one_matrix_product():
    _, backward = jax.vjp(gram_matrix, jnp.ones((4, 4, 3)))
    assert str(jax.make_jaxpr(backward)(jnp.ones((3, 3)))).count("dot_general") == 1


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_jit_and_vmap_equal_one_by_one(convention):
    features, targets = maps((3, 4, 5, 6), 2)
    for loss in (content_loss, style_loss_of_maps):

        def one(f, t, loss=loss):
            return loss(f, t, convention=convention)

        together = jax.jit(jax.vmap(one))(features, targets)
        apart = [one(f, t) for f, t in zip(features, targets, strict=True)]
        np.testing.assert_allclose(together, apart, rtol=1e-5)


def test_balanced_loss_under_jit_and_vmap_equals_one_by_one():
    features, targets = maps((3, 4, 5, 6), 2)
    together = jax.jit(jax.vmap(balanced_loss_of_maps))(features, targets)
    apart = list(map(balanced_loss_of_maps, features, targets))
    np.testing.assert_allclose(together, apart, rtol=1e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("value", [0, 3])
def test_zero_targets_give_finite_losses_and_gradients(convention, value):
    features, zeros = np.full((4, 4, 3), value, np.float32), np.zeros((4, 4, 3), np.float32)
    for function in (content_loss, style_loss_of_maps):
        loss, gradient = jax.value_and_grad(function)(features, zeros, convention=convention)
        assert np.isfinite(loss) and (loss > 0) == (value > 0)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("value", [0, 3])
def test_balanced_loss_of_a_zero_target_is_finite(value):
    features, zeros = np.full((4, 4, 3), value, np.float32), np.zeros((4, 4, 3), np.float32)
    loss, gradient = jax.value_and_grad(balanced_loss_of_maps)(features, zeros)
    assert np.isfinite(loss) and (loss > 0) == (value > 0)
    assert np.isfinite(gradient).all()


def test_total_variation_of_one_row_is_that_of_its_columns():
    row = np.random.default_rng(0).random((1, 5, 3), np.float32)
    expected = (np.diff(row, axis=1) ** 2).mean()
    np.testing.assert_allclose(total_variation_loss(row), expected, rtol=1e-5)


def test_refusals():
    features = jnp.ones((4, 4, 3))
    for loss, array in ((content_loss, features), (style_loss, gram_matrix(features))):
        with pytest.raises(
            ValueError, match="convention is 'mse'; accepted: relative, paper, code"
        ):
            loss(array, array, convention="mse")
        with pytest.raises(ValueError, match=r"has shape .*; its target has"):
            loss(array, array[:-1])
    with pytest.raises(ValueError, match=r"has shape .*; its target has"):
        balanced_gram_loss(jnp.eye(3), jnp.eye(2))
    with pytest.raises(ValueError, match="normalization is 'mean'; accepted: positions, none"):
        gram_matrix(features, normalization="mean")
    with pytest.raises(ValueError, match="norm is 'l3'; accepted: l2, l1"):
        total_variation_loss(features, norm="l3")
    with pytest.raises(ValueError, match="reduction is 'max'; accepted: mean, sum"):
        total_variation_loss(features, reduction="max")
