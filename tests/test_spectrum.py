import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.spectrum import smooth

SHAPES = [(8, 12, 3), (7, 5, 1), (1, 6, 2), (1, 1, 3)]


def plainly(image):
    height, width, _ = image.shape
    down, across = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    frequency = np.sqrt(down**2 + across**2)
    frequency[0, 0] = 1 / max(height, width)
    weights = 1 / np.sqrt(frequency)
    weights /= np.sqrt(np.mean(weights**2))
    return np.fft.ifft2(np.fft.fft2(image, axes=(0, 1)) * weights[..., None], axes=(0, 1)).real


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_plain_numpy(shape):
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    smoothed = jax.jit(smooth)(image)
    assert smoothed.dtype == jnp.float32
    np.testing.assert_allclose(smoothed, plainly(image.astype(np.float64)), rtol=1e-4, atol=1e-5)
    together = jax.vmap(smooth)(jnp.stack([image, 2 * image]))
    np.testing.assert_allclose(together, jnp.stack([smoothed, 2 * smoothed]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_is_symmetric_and_positive(shape):
    x, y = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    np.testing.assert_allclose(jnp.vdot(smooth(x), y), jnp.vdot(x, smooth(y)), rtol=1e-3, atol=1e-4)
    assert jnp.vdot(smooth(x), x) > 0
