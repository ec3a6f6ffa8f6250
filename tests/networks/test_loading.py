"""Networks by name: found, fetched from a server on loopback, ported, loaded."""

import pathlib
import subprocess
import sys
import warnings

import h5py
import jax
import numpy as np
import pytest

import jnst
from jnst.common.errors import NetworkError, NetworkWarning
from jnst.networks import loading
from jnst.networks.layers import VGG19
from jnst.networks.loading import (
    cached_networks,
    find_network,
    known_networks,
    stated_preset,
)
from support import make_files
from support.tiny import kernel


def test_embedded():
    network = jnst.load_network("embedded")
    assert jax.tree.map(np.shape, network.params) == {
        name: {"kernel": shape, "bias": shape[-1:]} for name, shape in VGG19.convolutions.items()
    }
    assert network.name
    assert network.digest == jnst.network_digest(network)
    image = np.random.default_rng(0).random((16, 16, 3), np.float32)
    (maps,) = jnst.extract_features(network, image, ["relu3_1"]).values()
    assert np.isfinite(maps).all()
    assert maps.std() > 0


def test_a_file_of_any_format(tiny):
    network = jnst.load_network(make_files.torch_file("gatys.pth"))
    expected = 255 * kernel("conv1_1", tiny["conv1_1"])[:, :, ::-1]
    np.testing.assert_allclose(network.params["conv1_1"]["kernel"], expected, rtol=1e-6)
    np.testing.assert_allclose(network.mean * 255, [123.68, 116.779, 103.939], rtol=1e-6)
    assert (network.name, network.license) == ("gatys", "unknown")
    assert network.source == "gatys.pth (PyTorch before 1.6, Gatys names, convention caffe)"
    assert network.digest == jnst.network_digest(network)


def test_a_guess_is_said(tiny):
    path = make_files.torch_file("zip.pth")
    with pytest.warns(NetworkWarning, match=r"zip.pth: convention torchvision is guessed from"):
        assert jnst.load_network(path).source.endswith("convention torchvision, guessed)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jnst.load_network(path, convention="torchvision").source.endswith("torchvision)")


def test_no_such_network(tmp_path):
    for name in ("embeded", tmp_path, tmp_path / "missing.h5"):
        with pytest.raises(NetworkError, match=r"and no such network; .*networks are "):
            jnst.load_network(name)
    assert known_networks() == ["embedded", "imagenet", "torchvision", "hed"]


class TestPort:
    def test_to_a_file(self, tiny, tmp_path):
        source = make_files.torch_file("gatys.pth")
        path = jnst.port_network(source, tmp_path / "out.h5")
        assert path == tmp_path / "out.h5"
        again, direct = jnst.load_network(path), jnst.load_network(source)
        assert (again.name, again.source, again.digest) == (
            "gatys",
            direct.source,
            direct.digest,
        )
        jax.tree.map(np.testing.assert_array_equal, again, direct)
        with h5py.File(path) as file:
            assert file.attrs["digest"] == direct.digest
            assert file["conv1_1/kernel"].dtype == np.float32

    def test_to_the_cache(self, tiny, cache):
        path = jnst.port_network(make_files.torch_file("gatys.pth"))
        assert path == cache / "gatys.h5"
        assert cached_networks() == {"gatys": path}
        assert find_network("gatys") == path
        assert jnst.load_network("gatys").name == "gatys"
        with pytest.raises(NetworkError, match="gatys is the name of another network; take it out"):
            jnst.port_network(make_files.torch_file("gatys.pth"))

    def test_the_file_of_the_manifest_gets_its_name(self, tiny, offer, cache, server):
        path = jnst.port_network(offer(tiny))
        assert path == cache / "imagenet.h5"
        network = jnst.load_network("imagenet")
        assert (network.name, network.license) == ("imagenet", "CC")
        assert network.source.startswith("keras.h5, sha256:")
        assert network.source.endswith(": S. and Z.")
        assert not server.requests

    def test_another_file_does_not(self, tiny, offer, tmp_path, cache):
        offer(tiny)
        for name in ("imagenet", "embedded"):
            make_files.safe(tmp_path / name, tiny)
            with pytest.raises(NetworkError, match=f"{name} is the name of another network"):
                jnst.port_network(tmp_path / name, convention="torchvision")
        assert not cache.exists()

    def test_onto_itself(self, tiny, tmp_path):
        path = make_files.keras(tmp_path / "a.h5", tiny)
        before = path.read_bytes()
        with pytest.raises(NetworkError, match="is the file that is to be ported"):
            jnst.port_network(path, path)
        assert path.read_bytes() == before

    def test_failure_leaves_nothing(self, tiny, tmp_path):
        path = make_files.keras(tmp_path / "a.h5", tiny)
        with h5py.File(path, "r+") as file:
            file["block5_conv4/block5_conv4_b_1:0"][2] = np.nan
        with pytest.raises(NetworkError, match=r"block5_conv4_b_1:0 is not finite"):
            jnst.port_network(path, tmp_path / "out.h5")
        assert list(tmp_path.iterdir()) == [path]


class TestFetch:
    def test_once(self, tiny, offer, server, cache):
        offer(tiny)
        server.breaks = [len(server.content) * 6 // 10]
        seen = []
        path = jnst.fetch_network("imagenet", progress=lambda *state: seen.append(state))
        assert path == cache / "imagenet.h5"
        assert seen[-1] == (len(server.content), len(server.content))
        assert [file.name for file in cache.iterdir() if not file.name.startswith(".")] == [
            "imagenet.h5"
        ]
        assert len(server.requests) == 2
        network = jnst.load_network("imagenet")
        assert (network.name, network.license) == ("imagenet", "CC")
        expected = 255 * kernel("conv1_1", tiny["conv1_1"])[:, :, ::-1]
        np.testing.assert_allclose(network.params["conv1_1"]["kernel"], expected, rtol=1e-6)
        assert len(server.requests) == 2

    def test_two_processes(self, offer, server):
        offer(VGG19.convolutions)
        code = "import jnst; print(jnst.load_network('imagenet').digest)"
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        digests = [process.communicate()[0] for process in processes]
        assert digests[0] == digests[1] == jnst.load_network("imagenet").digest + "\n"
        assert server.requests == [None]

    def test_refused(self, tiny, offer, server):
        offer(tiny)
        server.status = 404
        message = (
            r"network imagenet cannot be fetched; --network embedded is always there\n"
            r"or fetch http://127\S+ by hand, then: jnst network port FILE\n"
            r"\(127[\d.:]+ answers 404 [^/]*; \S+ does not have it\)"
        )
        with pytest.raises(NetworkError, match=message):
            jnst.load_network("imagenet")

    def test_a_wrong_byte(self, tiny, offer, server, cache):
        offer(tiny)
        server.content = server.content[:-1] + bytes([server.content[-1] ^ 1])
        with pytest.raises(NetworkError, match="does not have the digest sha256:"):
            jnst.load_network("imagenet")
        assert not [path for path in cache.iterdir() if not path.name.startswith(".")]

    def test_a_cache_that_cannot_be_written(self, tiny, offer, tmp_path, monkeypatch):
        offer(tiny)
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("JNST_CACHE", str(tmp_path / "file" / "cache"))
        with pytest.raises(NetworkError, match=r"imagenet cannot be kept in .*JNST_CACHE names"):
            jnst.load_network("imagenet")

    def test_not_in_the_manifest(self):
        with pytest.raises(NetworkError, match="gatys: not in the manifest, which has imagenet, "):
            jnst.fetch_network("gatys")

    def test_a_damaged_cache_is_found_out(self, tiny, offer, cache):
        offer(tiny)
        path = jnst.fetch_network("imagenet")
        with h5py.File(path, "r+") as file:
            file["conv3_1/bias"][1] += 1
        with pytest.raises(NetworkError, match=r"imagenet.h5: its digest is .*damaged"):
            jnst.load_network("imagenet")


def test_a_file_of_the_name_of_a_network_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embedded = find_network("embedded").read_bytes()
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("JNST_CACHE", "cache")
    (tmp_path / "cache" / "mine.h5").write_bytes(embedded)
    for name in ("mine", "other"):
        (tmp_path / name).write_bytes(embedded)
    assert find_network("mine") == pathlib.Path("cache/mine.h5")
    assert find_network("./mine") == pathlib.Path("./mine")
    assert find_network("other") == pathlib.Path("other")


def test_a_stated_identity_takes_no_tensors(network_file, tmp_path, tiny, monkeypatch):
    loaded = jnst.load_network(network_file)
    keras = make_files.keras(tmp_path / "a.h5", tiny)
    digest = jnst.load_network(keras).digest
    with monkeypatch.context() as patch:
        patch.setattr(loading, "load_network", None)
        assert loading.stated_identity(network_file)["digest"] == loaded.digest
    assert loading.stated_identity(keras)["digest"] == digest


def test_the_preset_of_a_network(network, network_file, tmp_path, cache):
    """Of the manifest by its entry, with nothing fetched; of a file by what it is, or says."""
    assert stated_preset("embedded") == jnst.load_network("embedded").preset == "fast"
    assert [stated_preset(name) for name in ("imagenet", "torchvision", "hed")] == ["trained"] * 3
    assert not cache.exists()
    for name in ("zip.pth", "gatys.pth"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert stated_preset(make_files.torch_file(name)) == "trained"
    assert jnst.load_network(make_files.torch_file("gatys.pth")).preset == "trained"
    assert stated_preset(network_file) == stated_preset(network) == "fast"
    assert jax.device_put(network).preset == "fast"  # which has no identity any more
    assert jax.device_put(network.replace(pooling="max")).preset == "trained"
    with h5py.File(network_file) as file, h5py.File(tmp_path / "old.h5", "w") as old:
        for name in file:
            file.copy(name, old)
        old.attrs["mean"] = file.attrs["mean"]
    assert stated_preset(tmp_path / "old.h5") == "fast"
    with h5py.File(tmp_path / "old.h5", "r+") as old:
        old.attrs["pooling"] = "max"
    assert stated_preset(tmp_path / "old.h5") == "trained"


def test_a_preset_goes_with_its_network(network, tmp_path):
    jnst.write_network(tmp_path / "own.h5", network.replace(preset="keras"))
    assert stated_preset(tmp_path / "own.h5") == "keras"
    assert jnst.load_network(tmp_path / "own.h5").preset == "keras"
    jnst.port_network(tmp_path / "own.h5", tmp_path / "ported.h5")
    assert stated_preset(tmp_path / "ported.h5") == "keras"
    ported = jnst.port_network(make_files.torch_file("gatys.pth"), tmp_path / "gatys.h5")
    assert stated_preset(ported) == "trained"


def test_the_preset_of_the_embedded_network_needs_no_manifest(network_file, monkeypatch):
    monkeypatch.setenv("JNST_MANIFEST", "missing.toml")
    assert stated_preset("embedded") == stated_preset(network_file) == "fast"


def test_a_preset_that_is_not_there(network, tmp_path, arrays):
    path = tmp_path / "own.h5"
    jnst.write_network(path, network.replace(preset="slow"))
    message = r"own.h5 names the preset 'slow'; accepted: fast, trained"
    for given in (path, str(path)):
        with pytest.raises(NetworkError, match=message):
            jnst.stylize(*arrays, network=given)
