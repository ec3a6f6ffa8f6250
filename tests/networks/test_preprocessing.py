"""The folding, against the network run in its own convention by plain float64 numpy."""

import jax.numpy as jnp
import numpy as np
import pytest

from jnst.common.errors import NetworkError
from jnst.networks.layers import VGG19
from jnst.networks.preprocessing import (
    CONVENTIONS,
    check_convention,
    guess_convention,
    is_torchvision,
)
from jnst.networks.vgg import Network, extract_features
from support.golden import FILES, reference, reference_network
from support.plain import plain_features

RELUS = [name for name in VGG19.layers if name.startswith("relu")]


def own_input(convention, image):
    """What each convention's users write before its network."""
    if convention == "caffe":
        return (image * 255)[..., ::-1] - [103.939, 116.779, 123.68]
    if convention == "hed":
        return (image * 255)[..., ::-1] - [104.00699, 116.66877, 122.67892]
    if convention == "matconvnet":
        return image * 255 - [123.68, 116.779, 103.939]
    return (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", CONVENTIONS)
def test_features_are_those_of_the_unported_network(name, file):
    network = reference_network(file)
    scale = 1 if name == "torchvision" else 1 / 60  # so that maps are of the usual size
    unported = dict(network.params)
    kernel = np.asarray(unported["conv1_1"]["kernel"]) * np.float32(scale)
    unported["conv1_1"] = {"kernel": kernel, "bias": unported["conv1_1"]["bias"]}

    convention = CONVENTIONS[name]
    ported = {**unported, "conv1_1": {**unported["conv1_1"]}}
    ported["conv1_1"]["kernel"] = jnp.asarray(convention.fold(kernel), jnp.float32)
    image = reference(file)["image"].astype(np.float64)
    features = extract_features(
        Network(ported, jnp.asarray(convention.canonical_mean()), "average"),
        jnp.asarray(image, jnp.float32),
        RELUS,
    )
    expected = plain_features(unported, own_input(name, image))
    for layer in RELUS:
        maps = np.asarray(features[layer])
        for rows in (slice(None), [0, -1]):  # everywhere, and at the border
            error = np.linalg.norm(maps[rows] - expected[layer][rows])
            assert error <= 1e-4 * np.linalg.norm(expected[layer][rows]), layer


def kernel(scale):
    return scale * np.random.default_rng(0).standard_normal(VGG19.convolutions["conv1_1"])


def test_the_scale_decides_between_the_two():
    assert guess_convention(kernel(0.2)).name == "torchvision"
    assert guess_convention(kernel(0.2 / 255)).name == "caffe"


@pytest.mark.parametrize(
    ("scale", "name", "message"),
    [
        (0.2 / 255, "torchvision", "where convention torchvision has 0.02 to 20; it fits caffe or"),
        (50, "caffe", "where convention caffe has 0.0001 to 5; it fits none"),
        (10, "matconvnet", "where convention matconvnet .* it fits torchvision"),
        (0, "caffe", "it fits none"),
    ],
)
def test_another_convention_is_refused(scale, name, message):
    with pytest.raises(NetworkError, match=message):
        check_convention(kernel(scale), CONVENTIONS[name])


@pytest.mark.parametrize(("scale", "name"), [(0.2, "caffe"), (1e-3, "caffe"), (0.2, "torchvision")])
def test_a_fitting_convention_is_accepted(scale, name):
    check_convention(kernel(scale), CONVENTIONS[name])


def test_torchvision_is_known_by_its_first_kernel():
    known = kernel(0.2)
    assert not is_torchvision(known)
    known[:, :, 0, 0] = [
        [-0.053474, -0.049257, -0.067942],
        [0.015314, 0.045068, 0.0021444],
        [0.036226, 0.019999, 0.019864],
    ]
    assert is_torchvision(known)
    assert guess_convention(known * 1.0001).name == "torchvision"
    with pytest.raises(NetworkError, match="its convention is torchvision, not caffe"):
        check_convention(known, CONVENTIONS["caffe"])
