"""Downloads from a server on loopback, whole, broken and wrong."""

import dataclasses
import errno
import hashlib
import re
import sys
from pathlib import Path

import pytest

from jnst.downloads import cache_folder, fetch
from jnst.manifest import Download, manifest
from jnst.vgg import NetworkError

GOOD = """[x]
file = "a.h5"
urls = ["http://a/b"]
bytes = 4
digest = "md5:00"
convention = "caffe"
licence = "none"
citation = "nobody"
"""

CONTENT = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def content(server):
    server.content = CONTENT


@pytest.fixture
def download(server):
    return Download(
        name="test",
        file="weights.bin",
        urls=(server.url,),
        bytes=len(CONTENT),
        digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        convention="caffe",
        licence="none",
        citation="nobody",
    )


def test_whole(server, download, tmp_path):
    seen = []
    path = fetch(download, tmp_path, progress=lambda *state: seen.append(state))
    assert path == tmp_path / "weights.bin.download"
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert server.requests == [None]


def test_a_broken_download_is_resumed(server, download, tmp_path):
    sixty = len(CONTENT) * 6 // 10
    server.breaks = [sixty, 1000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={sixty}-", f"bytes={sixty + 1000}-"]


def test_a_part_of_an_earlier_run_is_continued(server, download, tmp_path):
    server.breaks = [700_000, 0]
    with pytest.raises(NetworkError, match=f"broke off at 700000 of {len(CONTENT)} bytes"):
        fetch(download, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin.part"]
    server.requests.clear()
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=700000-"]


def test_a_server_that_cannot_continue_starts_again(server, download, tmp_path):
    server.ranges = False
    server.breaks = [300_000]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_wrong_byte_is_refused_and_removed(server, download, tmp_path):
    server.content = CONTENT[:-7] + b"x" + CONTENT[-6:]
    with pytest.raises(NetworkError, match=f"has not the digest {download.digest}"):
        fetch(download, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_part_is_not_the_servers_fault(server, download, tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(b"x" * 1000)
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_what_is_verified_is_not_fetched_again(server, download, tmp_path):
    path = fetch(download, tmp_path)
    server.requests.clear()
    assert fetch(download, tmp_path) == path
    assert not server.requests
    path.write_bytes(b"spoiled")
    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_another_length_is_refused_at_once(server, download, tmp_path):
    server.content = b"<html>sign in</html>"
    with pytest.raises(NetworkError, match=f"has 20 bytes, not {len(CONTENT)}"):
        fetch(download, tmp_path)
    assert not list(tmp_path.iterdir())


def test_addresses_are_tried_in_turn(server, download, tmp_path):
    dead = "http://127.0.0.1:9/weights"
    both = dataclasses.replace(download, urls=(dead, server.url))
    assert fetch(both, tmp_path).read_bytes() == CONTENT
    server.status = 503
    with pytest.raises(NetworkError, match=rf"{re.escape(dead)}: .*refused.*; {server.url}: .*503"):
        fetch(dataclasses.replace(both, file="other"), tmp_path)


def test_a_full_disk(download, tmp_path, monkeypatch):
    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    opened = Path.open

    def open_full(path, mode="r", *arguments, **options):
        opened(path, mode, *arguments, **options).close()
        return Full()

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OSError, match="No space left"):
        fetch(download, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_manifest():
    entries = manifest()
    assert list(entries) == ["imagenet", "torchvision"]
    for entry in entries.values():
        algorithm, digest = entry.digest.split(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
        assert all(url.startswith("https://") and url.endswith(entry.file) for url in entry.urls)
    assert entries["torchvision"].digest.startswith("sha256:dcbb9e9d")  # as its file is named


@pytest.mark.parametrize(
    "change",
    [
        "[x",
        "x = 3",
        "[x]\nurls = []",
        GOOD.replace("bytes", "bites"),
        GOOD.replace("4", "'4'"),
        GOOD.replace("a.h5", "../a.h5"),
        GOOD.replace("http://a/b", "weights"),
        GOOD.replace('["http://a/b"]', "[]"),
        GOOD.replace("md5", "md55"),
        GOOD.replace("[x]", '["../x"]'),
    ],
)
def test_a_damaged_manifest(tmp_path, monkeypatch, change):
    path = tmp_path / "manifest.toml"
    monkeypatch.setenv("JNST_MANIFEST", str(path))
    path.write_text(GOOD)
    assert list(manifest()) == ["x"]
    path.write_text(change)
    with pytest.raises(NetworkError, match=r"manifest.toml: no manifest of networks"):
        manifest()


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"JNST_CACHE": "~/here"}, "here"),
        ("linux", {}, ".cache/jnst"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/jnst"),
        ("darwin", {}, "Library/Caches/jnst"),
        ("win32", {}, "AppData/Local/jnst"),
    ],
)
def test_cache_folder(monkeypatch, platform, environment, folder):
    for name in ("JNST_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path.home() / folder
