"""Normalized networks: their means, and that their functions are the same up to scale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.networks.layers import VGG19
from jnst.networks.normalization import LEAST, mean_activations, normalize_network
from jnst.networks.vgg import Network
from support.plain import plain_features

RELUS = [name for name in VGG19.layers if name.startswith("relu")]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.random(shape, np.float32) for shape in ((33, 47, 3), (32, 32, 3), (64, 21, 3))]


@pytest.fixture(scope="module")
def dying(vgg19):
    """The random network with filters that are never or hardly ever active."""
    params = jax.tree.map(np.array, dict(vgg19.params))
    params["conv2_1"]["bias"][:9] = -100
    params["conv1_2"]["kernel"][..., 3] = 0
    params["conv1_2"]["bias"][3] = 0
    params["conv5_1"]["bias"][:200] -= np.linspace(0, 3, 200, dtype=np.float32)
    return Network(jax.tree.map(jnp.asarray, params), vgg19.mean, name="dying")


@pytest.fixture(scope="module", params=["average", "max"])
def pooling(request):
    return request.param


@pytest.fixture(scope="module")
def normalized(dying, images, pooling):
    return normalize_network(dying, images, pooling=pooling)


def test_every_active_filter_has_a_mean_of_1(dying, normalized, images, pooling):
    before = mean_activations(dying.replace(pooling=pooling), images)
    after = mean_activations(normalized, images)
    dead = 0
    for name in VGG19.convolutions:
        layer = before[name].mean()
        active = before[name] >= LEAST * layer
        np.testing.assert_allclose(after[name][active], 1, atol=1e-3)
        expected = before[name][~active] / (LEAST * layer)
        # Rounding is relative to filters of mean 1: a tenth of what these may be off by.
        np.testing.assert_allclose(after[name][~active], expected, 1e-3, 1e-4)
        dead += (~active).sum()
    assert dead >= 10


def test_means_by_plain_numpy(network, images):
    means = mean_activations(network, images[:2])
    maps = [
        plain_features(network.params, image - np.asarray(network.mean)) for image in images[:2]
    ]
    for name in VGG19.convolutions:
        relu = name.replace("conv", "relu")
        positions = np.concatenate([each[relu].reshape(-1, len(means[name])) for each in maps])
        np.testing.assert_allclose(means[name], positions.mean(0), rtol=1e-4, atol=1e-6)


def test_features_are_the_same_up_to_a_scale(dying, normalized, images, pooling):
    before = jnst.extract_features(dying, images[0], RELUS, pooling=pooling)
    after = jnst.extract_features(normalized, images[0], RELUS, pooling=pooling)
    means = mean_activations(dying.replace(pooling=pooling), images)
    for name in VGG19.convolutions:
        relu = name.replace("conv", "relu")
        scale = np.maximum(means[name], LEAST * means[name].mean())
        error = np.linalg.norm(after[relu] * scale - before[relu]) / np.linalg.norm(before[relu])
        assert error <= 1e-5, name


def test_style_gradients_are_finite(normalized, images, pooling):
    config = jnst.Config(style_layers=tuple(RELUS), pooling=pooling, margin=0)

    @jax.jit
    @jax.grad
    def gradient(image, network, style):
        targets = jnst.make_targets(network, images[0], style, config)
        return jnst.total_loss(network, image, targets, config.weights())[0]

    assert np.isfinite(gradient(images[0], normalized, images[1])).all()


def test_it_says_what_it_is(normalized, images, pooling):
    assert normalized.name == "dying-normalized"
    assert normalized.source.endswith(f"mean activation 1 on 3 images, {pooling} pooling")
    assert normalized.digest == jnst.network_digest(normalized)


def test_wrong_arguments(network, images):
    with pytest.raises(ValueError, match="images is empty; at least one is accepted"):
        normalize_network(network, [], pooling="average")
    with pytest.raises(ValueError, match="pooling is 'median'; accepted: average, max"):
        normalize_network(network, images, pooling="median")
    with pytest.raises(ValueError, match="needs at least 16 x 16"):
        normalize_network(network, [images[0][:9]], pooling="max")
