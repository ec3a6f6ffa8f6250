import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from jnst.networks import winograd
from jnst.networks.files.canonical import write_network
from jnst.networks.layers import VGG19
from jnst.networks.normalization import normalize_network
from jnst.networks.preparation import prepare_network, restore_network
from jnst.networks.vgg import extract_features
from support.plain import plain_convolution

TILES = pytest.mark.parametrize("tile", [2, 4])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def convolve(image, kernel, tile):
    return winograd.convolve(image, winograd.transform_kernel(kernel, tile))


@TILES
def test_the_matrices_are_those_of_a_correlation(tile):
    """As many outputs as a tile has, of two values more and three factors, exactly."""
    values, factors = normal(tile + 2), normal(3, seed=1)
    matrices = winograd.matrices(tile)
    products = (matrices.kernel @ factors) * (matrices.image @ values)
    expected = np.correlate(values, factors, "valid")
    np.testing.assert_allclose(matrices.output @ products, expected, rtol=1e-12, atol=1e-12)


@TILES
@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 10), st.integers(1, 10), st.integers(1, 3), st.integers(1, 3))
def test_equals_plain_numpy_at_any_size(tile, height, width, channels_in, channels_out):
    image, kernel = normal(height, width, channels_in), normal(3, 3, channels_in, channels_out)
    with jax.enable_x64(True):
        result = convolve(image, kernel, tile)
        np.testing.assert_allclose(result, plain_convolution(image, kernel), atol=1e-12)


@TILES
def test_gradients_in_both_arguments(tile):
    """Of squares, whose second derivatives are not 0 in either argument alone."""

    @jax.jit
    def squares(image, kernel):
        return convolve(image, kernel, tile) ** 2

    with jax.enable_x64(True):
        image, kernel = jnp.asarray(normal(5, 7, 2)), jnp.asarray(normal(3, 3, 2, 3))
        check_grads(squares, (image, kernel), order=2)


@TILES
def test_jit_and_vmap_equal_one_by_one(tile):
    images, kernel = normal(3, 9, 6, 4).astype(np.float32), normal(3, 3, 4, 5).astype(np.float32)

    def energy(image):
        return jnp.sin(convolve(image, kernel, tile)).sum()

    together = jax.jit(jax.vmap(jax.value_and_grad(energy)))(images)
    for number, image in enumerate(images):
        value, gradient = jax.value_and_grad(energy)(image)
        np.testing.assert_allclose(together[0][number], value, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(together[1][number], gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tile, bound", [(2, 1e-6), (4, 4e-6)])
@pytest.mark.parametrize("channels", [128, 512])
def test_rounding(tile, bound, channels):
    """As after a ReLU, and kernels that keep the scale."""
    image = np.maximum(normal(11, 14, channels), 0).astype(np.float32)
    kernel = (normal(3, 3, channels, 64, seed=1) * np.sqrt(2 / (9 * channels))).astype(np.float32)
    expected = plain_convolution(image, kernel)
    error = np.abs(convolve(image, kernel, tile) - expected) / expected.std()
    assert np.sqrt(np.mean(error**2)) < bound
    assert error.max() < 10 * bound


@pytest.mark.parametrize(
    "shape, tile",
    [
        ((3, 3, 64, 128), 0),
        ((3, 3, 128, 128), 4),
        ((3, 3, 256, 512), 4),
        ((3, 3, 512, 512), 2),
    ],
)
def test_large_kernels_are_for_small_tiles(shape, tile):
    assert winograd.best_tile(shape) == tile


@TILES
def test_a_transformed_kernel_can_be_had_back(tile):
    kernel = jnp.float32(normal(3, 3, 5, 7))
    restored = jax.jit(winograd.restore_kernel)(winograd.transform_kernel(kernel, tile))
    np.testing.assert_allclose(restored, kernel, atol=2e-6)


def test_a_restored_network_has_the_features_of_the_first(vgg19):
    image, layers = np.float32(normal(33, 41, 3)), ["relu2_2", "relu4_2"]
    prepared = prepare_network(vgg19, layers)
    restored = restore_network(prepared)
    assert all("kernel" in layer for layer in restored.params.values())
    assert restored.params["conv1_1"] is prepared.params["conv1_1"]
    expected = extract_features(vgg19, image, layers)
    for name, maps in extract_features(restored, image, layers).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(maps / scale, expected[name] / scale, atol=1e-5)


def test_preparing_transforms_what_pays_up_to_the_deepest_layer(vgg19, monkeypatch):
    prepared = prepare_network(vgg19, ["relu1_1", "relu4_2"])
    direct = ["conv1_1", "conv1_2", "conv2_1"]
    transformed = [name for name in VGG19.convolutions if "conv2_2" <= name <= "conv4_2"]
    assert list(prepared.params) == direct + transformed
    for name in direct:
        assert prepared.params[name] is vgg19.params[name]
    for name in transformed:
        kernel = prepared.params[name]["transformed"]
        assert prepared.params[name].keys() == {"transformed", "bias"}
        along_one = winograd.matrices(2 if name == "conv4_2" else 4).kernel
        original = np.float64(vgg19.params[name]["kernel"])
        expected = np.einsum("ay,bx,yxio->baio", along_one, along_one, original, optimize=True)
        np.testing.assert_allclose(kernel, expected, rtol=1e-4, atol=1e-6)
    again = prepare_network(prepared, ["relu3_1"])
    assert again.params == {name: prepared.params[name] for name in [*direct, *transformed[:2]]}
    assert again.digest == vgg19.digest
    assert prepare_network(vgg19, []).params == {}
    with pytest.raises(ValueError, match="unknown layer 'relu9_1'"):
        prepare_network(vgg19, ["relu9_1"])
    rough = prepare_network(vgg19, ["relu4_2"], precision="bfloat16")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    elsewhere = prepare_network(vgg19, ["relu4_2"])
    assert rough.params == elsewhere.params
    assert elsewhere.params == {name: vgg19.params[name] for name in prepared.params}
    with pytest.raises(ValueError, match="precision is 'float16'"):
        prepare_network(vgg19, ["relu4_2"], precision="float16")


def test_a_prepared_network_is_for_its_layers_and_precision(vgg19, tmp_path):
    prepared = prepare_network(vgg19, ["relu3_2"])
    image = np.full((32, 32, 3), 0.5, np.float32)
    extract_features(prepared, image, ["relu3_1"])
    with pytest.raises(ValueError, match="no kernel of conv3_3 in float32; what prepare_network"):
        extract_features(prepared, image, ["relu4_1"])
    with pytest.raises(ValueError, match="no kernel of conv3_3 in float32; what prepare_network"):
        prepare_network(prepared, ["relu4_1"])
    with pytest.raises(ValueError, match="no kernel of conv2_2 in bfloat16"):
        extract_features(prepared, image, ["relu3_1"], precision="bfloat16")
    with pytest.raises(ValueError, match="network has not all its kernels; take the one that"):
        write_network(tmp_path / "a.h5", prepared)
    with pytest.raises(ValueError, match="network has not all its kernels; take the one that"):
        normalize_network(prepared, [image], pooling="average")
    assert not list(tmp_path.iterdir())
