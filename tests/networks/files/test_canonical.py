"""Files are written here by plain h5py, and what jnst writes is read by it."""

import hashlib

import h5py
import numpy as np
import pytest

from jnst.common.errors import NetworkError
from jnst.networks.files.canonical import network_digest, write_network
from jnst.networks.layers import VGG19
from jnst.networks.loading import load_network
from support.tiny import SHAPES

MEAN = [0.5, 0.25, 0.125]


def write_by_hand(path):
    """The canonical file of a network whose kernels are 2 everywhere, which HDF5 need not store."""
    with h5py.File(path, "w") as file:
        file.attrs["mean"] = MEAN
        for key in ("name", "source", "licence"):
            file.attrs[key] = f"the {key}"
        for name, shape in VGG19.convolutions.items():
            file.create_dataset(f"{name}/kernel", shape, "i1", fillvalue=4)
            file[f"{name}/kernel"].attrs["scale"] = np.full(shape[-1], 0.5)
            file.create_dataset(f"{name}/bias", shape[-1:], "f4", fillvalue=0.75)
    return path


def leaves(network):
    return {
        f"{name}/{kind}": np.asarray(network.params[name][kind])
        for name in VGG19.convolutions
        for kind in ("kernel", "bias")
    }


def digest_by_hand(network):
    """Over the mean, then each convolution's kernel and bias, as little-endian float32.

    Maximum pooling stands behind the mean.
    """
    data = np.asarray(network.mean, "<f4").tobytes()
    data += {"average": b"", "max": b"max"}[network.pooling]
    for layer in VGG19.convolutions:
        for kind in ("kernel", "bias"):
            data += np.asarray(network.params[layer][kind], "<f4").tobytes()
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_the_digest_is_of_what_is_read_again(network, tmp_path, storage, pooling):
    network = network.replace(pooling=pooling)
    write_network(tmp_path / "a.h5", network, storage=storage)
    again = load_network(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["digest"] == again.digest == digest_by_hand(again)
    assert network_digest(network) == digest_by_hand(network)
    assert (again.digest == network_digest(network)) == (storage == "float32")


def test_a_file_by_another_hand(tmp_path):
    path = write_by_hand(tmp_path / "a.h5")
    network = load_network(path)
    np.testing.assert_array_equal(network.mean, MEAN)
    for key, tensor in leaves(network).items():
        assert tensor.dtype == np.float32
        assert (tensor == (2 if key.endswith("kernel") else 0.75)).all()
    assert [network.name, network.source, network.license] == [
        "the name", "the source", "the licence",
    ]  # fmt: skip
    assert network.digest == digest_by_hand(network)
    assert load_network(str(path)).digest == network.digest


def error_bound(kernel, storage):
    if storage == "int8":
        return np.abs(kernel).max((0, 1, 2)) / 127 / 2 * (1 + 1e-5)
    return {"float32": 0, "float16": np.abs(kernel) * 2.0**-11 + 2.0**-25}[storage]


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_round_trip(network, tmp_path, storage):
    path = tmp_path / "a.h5"
    write_network(path, network, storage=storage)
    again = load_network(path)
    for key, kernel in leaves(network).items():
        bound = error_bound(kernel, storage) if key.endswith("kernel") else 0
        assert (np.abs(leaves(again)[key] - kernel) <= bound).all()
    np.testing.assert_array_equal(again.mean, network.mean)
    for kind in ("name", "source", "license", "pooling"):
        assert getattr(again, kind) == getattr(network, kind)
    assert again.digest == digest_by_hand(again)
    assert list(tmp_path.iterdir()) == [path]


def test_int8_file_is_readable_by_plain_h5py(network, network_file):
    with h5py.File(network_file) as file:
        assert list(file) == sorted(VGG19.convolutions)
        for name, shape in SHAPES.items():
            stored, kernel = file[f"{name}/kernel"], np.asarray(network.params[name]["kernel"])
            assert stored.dtype == np.int8
            scale = stored.attrs["scale"]
            assert scale.shape == shape[-1:]
            assert (np.abs(stored[:] * scale - kernel) <= scale / 2 * (1 + 1e-5)).all()
            np.testing.assert_array_equal(file[f"{name}/bias"], network.params[name]["bias"])
        assert dict(file.attrs, mean=0, digest=0) == {
            "mean": 0, "pooling": "average", "name": "random", "source": "tests",
                "licence": "none", "preset": "fast", "digest": 0,
        }  # fmt: skip


def test_an_empty_channel_survives_int8(network, tmp_path):
    kernel = network.params["conv1_1"]["kernel"].at[..., 1].set(0)
    params = {**network.params, "conv1_1": {**network.params["conv1_1"], "kernel": kernel}}
    write_network(tmp_path / "a.h5", network.replace(params=params), storage="int8")
    assert (load_network(tmp_path / "a.h5").params["conv1_1"]["kernel"][..., 1] == 0).all()


def change(key, data, *, group=False):
    def edit(file):
        del file[key]
        if group:
            file.create_group(key)
        elif data is not None:
            file[key] = data

    return edit


def attribute(key, value, owner="/"):
    return lambda file: file[owner].attrs.__setitem__(key, value)


def bias(value):
    return lambda file: file["conv3_2/bias"].__setitem__(7, value)


DAMAGE = {
    "missing tensor": (change("conv4_1/kernel", None), "conv4_1/kernel is missing"),
    "missing layer": (change("conv5_4", None), "conv5_4/kernel is missing"),
    "group for tensor": (change("conv1_1/bias", None, group=True), "conv1_1/bias is missing"),
    "misshapen": (change("conv2_1/bias", np.zeros(64)), r"shape \(64,\); .* \(128,\) is accepted"),
    "scalar": (change("conv2_1/bias", 1.0), r"conv2_1/bias has shape \(\)"),
    "text": (change("conv1_1/bias", ["x"] * 64), "conv1_1/bias is of object, not numbers"),
    "nan": (bias(np.nan), "conv3_2/bias is not finite"),
    "inf": (bias(np.inf), "conv3_2/bias is not finite"),
    "nan in scale": (attribute("scale", np.nan, "conv1_1/kernel"), "conv1_1/kernel is not finite"),
    "scale of 3": (attribute("scale", [1.0] * 3, "conv1_1/kernel"), "has a scale of shape"),
    "no mean": (lambda file: file.attrs.__delitem__("mean"), "mean is None; three finite numbers"),
    "mean of 2": (attribute("mean", [0.5, 0.5]), "mean is .*; three finite numbers"),
    "nan in mean": (attribute("mean", [0.5, np.nan, 0.5]), "mean is .*; three finite numbers"),
    "text as mean": (attribute("mean", "gray"), "mean is gray; three finite numbers"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files(tmp_path, damage):
    edit, message = DAMAGE[damage]
    path = write_by_hand(tmp_path / "broken.h5")
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(NetworkError, match=f"broken.h5: .*{message}"):
        load_network(path)


def test_a_failed_write_leaves_the_old_file(network, tmp_path):
    path = write_by_hand(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"storage is 'int4'.* accepted: float32, float16, int8"):
        write_network(path, network, storage="int4")
    bare = {**network.params, "conv2_1": {"kernel": network.params["conv2_1"]["kernel"]}}
    with pytest.raises(KeyError, match="bias"):
        write_network(path, network.replace(params=bare), storage="int8")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
