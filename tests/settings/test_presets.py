"""Recipes, and Crowson's and Keras' losses restated in float64 from their published code."""

from functools import partial

import jax
import numpy as np
import pytest

from jnst.networks.manifest import manifest
from jnst.objective.targets import make_targets
from jnst.objective.total import total_loss
from jnst.settings.config import Config
from jnst.settings.presets import NETWORKS, PRESETS, preset
from support.plain import plain_features, plain_moments, plain_nine_point, plain_wasserstein


@pytest.mark.parametrize("name", PRESETS)
def test_every_recipe_is_accepted_and_can_be_changed(name):
    assert preset(name) == preset(name, **PRESETS[name])
    assert preset(name, style_weight=3).style_weight == 3


def test_the_default_is_fast():
    assert preset("fast") == Config()


def test_every_recipe_has_its_network():
    assert list(NETWORKS) == list(PRESETS)
    assert set(NETWORKS.values()) <= {"embedded", *manifest()}


def test_unknown():
    with pytest.raises(ValueError, match=r"'gatys'; did you mean 'gatys2016'\? accepted: fast, "):
        preset("gatys")


@pytest.fixture(scope="module")
def features(vgg19):
    """Content, style and image, and their features by plain numpy, with average pooling."""
    rng = np.random.default_rng(0)
    images = [rng.random(shape, np.float32) for shape in ((32, 48, 3), (48, 32, 3), (32, 48, 3))]
    mean = np.asarray(vgg19.mean, np.float64)
    return images, [plain_features(vgg19.params, image - mean) for image in images]


@partial(jax.jit, static_argnums=4)
def loss_of(network, content, style, image, config):
    targets = make_targets(network, content, style, config)
    return total_loss(network, image, targets, config.weights())


def test_crowson(vgg19, features):
    (content, style, image), (content_maps, style_maps, maps) = features
    config = preset("crowson2021", pooling="average", margin=0)
    total, terms = loss_of(vgg19, content, style, image, config)
    expected = 0.015 * ((maps["relu4_2"] - content_maps["relu4_2"]) ** 2).mean()
    np.testing.assert_allclose(terms.content["relu4_2"], expected / 0.015, rtol=1e-4)
    for layer, weight in zip(config.style_layers, (256, 64, 16, 4, 1), strict=True):
        loss = plain_wasserstein(plain_moments(maps[layer]), plain_moments(style_maps[layer]))
        np.testing.assert_allclose(terms.style[layer], loss, rtol=1e-4)
        expected += weight / 341 * loss
    expected += 2 * plain_nine_point(image)
    np.testing.assert_allclose(total, expected, rtol=1e-4)


def test_keras(vgg19, features):
    """Sums of squares, Gram matrices of sums, the image's size in the denominator."""
    (content, style, image), (content_maps, _, maps) = features
    style = np.ascontiguousarray(style.transpose(1, 0, 2))  # Keras resizes it to the content
    mean = np.asarray(vgg19.mean, np.float64)
    style_maps = plain_features(vgg19.params, style - mean)
    config = preset("keras", pooling="average")
    total, _ = loss_of(vgg19, content, style, image, config)
    expected = 2.5e-8 * ((maps["relu5_2"] - content_maps["relu5_2"]) ** 2).sum()

    def gram(features):
        matrix = features.reshape(-1, features.shape[-1])
        return matrix.T @ matrix

    for layer in config.style_layers:
        difference = gram(maps[layer]) - gram(style_maps[layer])
        channels, size = 3, 32 * 48  # of the image, at every layer
        loss = (difference**2).sum() / (4 * channels**2 * size**2)
        expected += 1e-6 / 5 * loss
    np.testing.assert_allclose(total, expected, rtol=1e-4)
