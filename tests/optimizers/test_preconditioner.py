import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.optimizers.preconditioner import fit_smoothing, smooth, spectral_slope

SHAPES = [(8, 12, 3), (7, 5, 1), (1, 6, 2), (1, 1, 3)]
EXPONENTS = [0.0, 0.4, 1.0]
smooth_compiled = jax.jit(smooth)
slope_compiled = jax.jit(spectral_slope)
fit_compiled = jax.jit(fit_smoothing)


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def frequencies(height, width):
    down, across = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    return np.sqrt(down**2 + across**2)


def with_slope(shape, slope, seed=0):
    """Noise whose frequencies follow that power, but for its mean."""
    magnitudes = frequencies(*shape[:2])
    magnitudes[0, 0] = np.inf if slope < 0 else 0
    spectrum = np.fft.fft2(random(shape, seed).astype(np.float64), axes=(0, 1))
    image = np.fft.ifft2(spectrum * magnitudes[..., None] ** slope, axes=(0, 1)).real
    return (0.5 + 0.2 * image / image.std()).astype(np.float32)


def smoothed_plainly(image, exponent):
    height, width, _ = image.shape
    frequency = frequencies(height, width)
    frequency[0, 0] = 1 / max(height, width)
    weights = frequency ** (-exponent / 2)
    weights /= np.sqrt(np.mean(weights**2))
    return np.fft.ifft2(np.fft.fft2(image, axes=(0, 1)) * weights[..., None], axes=(0, 1)).real


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_smooth_equals_plain_numpy(shape, exponent):
    image = random(shape)
    smoothed = smooth_compiled(image, exponent)
    assert smoothed.dtype == jnp.float32
    np.testing.assert_allclose(
        smoothed, smoothed_plainly(image.astype(np.float64), exponent), rtol=1e-4, atol=1e-5
    )
    together = jax.jit(jax.vmap(smooth))(jnp.stack([image, image]), jnp.array([exponent, 0.0]))
    np.testing.assert_allclose(together, jnp.stack([smoothed, image]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_smooth_is_symmetric_and_positive(shape, exponent):
    x, y = random((2, *shape))
    np.testing.assert_allclose(
        jnp.vdot(smooth_compiled(x, exponent), y),
        jnp.vdot(x, smooth_compiled(y, exponent)),
        rtol=1e-3,
        atol=1e-4,
    )
    assert jnp.vdot(smooth_compiled(x, exponent), x) > 0


def slope_plainly(image):
    height, width, _ = image.shape
    frequency = frequencies(height, width)[:, : width // 2 + 1]
    down = np.sin(np.pi * np.arange(1, height + 1) / (height + 1)) ** 2
    across = np.sin(np.pi * np.arange(1, width + 1) / (width + 1)) ** 2
    window = np.outer(down, across)[..., None]
    image = window * (image - (window * image).sum((0, 1)) / window.sum())
    magnitude = np.sqrt(np.sum(np.abs(np.fft.rfft2(image, axes=(0, 1))) ** 2, -1))
    counted = (frequency >= 1 / 128) & (frequency <= 1 / 2)
    return np.polyfit(
        np.log(frequency[counted]), np.log(magnitude[counted]), 1, w=1 / frequency[counted]
    )[0]


@pytest.mark.parametrize("shape", [(32, 48, 3), (150, 201, 3), (31, 17, 1)])
@pytest.mark.parametrize("slope", [-1.5, -0.5, 0.7])
def test_spectral_slope(shape, slope):
    image = with_slope(shape, slope)
    measured = slope_compiled(image)
    np.testing.assert_allclose(measured, slope_plainly(image.astype(np.float64)), atol=0.01)
    np.testing.assert_allclose(measured, slope, atol=0.4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 1, 3), (1, 3, 1), (2, 2, 3)])
def test_an_image_without_two_frequencies_has_no_slope(shape):
    assert slope_compiled(random(shape)) == 0


@pytest.mark.parametrize("value", [0.0, 1e-20, 0.5])
def test_an_image_of_one_color_has_no_slope(value):
    assert np.isfinite(spectral_slope(jnp.full((16, 24, 3), value)))
    assert fit_smoothing(random((16, 24, 3)), jnp.full((16, 24, 3), value)).keywords == {
        "exponent": 1
    }


@settings(deadline=None, derandomize=True)
@given(st.floats(-20, 20), st.floats(-1, 1), st.integers(0, 9))
def test_spectral_slope_does_not_depend_on_contrast_and_mean(power, mean, seed):
    image = with_slope((16, 24, 3), -0.5, seed)
    expected = slope_compiled(image)
    np.testing.assert_allclose(
        slope_compiled((image - image.mean()) * 10.0**power), expected, atol=1e-3
    )
    np.testing.assert_allclose(slope_compiled(image + mean), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("gradient", "image", "exponent"),
    [(-0.6, -1.2, 0.6), (0.5, 0.0, 0.5), (0.0, -1.5, 1), (-1.5, -0.5, 0)],
)
def test_fitted_smoothing_follows_the_difference_of_the_slopes(gradient, image, exponent):
    shape = 96, 128, 3
    gradient, image = with_slope(shape, gradient), with_slope(shape, image, seed=1)
    fitted = fit_compiled(1e-3 * gradient, image)
    np.testing.assert_allclose(fitted.keywords["exponent"], exponent, atol=0.15)
    other = random(shape, seed=2)
    np.testing.assert_allclose(
        jax.jit(fitted)(other),
        smooth_compiled(other, fitted.keywords["exponent"]),
        rtol=1e-4,
        atol=1e-5,
    )
    together = jax.jit(jax.vmap(fit_smoothing))(
        jnp.stack([gradient, gradient]), jnp.stack([image, jnp.full(shape, 0.3)])
    )
    np.testing.assert_allclose(together.keywords["exponent"], [exponent, 1], atol=0.15)


def test_without_a_gradient_the_exponent_is_that_of_the_image():
    fitted = fit_compiled(jnp.zeros((96, 128, 3)), with_slope((96, 128, 3), -0.6))
    np.testing.assert_allclose(fitted.keywords["exponent"], 0.6, atol=0.15)
