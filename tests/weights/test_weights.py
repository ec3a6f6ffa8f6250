"""The embedded network: the pictures, the learning, and the file that is shipped."""

import importlib.resources
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jnst.networks.layers import VGG19, Architecture
from jnst.networks.loading import load_network
from jnst.networks.vgg import extract_features
from jnst.weights import learn
from jnst.weights.pictures import draw_picture


def test_picture_is_an_image_and_follows_its_seed():
    picture = draw_picture(np.random.default_rng(3), 48)
    assert picture.shape == (48, 48, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.02
    np.testing.assert_array_equal(picture, draw_picture(np.random.default_rng(3), 48))
    assert np.abs(picture - draw_picture(np.random.default_rng(4), 48)).mean() > 0.02


def test_whitening_agrees_with_float64():
    rng = np.random.default_rng(0)
    patches = rng.standard_normal((3000, 24)) * np.geomspace(8, 0.1, 24)
    patches = patches @ np.linalg.qr(rng.standard_normal((24, 24)))[0] + 2
    values, vectors = np.linalg.eigh(np.cov(patches.T, bias=True))
    values, vectors = values[-10:], vectors[:, -10:]
    expected = vectors / np.sqrt(values + 0.1 * values.mean())
    whitening = learn.whiten(rng, jnp.asarray(patches, jnp.float32), 10, 0.1)
    np.testing.assert_allclose(whitening.mean, patches.mean(0), rtol=1e-4)
    signs = np.sign((expected * whitening.directions).sum(0))
    np.testing.assert_allclose(signs * whitening.directions, expected, atol=1e-4)


def test_clusters_find_separate_directions():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    points = np.repeat(directions, 50, 0) + 0.05 * rng.standard_normal((400, 8))
    # Random starts may leave two directions in one cluster; enough clusters find all of them.
    centers = learn.cluster_directions(rng, jnp.asarray(points, jnp.float32), 40)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1, rtol=1e-5)
    assert (np.asarray(centers) @ directions.T).max(0).min() > 0.98


def test_patches_are_those_of_the_maps():
    maps = [jnp.arange(5 * 6 * 2.0).reshape(5, 6, 2)]
    windows = np.lib.stride_tricks.sliding_window_view(maps[0], (3, 3), (0, 1))
    windows = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 18)
    patches = learn.sample_patches(np.random.default_rng(0), maps, 40)
    assert patches.shape == (40, 18)
    assert {tuple(row) for row in np.asarray(patches)} <= {tuple(row) for row in windows}


def test_convolution_is_normalized_and_survives_int8():
    rng = np.random.default_rng(0)
    patches = rng.standard_normal((4000, 27)) @ rng.standard_normal((27, 27))
    patches = jnp.asarray(patches, jnp.float32)
    layer = learn.learn_convolution(rng, patches, (3, 3, 3, 16))
    kernel = np.asarray(layer["kernel"]).reshape(27, 16)
    active = np.maximum(patches @ kernel + layer["bias"], 0)
    np.testing.assert_allclose(active.mean(0), 1, rtol=1e-3)
    np.testing.assert_allclose((active > 0).mean(0), learn.ACTIVE, atol=2e-3)
    whole = 127 * kernel / np.abs(kernel).max(0)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)


def test_learning_follows_its_seed(monkeypatch: pytest.MonkeyPatch):
    first = Architecture("two convolutions", (1, 1, 0, 0, 0))
    monkeypatch.setattr(learn, "VGG19", first)
    monkeypatch.setattr(learn, "PATCHES", 1000)
    pictures = [draw_picture(np.random.default_rng(seed), 32) for seed in range(2)]
    done: list[str] = []
    network = learn.learn_network(pictures, seed=1, progress=done.append)
    again = learn.learn_network(pictures, seed=1)
    other = learn.learn_network(pictures, seed=2)
    assert done == list(first.convolutions)
    np.testing.assert_allclose(network.mean, np.mean(pictures, (0, 1, 2)), rtol=1e-4)
    for name in first.convolutions:
        kernel = network.params[name]["kernel"]
        np.testing.assert_array_equal(kernel, again.params[name]["kernel"])
        assert not np.array_equal(kernel, other.params[name]["kernel"])


def test_shipped_file_is_whole_small_and_honest():
    network = load_network("embedded")
    assert network.params.keys() == VGG19.convolutions.keys()
    assert network.name == "jnst-dead-leaves"
    assert "without labels or photographs" in network.source
    assert network.license == "MIT"
    assert network.pooling == "average"
    with importlib.resources.as_file(
        importlib.resources.files("jnst.weights") / "embedded.h5"
    ) as path:
        assert path.stat().st_size <= 25e6


def test_shipped_network_is_normalized_on_pictures_it_has_not_seen():
    rng = np.random.default_rng(1234)
    layers = ("relu1_1", "relu1_2", "relu2_1", "relu2_2")
    network = load_network("embedded")
    maps = [extract_features(network, draw_picture(rng, 128), layers) for _ in range(12)]
    for name in layers:
        responses = np.stack([one[name] for one in maps])
        assert responses.mean() == pytest.approx(1, abs=0.2)
        assert (responses > 0).mean() == pytest.approx(learn.ACTIVE, abs=0.05)


def test_nothing_named_weights_is_importable(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", "import weights"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "No module named 'weights'" in finished.stderr
