import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jnst.networks.convolution import convolve
from support.plain import plain_convolution


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    image, kernel = rng.standard_normal((5, 4, 2)), rng.standard_normal((3, 3, 2, 3))
    return image.astype(np.float32), kernel.astype(np.float32)


def test_equals_plain_numpy(arrays):
    np.testing.assert_allclose(convolve(*arrays), plain_convolution(*arrays), rtol=1e-5, atol=1e-5)


def test_gradients_in_both_arguments(arrays):
    with jax.enable_x64(True):
        image, kernel = (jnp.asarray(array, jnp.float64) for array in arrays)
        check_grads(convolve, (image, kernel), order=2, modes=["rev"])
        check_grads(lambda image: convolve(image, kernel) ** 2, (image,), order=2, modes=["rev"])
        check_grads(lambda kernel: convolve(image, kernel) ** 2, (kernel,), order=2, modes=["rev"])


def test_image_gradient_under_vmap_and_jit_equals_xla_own(arrays):
    image, kernel = arrays
    images = jnp.stack([image, 2 * image, image - 1])

    def energy(operation, image):
        return jnp.sin(operation(image, kernel)).sum()

    def xla(image, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            image[None], kernel, (1, 1), "SAME", None, None, numbers
        )

    ours = jax.jit(jax.vmap(jax.grad(lambda image: energy(convolve, image))))(images)
    theirs = jnp.stack([jax.grad(lambda image: energy(xla, image))(image) for image in images])
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
