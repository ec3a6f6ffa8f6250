"""Files by the libraries that write them in the wild; every value against the pattern given."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from jnst.common.errors import NetworkError
from jnst.networks.files.formats import open_weights, tensor_names
from jnst.networks.layers import VGG19
from support import make_files
from support.plain import plain_convolution
from support.tiny import DEPTHS, SHAPES, bias, kernel, shapes_of

CAFFE = ((0, 0, 255), (0, 255, 0), (255, 0, 0))  # from BGR in 0-255
TORCHVISION = np.diag(1 / np.array([0.229, 0.224, 0.225]))
MEANS = {
    "caffe": [123.68 / 255, 116.779 / 255, 103.939 / 255],
    "matconvnet": [123.68 / 255, 116.779 / 255, 103.939 / 255],
    "torchvision": [0.485, 0.456, 0.406],
    "canonical": make_files.MEAN,
}


def torch_file(name):
    return lambda path, shapes: make_files.torch_file(name)


def keras(**options):
    return lambda path, shapes: make_files.keras(path, shapes, **options)


def matconvnet(**options):
    return lambda path, shapes: make_files.matconvnet(path, shapes, **options)


def safe(prefix):
    return lambda path, shapes: make_files.safe(path, shapes, prefix=prefix)


FILES = {
    "PyTorch": (torch_file("zip.pth"), "torchvision"),
    "PyTorch before 1.6": (torch_file("legacy.pth"), "torchvision"),
    "Gatys": (torch_file("gatys.pth"), "caffe"),
    "safetensors": (safe("features."), "torchvision"),
    "safetensors of the features alone": (safe(""), "torchvision"),
    "safetensors with a prefix": (safe("perceptual.vgg."), "torchvision"),
    "Keras 2016": (keras(), "caffe"),
    "Keras": (keras(layout="new"), "caffe"),
    "Keras, whole model": (keras(layout="new", folder="model_weights"), "caffe"),
    "Keras, inside a model": (keras(folder="model_weights/vgg19"), "caffe"),
    "MatConvNet": (matconvnet(), "matconvnet"),
    "MatConvNet before 1.0": (matconvnet(nesting="filters", compressed=False), "matconvnet"),
    "MatConvNet, net": (matconvnet(net=True), "matconvnet"),
    "canonical HDF5": (make_files.canonical, "canonical"),
    "npz": (lambda path, shapes: make_files.npz(path.with_suffix(".npz"), shapes), "canonical"),
}


@pytest.mark.parametrize("file", FILES)
def test_every_value(tiny, tmp_path, file):
    write, convention = FILES[file]
    path = write(tmp_path / "weights.of.any.name", tiny)
    with open_weights(path) as weights:
        tensors = dict(weights.tensors())
    assert weights.convention == convention
    assert weights.guessed == (convention == "torchvision")
    np.testing.assert_allclose(weights.mean, MEANS[convention], rtol=1e-6)
    folding = {
        "caffe": CAFFE, "torchvision": TORCHVISION, "canonical": np.eye(3),
        "matconvnet": 255 * np.eye(3),
    }[convention]  # fmt: skip
    assert list(tensors) == list(tensor_names(VGG19))
    pooling = "average" if convention == "canonical" else "max"
    assert (weights.architecture, weights.pooling) == (VGG19, pooling)
    for name, shape in tiny.items():
        expected = kernel(name, shape).astype(np.float64)
        if name == "conv1_1":
            expected = np.einsum("cd,hwdo->hwco", folding, expected)
        tolerance = {"rtol": 1e-6, "atol": 2e-3 if file == "canonical HDF5" else 1e-9}
        np.testing.assert_allclose(tensors[f"{name}/kernel"], expected, **tolerance)
        np.testing.assert_allclose(tensors[f"{name}/bias"], bias(name, shape), rtol=1e-6)
        assert tensors[f"{name}/kernel"].dtype == tensors[f"{name}/bias"].dtype == np.float32


def check_values(weights, shapes):
    """Every value, but of conv1_1's kernel, which is folded."""
    tensors = dict(weights.tensors())
    assert list(tensors) == list(tensor_names(weights.architecture))
    for name, shape in shapes.items():
        if name != "conv1_1":
            np.testing.assert_array_equal(tensors[f"{name}/kernel"], kernel(name, shape))
        np.testing.assert_array_equal(tensors[f"{name}/bias"], bias(name, shape))


@pytest.mark.parametrize("architecture", DEPTHS)
@pytest.mark.parametrize("write", [make_files.safe, make_files.keras])
def test_every_architecture(tmp_path, write, architecture):
    shapes = shapes_of(architecture)
    with open_weights(write(tmp_path / "a", shapes)) as weights:
        assert weights.architecture.name == architecture
        check_values(weights, shapes)


@pytest.mark.parametrize("architecture", DEPTHS)
def test_batch_normalization_is_folded(tmp_path, architecture):
    """Of an image, each convolution is what the two layers are in float64."""
    shapes = shapes_of(architecture)
    path = save(tmp_path / "a", make_files.normalized_features(shapes))
    with open_weights(path) as weights:
        assert (weights.architecture.name, weights.convention) == (architecture, "torchvision")
        assert not weights.guessed
        tensors = dict(weights.tensors())
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        x = rng.standard_normal((6, 7, shape[2]))
        given = x if name != "conv1_1" else x / np.array([0.229, 0.224, 0.225])
        convolved = plain_convolution(given, kernel(name, shape)) + bias(name, shape)
        gain, offset, mean, variance = make_files.normalization(name, shape).values()
        expected = (convolved - mean) / np.sqrt(variance + 1e-5) * gain + offset
        found = plain_convolution(x, tensors[f"{name}/kernel"]) + tensors[f"{name}/bias"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory):
    """Files of Keras 3, in its own process, as it keeps its backend for good."""
    folder = tmp_path_factory.mktemp("keras")
    subprocess.run(
        [sys.executable, "-m", "support.keras_files", folder],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    return folder


@pytest.mark.parametrize("model", ["functional", "sequential", "subclassed", "blocks"])
def test_keras_3(keras_files, model):
    with open_weights(keras_files / f"{model}.weights.h5") as weights:
        assert weights.format == "HDF5, Keras 3 names"
        assert (weights.architecture.name, weights.convention) == ("VGG-16", "caffe")
        check_values(weights, shapes_of("VGG-16"))


def layers_of_keras_3(path, kernels, **more):
    """As Keras 3 writes a functional model, of these kernels' shapes."""
    with h5py.File(path, "w") as file:
        for number, shape in enumerate(kernels):
            variables = file.create_group(f"layers/conv2d{f'_{number}' if number else ''}/vars")
            variables["0"], variables["1"] = np.ones(shape), np.ones(shape[-1])
        for name, value in more.items():
            file[name.replace("__", "/")] = value
    return path


TEN = [(3, 3, 3, 4), *[(3, 3, 4, 4)] * 9]
NO_VGG = {
    "normalized": (TEN, {"layers__bn__vars__3": np.ones(4)}, "with batch normalization, which"),
    "one more": (
        [*TEN, TEN[-1]],
        {},
        r"11 convolutions of 3 x 3 and 0 others; 8, 10, 13, 16",
    ),
    "configuration C": (
        [*TEN, *[(1, 1, 4, 4)] * 3],
        {},
        "10 convolutions of 3 x 3 and 3 others",
    ),
    "odd digits": (
        TEN[:7],
        {"a²__vars__0": np.ones((3, 3, 4, 4)), "a²__vars__1": np.ones(4)},
        r"a²/vars/0 has shape \(3, 3, 4, 4\)",
    ),
    "many digits": (
        TEN[:9],
        {"9" * 5000 + f"__vars__{kind}": np.ones((3, 3, 4, 4)[3 * kind :]) for kind in (0, 1)},
        "9 convolutions",
    ),
    "empty": ([], {"a__vars__0": h5py.Empty("f4")}, "holds no VGG network"),
}


@pytest.mark.parametrize("kind", NO_VGG)
def test_no_vgg_of_keras_3(tmp_path, kind):
    kernels, more, message = NO_VGG[kind]
    path = layers_of_keras_3(tmp_path / "a.h5", kernels, **more)
    with pytest.raises(NetworkError, match=message), open_weights(path) as weights:
        list(weights.tensors())


def test_the_larger_of_two_networks(tmp_path):
    state = make_files.features(shapes_of("VGG-16"), prefix="a.") | make_files.features(
        SHAPES, prefix="b."
    )
    with open_weights(save(tmp_path / "two", state)) as weights:
        assert weights.architecture == VGG19


def test_the_mean_of_keras_3_can_be_said(keras_files):
    with open_weights(keras_files / "blocks.weights.h5", "hed") as weights:
        assert (weights.convention, weights.guessed) == ("hed", False)
        mean = np.array([122.67892, 116.66877, 104.00699]) / 255
        np.testing.assert_allclose(weights.mean, mean, rtol=1e-6)


def test_a_wheel(keras_files, tmp_path):
    member = (keras_files / "blocks.weights.h5").read_bytes()
    path = make_files.wheel(tmp_path / "a.whl", {"a/b.weights.h5": member})
    with open_weights(path) as weights:
        check_values(weights, shapes_of("VGG-16"))
    path = make_files.wheel(tmp_path / "two.whl", {"a.h5": member, "b.h5": member})
    with pytest.raises(NetworkError, match=r"two.whl: is a zip file with a.h5 of \d+ bytes, b.h5"):
        open_weights(path).__enter__()


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_a_canonical_file_says_its_pooling(tiny, tmp_path, pooling):
    path = make_files.canonical(tmp_path / "a", tiny)
    with h5py.File(path, "r+") as file:
        file.attrs["pooling"] = pooling
    with open_weights(path) as weights:
        assert weights.pooling == pooling
    with h5py.File(path, "r+") as file:
        file.attrs["pooling"] = "median"
    with pytest.raises(NetworkError, match="pooling is 'median'; accepted: average, max"):
        open_weights(path).__enter__()


@pytest.mark.parametrize("file", ["odd.pth", "odd_legacy.pth"])
def test_halves_slices_parameters_and_checkpoints(tiny, file):
    with open_weights(make_files.torch_file(file)) as weights:
        tensors = dict(weights.tensors())
    for index, (name, shape) in enumerate(tiny.items()):
        rounding = (2.0**-11, 2.0**-8)[index % 2]
        if name != "conv1_1":
            expected = kernel(name, shape)
            np.testing.assert_allclose(tensors[f"{name}/kernel"], expected, rtol=rounding)
        np.testing.assert_allclose(tensors[f"{name}/bias"], bias(name, shape), rtol=rounding)


def test_full_size(tmp_path):
    with open_weights(make_files.safe(tmp_path / "a", VGG19.convolutions)) as weights:
        for key, tensor in weights.tensors():
            name, kind = key.split("/")
            shape = VGG19.convolutions[name]
            if name != "conv1_1":
                expected = kernel(name, shape) if kind == "kernel" else bias(name, shape)
                np.testing.assert_array_equal(tensor, expected)


def save(path, state):
    safetensors.numpy.save_file(state, path)
    return path


class TestConvention:
    def small(self, name, shape):
        return kernel(name, shape) / (255 if name == "conv1_1" else 1)

    def test_asked(self, tiny, tmp_path):
        path = make_files.safe(tmp_path / "a", tiny)
        with open_weights(path, "caffe") as weights:
            tensors = dict(weights.tensors())
        assert (weights.convention, weights.guessed) == ("caffe", False)
        expected = kernel("conv1_1", tiny["conv1_1"])[:, :, ::-1] * 255
        np.testing.assert_allclose(tensors["conv1_1/kernel"], expected, rtol=1e-6)

    def test_guessed(self, tiny, tmp_path):
        path = make_files.safe(tmp_path / "a", tiny, kernels=self.small)
        with open_weights(path) as weights:
            assert (weights.convention, weights.guessed) == ("caffe", True)
            tensors = dict(weights.tensors())
        expected = kernel("conv1_1", tiny["conv1_1"])[:, :, ::-1]
        np.testing.assert_allclose(tensors["conv1_1/kernel"], expected, rtol=1e-6)

    def test_known_by_the_classifier_of_johnson(self, tiny, tmp_path):
        def write(shape):
            state = make_files.features(tiny) | {"classifier.1.weight": np.zeros(shape, np.int8)}
            return save(tmp_path / "a", state)

        with open_weights(write((4096, 25088))) as weights:
            assert (weights.convention, weights.guessed) == ("caffe", False)
        with open_weights(tmp_path / "a", "torchvision") as weights:
            assert (weights.convention, weights.guessed) == ("torchvision", False)
        with open_weights(write((10, 512))) as weights:  # a head for another task
            assert (weights.convention, weights.guessed) == ("torchvision", True)

    def test_the_wrong_one_is_refused(self, tiny, tmp_path):
        path = make_files.safe(tmp_path / "a", tiny, kernels=self.small)
        with (
            open_weights(path, "torchvision") as weights,
            pytest.raises(NetworkError, match=r"convention torchvision has .* it fits caffe"),
        ):
            list(weights.tensors())

    def test_names_that_say_another(self, tiny):
        message = "has Gatys's names, whose convention is caffe, not torchvision"
        with pytest.raises(NetworkError, match=message):
            open_weights(make_files.torch_file("gatys.pth"), "torchvision").__enter__()

    def test_unknown(self, tmp_path):
        with pytest.raises(
            NetworkError, match="'tf'; accepted: caffe, hed, matconvnet, torchvision"
        ):
            open_weights(tmp_path / "a", "tf").__enter__()


def without(name):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def with_(name, tensor):
    return lambda state: state | {name: np.asarray(tensor, np.float32)}


def spoiled(value, name="features.7.weight"):
    def change(state):
        tensor = state[name].copy()
        tensor.flat[5] = value
        return state | {name: tensor}

    return change


WRONG = {
    "no statistics": (
        lambda state: {
            name: tensor
            for name, tensor in make_files.normalized_features(SHAPES).items()
            if "running" not in name
        },
        "has the numbers of a network with batch normalization, and not all its statistics",
    ),
    "huge with its normalization": (
        lambda state: make_files.normalized_features(SHAPES)
        | {"features.1.weight": np.float32([1e38, 1e38])}
        | {"features.1.running_var": np.float32([0, 0])},
        "conv1_1/kernel is not finite with its batch normalization",
    ),
    "variance": (
        lambda state: make_files.normalized_features(SHAPES)
        | {"features.8.running_var": np.float32([1, -1, 1])},
        "features.8.running_var is negative; no variance is",
    ),
    "missing": (without("features.16.weight"), "conv3_4/kernel is missing, for a VGG-19"),
    "no bias": (without("features.34.bias"), "conv5_4/bias is missing, for a VGG-19"),
    "another": (lambda state: {"layer.w": np.ones(3)}, "no VGG network under .* but layer.w"),
    "shape": (with_("features.5.bias", np.ones(4)), r"features.5.bias has shape \(4,\).*\(3,\)"),
    "nan": (spoiled(np.nan), "features.7.weight is not finite"),
    "inf": (spoiled(-np.inf), "features.7.weight is not finite"),
    "integers": (
        lambda state: state | {"features.2.bias": np.ones(2, bool)}, "is of bool, not numbers"
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_state_dicts(tiny, tmp_path, wrong):
    change, message = WRONG[wrong]
    path = save(tmp_path / "wrong.pth", change(make_files.features(tiny)))
    with (
        pytest.raises(NetworkError, match=f"wrong.pth: .*{message}"),
        open_weights(path) as weights,
    ):
        list(weights.tensors())


def test_float64_beyond_float32(tiny, tmp_path):
    path = make_files.canonical(tmp_path / "a", tiny)
    with h5py.File(path, "r+") as file:
        del file["conv2_1/bias"]
        file["conv2_1/bias"] = np.array([1, 1e39, 2])
    with (
        pytest.raises(NetworkError, match="conv2_1/bias is not finite"),
        open_weights(path) as weights,
    ):
        list(weights.tensors())


def test_a_stated_digest_is_compared(tiny, tmp_path):
    path = make_files.canonical(tmp_path / "a", tiny)
    with h5py.File(path, "r+") as file:
        file.attrs["digest"] = "0123"
    with (
        pytest.raises(NetworkError, match=r"its digest is \w{64}, where it says 0123: damaged"),
        open_weights(path) as weights,
    ):
        list(weights.tensors())


@pytest.mark.parametrize("file", [name for name in FILES if "," not in name])
def test_cut_off_files(tiny, tmp_path, file):
    write, _ = FILES[file]
    data = write(tmp_path / "whole", tiny).read_bytes()
    for share in (0.01, 0.3, 0.7, 0.97):
        path = tmp_path / "cut"
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(NetworkError, match="cut: "), open_weights(path) as weights:
            list(weights.tensors())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n <!DOCTYPE html><html>404</html>", "is a web page: the download went wrong"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "has an unknown format; accepted: PyTorch",
        ),
        (b"", "has an unknown format"),
        (b"PK\x03\x04" + b"x" * 99, "is a zip file that is cut off or damaged"),
    ],
)
def test_no_weights(tmp_path, content, message):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=f"weights.h5: {message}"):
        open_weights(path).__enter__()
    with pytest.raises(NetworkError, match="is not a file"):
        open_weights(tmp_path).__enter__()
    with pytest.raises(NetworkError, match="no such file"):
        open_weights(tmp_path / "missing").__enter__()


def test_no_kernel_is_larger_than_those_of_vgg19(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("conv1_1/kernel", (3, 3, 3, 10**9), "f4")
        file["conv1_1/bias"] = np.zeros(1)
        file.attrs["mean"] = np.zeros(3)
        for name in list(SHAPES)[1:]:
            file[f"{name}/kernel"], file[f"{name}/bias"] = np.zeros((3, 3, 1, 1)), np.zeros(1)
    message = "conv1_1/kernel is larger than any kernel of VGG-19"
    with pytest.raises(NetworkError, match=message), open_weights(tmp_path / "a.h5"):
        pass
