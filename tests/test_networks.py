"""Files are written here by plain h5py, and what jnst writes is read by it."""

import dataclasses
import hashlib

import h5py
import jax
import numpy as np
import pytest

from jnst.networks import NetworkError, load_network, write_network
from jnst.vgg import CONVOLUTIONS, extract_features

MEAN = [0.5, 0.25, 0.125]


def write_by_hand(path):
    """The canonical file of a network whose kernels are 2 everywhere, which HDF5 need not store."""
    with h5py.File(path, "w") as file:
        file.attrs["mean"] = MEAN
        for key in ("name", "source", "licence"):
            file.attrs[key] = f"the {key}"
        for name, shape in CONVOLUTIONS.items():
            file.create_dataset(f"{name}/kernel", shape, "i1", fillvalue=4)
            file[f"{name}/kernel"].attrs["scale"] = np.full(shape[-1], 0.5)
            file.create_dataset(f"{name}/bias", shape[-1:], "f4", fillvalue=0.75)
    return path


def leaves(network):
    return {
        f"{name}/{kind}": np.asarray(network.params[name][kind])
        for name in CONVOLUTIONS
        for kind in ("kernel", "bias")
    }


def test_a_file_by_another_hand(tmp_path):
    path = write_by_hand(tmp_path / "a.h5")
    network = load_network(path)
    np.testing.assert_array_equal(network.mean, MEAN)
    for key, tensor in leaves(network).items():
        assert tensor.dtype == np.float32
        assert (tensor == (2 if key.endswith("kernel") else 0.75)).all()
    assert [network.name, network.source, network.licence] == [
        "the name", "the source", "the licence",
    ]  # fmt: skip
    assert network.digest == hashlib.sha256(path.read_bytes()).hexdigest()
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
    assert dataclasses.replace(again, params=0, mean=0) == dataclasses.replace(
        network, params=0, mean=0, digest=hashlib.sha256(path.read_bytes()).hexdigest()
    )
    assert list(tmp_path.iterdir()) == [path]


def test_int8_file_is_readable_by_plain_h5py(network, network_file):
    with h5py.File(network_file) as file:
        assert list(file) == sorted(CONVOLUTIONS)
        for name, shape in CONVOLUTIONS.items():
            stored, kernel = file[f"{name}/kernel"], np.asarray(network.params[name]["kernel"])
            assert stored.dtype == np.int8
            scale = stored.attrs["scale"]
            assert scale.shape == shape[-1:]
            assert (np.abs(stored[:] * scale - kernel) <= scale / 2 * (1 + 1e-5)).all()
            np.testing.assert_array_equal(file[f"{name}/bias"], network.params[name]["bias"])
        assert dict(file.attrs, mean=0) == {
            "mean": 0, "name": "random", "source": "tests", "licence": "none",
        }  # fmt: skip


def test_an_empty_channel_survives_int8(network, tmp_path):
    kernel = network.params["conv1_1"]["kernel"].at[..., 5].set(0)
    params = {**network.params, "conv1_1": {**network.params["conv1_1"], "kernel": kernel}}
    write_network(tmp_path / "a.h5", network.replace(params=params), storage="int8")
    assert (load_network(tmp_path / "a.h5").params["conv1_1"]["kernel"][..., 5] == 0).all()


def test_embedded():
    network = load_network("embedded")
    assert jax.tree.map(np.shape, network.params) == {
        name: {"kernel": shape, "bias": shape[-1:]} for name, shape in CONVOLUTIONS.items()
    }
    assert network.name
    assert len(network.digest) == 64
    image = np.random.default_rng(0).random((16, 16, 3), np.float32)
    (maps,) = extract_features(network, image, ["relu3_1"]).values()
    assert np.isfinite(maps).all()
    assert maps.std() > 0


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
    "misshapen": (change("conv2_1/bias", np.zeros(64)), r"shape \(64,\); VGG-19 has \(128,\)"),
    "scalar": (change("conv2_1/bias", 1.0), r"conv2_1/bias has shape \(\)"),
    "text": (change("conv1_1/bias", ["x"] * 64), "not a canonical network file"),
    "nan": (bias(np.nan), "conv3_2/bias is not finite"),
    "inf": (bias(np.inf), "conv3_2/bias is not finite"),
    "nan in scale": (attribute("scale", np.nan, "conv1_1/kernel"), "conv1_1/kernel is not finite"),
    "scale of 3": (attribute("scale", [1.0] * 3, "conv1_1/kernel"), "not a canonical network"),
    "no mean": (lambda file: file.attrs.__delitem__("mean"), "not a canonical network file"),
    "mean of 2": (attribute("mean", [0.5, 0.5]), "mean is .*; three finite numbers"),
    "nan in mean": (attribute("mean", [0.5, np.nan, 0.5]), "mean is .*; three finite numbers"),
    "text as mean": (attribute("mean", "grey"), "not a canonical network file"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files(tmp_path, damage):
    edit, message = DAMAGE[damage]
    path = write_by_hand(tmp_path / "broken.h5")
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(NetworkError, match=f"broken.h5: .*{message}"):
        load_network(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.h5", None, "no such file; 'embedded' or a canonical .h5 is accepted"),
        ("embeded", None, "no such file; 'embedded'"),
        ("empty.h5", b"", "not a canonical network file"),
        ("text.h5", b"weights\n" * 99, "not a canonical network file"),
        ("half.h5", 0.5, "not a canonical network file"),
    ],
)
def test_no_network_file(tmp_path, name, content, message):
    path = tmp_path / name
    if content == 0.5:
        whole = write_by_hand(path).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(NetworkError, match=f"{name}: {message}"):
        load_network(path)
    with pytest.raises(NetworkError, match="no such file"):
        load_network(tmp_path)


def test_a_failed_write_leaves_the_old_file(network, tmp_path):
    path = write_by_hand(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="storage is 'int4'; accepted: float32, float16, int8"):
        write_network(path, network, storage="int4")
    half = {name: network.params[name] for name in list(CONVOLUTIONS)[:2]}
    with pytest.raises(KeyError, match="conv2_1"):
        write_network(path, network.replace(params=half), storage="int8")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
