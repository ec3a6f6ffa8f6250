import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.networks.layers import VGG11, VGG13, VGG16, VGG19, smallest_side
from jnst.networks.pooling import pool
from jnst.networks.preparation import prepare_network
from jnst.networks.vgg import Network, extract_features, relu
from support.golden import FILES, reference, reference_network
from support.plain import plain_features
from support.tiny import SHAPES


def test_layers_are_those_of_vgg19():
    assert len(VGG19.convolutions) == 16
    assert VGG19.layers[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert VGG19.layers[-3:] == ("conv5_4", "relu5_4", "pool5")
    assert sum(np.prod(shape) + shape[-1] for shape in VGG19.convolutions.values()) == 20_024_384


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("prepared", [False, True])
def test_features_equal_the_float64_reference(file, pooling, prepared):
    numbers = reference(file)
    prefix = f"{pooling}/mean/"
    layers = [key.removeprefix(prefix) for key in numbers if key.startswith(prefix)]
    assert len(layers) >= 36
    network = reference_network(file)
    if prepared:
        network = prepare_network(network, layers)
    features = extract_features(network, numbers["image"], layers, pooling=pooling)
    for name, maps in features.items():
        spread = numbers[f"{pooling}/std/{name}"]
        np.testing.assert_allclose(maps.std(), spread, rtol=1e-4)
        # A conv layer's mean is a small difference: its error is measured against the spread.
        assert abs(maps.mean() - numbers[prefix + name]) <= 1e-4 * max(
            abs(numbers[prefix + name]), spread
        )


def test_bfloat16_features_are_returned_in_float32(network):
    image = np.random.default_rng(0).random((34, 40, 3), np.float32)
    layers = ["conv1_1", "relu3_1", "pool4"]
    precise = extract_features(network, image, layers)
    rough = extract_features(network, image, layers, precision="bfloat16")
    for name, maps in rough.items():
        assert maps.dtype == jnp.float32
        error = np.linalg.norm(maps - precise[name]) / np.linalg.norm(precise[name])
        assert 1e-4 < error < 2e-2
    prepared = prepare_network(network, layers, precision="bfloat16")
    again = extract_features(prepared, image, layers, precision="bfloat16")
    jax.tree.map(np.testing.assert_array_equal, again, rough)
    with pytest.raises(ValueError, match=r"precision is 'float16'.* accepted: float32, bfloat16"):
        extract_features(network, image, layers, precision="float16")


@pytest.mark.parametrize("shape", [(33, 47), (17, 64), (16, 16)])
def test_any_size_that_the_deepest_layer_allows(vgg19, shape):
    image = np.full((*shape, 3), 0.5, np.float32)
    for name, maps in extract_features(vgg19, image, ["conv1_2", "relu5_1"]).items():
        depth = int(name[4]) - 1
        channels = VGG19.convolutions[name.replace("relu", "conv")][-1]
        assert maps.shape == (shape[0] >> depth, shape[1] >> depth, channels)


@pytest.mark.parametrize("layer", VGG19.layers)
def test_the_smallest_size_is_said_and_is_enough(network, layer):
    side = smallest_side([layer])
    features = jax.eval_shape(
        lambda image: extract_features(network, image, [layer]), jnp.zeros((side, side, 3))
    )
    assert features[layer].shape[:2] == (1, 1)
    if side > 1:
        message = f"{side - 1} x {side} pixels; {layer} needs at least {side} x {side}"
        with pytest.raises(ValueError, match=message):
            extract_features(network, jnp.zeros((side - 1, side, 3)), [layer])


def test_nothing_deeper_than_the_deepest_layer_is_computed(network):
    def count(layer):
        jaxpr = jax.make_jaxpr(lambda image: extract_features(network, image, [layer]))
        return str(jaxpr(jnp.zeros((32, 32, 3)))).count("conv_general_dilated[")

    assert [count(layer) for layer in ("conv1_1", "relu3_2", "pool3", "relu5_4")] == [1, 6, 8, 16]


def test_vmap_and_jit_equal_one_by_one(network):
    images = np.random.default_rng(0).random((3, 20, 24, 3), np.float32)

    def relu3_1(image):
        return extract_features(network, image, ["relu3_1"])["relu3_1"]

    together = jax.jit(jax.vmap(relu3_1))(images)
    for image, maps in zip(images, together, strict=True):
        np.testing.assert_allclose(maps, relu3_1(image), rtol=1e-4, atol=1e-4)


def test_relu_and_its_gradient():
    x = np.random.default_rng(0).standard_normal((4, 5, 11)).astype(np.float32)
    x[0, 0] = 0
    towards = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    for transform in (lambda f: f, jax.jit, jax.vmap):
        values, pull_back = jax.vjp(transform(relu), x)
        np.testing.assert_array_equal(values, np.maximum(x, 0))
        np.testing.assert_array_equal(pull_back(towards)[0], np.where(x > 0, towards, 0))


def test_the_gradient_of_relu_keeps_a_bit_for_each_value():
    _, pull_back = jax.vjp(relu, jnp.ones((4, 5, 16)))
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(pull_back)) == 4 * 5 * 16 / 8


@jax.jit
def both_pools(x):
    return pool(x, "average"), pool(x, "max")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(0, 99))
def test_pool_equals_plain_numpy(height, width, channels, seed):
    x = np.random.default_rng(seed).random((height, width, channels), np.float32)
    squares = [
        x[dy : height // 2 * 2 : 2, dx : width // 2 * 2 : 2] for dy in (0, 1) for dx in (0, 1)
    ]
    average, largest = both_pools(x)
    np.testing.assert_allclose(average, np.mean(squares, 0), rtol=1e-6)
    np.testing.assert_array_equal(largest, np.max(squares, 0))


def test_refusals(network):
    image = jnp.zeros((32, 32, 3))
    with pytest.raises(
        ValueError, match=r"unknown layer 'relu4_9'.*mean 'relu4_\d'.*conv1_1, relu"
    ):
        extract_features(network, image, ["relu4_9"])
    with pytest.raises(ValueError, match="one layer is named twice"):
        extract_features(network, image, ["relu1_1", "relu1_1"])
    with pytest.raises(ValueError, match="pooling is 'median'; accepted: average, max"):
        extract_features(network, image, ["relu1_1"], pooling="median")
    with pytest.raises(ValueError, match=re.escape("shape (1, 32, 32, 3); (height, width, 3)")):
        extract_features(network, image[None], ["relu1_1"])
    with pytest.raises(ValueError, match=re.escape("image is of uint8; floats in [0, 1]")):
        extract_features(network, image.astype(jnp.uint8), ["relu1_1"])


def test_another_name_is_no_other_program(network):
    """Of a user's own jit, whose results have no name."""
    jitted = jax.jit(lambda network, image: extract_features(network, image, ["relu1_1"]))
    image = np.full((8, 8, 3), 0.5, np.float32)
    for name in ("one", "two"):
        jitted(network.replace(name=name, source=name, license=name, digest=name), image)
    assert jitted._cache_size() == 1
    doubled = jax.tree.map(lambda leaf: 2 * leaf, network)
    assert (doubled.name, doubled.digest) == ("", "")


def test_widths_are_those_of_the_parameters(network):
    maps = extract_features(network, np.full((16, 16, 3), 0.5, np.float32), ["relu1_2", "relu5_1"])
    assert {name: each.shape for name, each in maps.items()} == {
        "relu1_2": (16, 16, SHAPES["conv1_2"][-1]),
        "relu5_1": (1, 1, SHAPES["conv5_1"][-1]),
    }


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("architecture", [VGG11, VGG13, VGG16], ids=lambda each: each.name)
def test_every_layer_of_the_shallower_networks_equals_float64(architecture, pooling):
    """As wide as they are, at a size that every pooling cuts."""
    rng = np.random.default_rng(3)
    params = {
        name: {
            "kernel": rng.standard_normal(shape, np.float32) * (2 / (9 * shape[2])) ** 0.5,
            "bias": 0.05 * rng.standard_normal(shape[3], np.float32),
        }
        for name, shape in architecture.convolutions.items()
    }
    mean = jnp.array([0.4, 0.5, 0.3], jnp.float32)
    network = Network(jax.tree.map(jnp.asarray, params), mean, pooling)
    assert network.architecture is architecture
    image = rng.random((39, 51, 3), np.float32)
    expected = plain_features(params, image - network.mean, architecture, pooling)
    for prepared in (network, prepare_network(network, architecture.layers)):
        features = jax.jit(
            lambda network, image: extract_features(network, image, architecture.layers)
        )(prepared, image)
        assert features.keys() == expected.keys()
        for name, maps in expected.items():
            error = np.abs(features[name] - maps).max() / maps.std()
            assert error <= 1e-4, name


def test_pooling_is_the_network_s_unless_one_is_given(network):
    image = np.random.default_rng(0).random((8, 8, 3), np.float32)
    relu1_2, pool1 = extract_features(network, image, ["relu1_2", "pool1"]).values()
    np.testing.assert_array_equal(pool1, pool(relu1_2, "average"))
    for features in (
        extract_features(network, image, ["pool1"], pooling="max"),
        extract_features(network.replace(pooling="max"), image, ["pool1"]),
        prepare_network(network.replace(pooling="max"), ["pool1"]).features(image, ["pool1"]),
    ):
        np.testing.assert_allclose(features["pool1"], pool(relu1_2, "max"), rtol=1e-5)


def test_an_own_network_has_its_own_pooling():
    """The presets that say the average, as the paper does, are for every network."""

    class Own(struct.PyTreeNode):
        strides = {"own": 1}  # noqa: RUF012

        def features(self, image, layers):
            return {"own": image}

    image = jnp.ones((4, 4, 3))
    for pooling in (None, "average"):
        assert "own" in extract_features(Own(), image, ["own"], pooling=pooling)
    with pytest.raises(ValueError, match=r"pooling is 'max' .* takes None or 'average'"):
        extract_features(Own(), image, ["own"], pooling="max")


def test_a_layer_that_the_network_lacks(network):
    vgg16 = Network({name: network.params[name] for name in VGG16.convolutions}, network.mean)
    with pytest.raises(ValueError, match=r"unknown layer 'relu4_4'; did you mean 'relu4_3'"):
        extract_features(vgg16, jnp.zeros((32, 32, 3)), ["relu4_4"])
    with pytest.raises(ValueError, match="unknown layer 'conv3_4'"):
        prepare_network(vgg16, ["conv3_4"])


def test_what_is_no_vgg_is_refused(network):
    params = {name: network.params[name] for name in ("conv1_1", "conv1_2")}
    with pytest.raises(ValueError, match=r"params has conv1_1, conv1_2; .* VGG-11, VGG-13, VGG-16"):
        Network(params, network.mean)
    with pytest.raises(ValueError, match="pooling is 'sum'; accepted: average, max"):
        Network(network.params, network.mean, "sum")
