"""Downloads from a server on loopback, whole, broken and wrong."""

import dataclasses
import errno
import hashlib
import os
import re
import sys
import threading
from pathlib import Path

import pytest

from jnst import connections, downloads, networks
from jnst.downloads import cache_folder, fetch
from jnst.manifest import Download, manifest
from jnst.vgg import NetworkError

GOOD = """[x]
file = "a.h5"
urls = ["http://a/b"]
bytes = 4
digest = "MD5:00112233445566778899AABBCCDDEEFF"
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
        GOOD.replace("MD5", "md55"),
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


def test_a_server_that_has_no_more_begins_again(server, download, tmp_path):
    server.content = CONTENT[:1000]
    (tmp_path / "weights.bin.part").write_bytes(CONTENT[:2000])
    with pytest.raises(NetworkError, match="has 1000 bytes, not"):
        fetch(download, tmp_path)
    assert server.requests == ["bytes=2000-", None]


def test_another_range_than_was_asked_for_is_not_taken(server, download, tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(CONTENT[:2000])
    server.shift = 7
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=2000-", None]


def test_a_stall_keeps_what_came(server, download, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "TIMEOUT", 0.2)
    server.breaks, server.stalls = [1000], threading.Event()
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    with pytest.raises(NetworkError, match=r"sent nothing for 0\.2 s|broke off at 1000 of"):
        fetch(download, tmp_path)
    server.stalls.set()
    assert (tmp_path / "weights.bin.part").stat().st_size == 1000


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/a", "redirects: ftp://127.0.0.1/a is not taken"),
        ("file:///etc/passwd", "redirects: file:///etc/passwd is not taken"),
        ("/weights", "redirects more than 10 times"),
        ("http://me:secret@127.0.0.1/a", "has a user name in it"),
    ],
)
def test_redirections_that_are_not_followed(server, download, tmp_path, location, message):
    server.location = location
    with pytest.raises(NetworkError, match=message):
        fetch(download, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_from_https_to_http_is_not_followed():
    with pytest.raises(NetworkError, match="from https to http"):
        connections._redirected("https://a/b", "http://a/b")


def test_a_drip_is_given_up_and_a_slow_line_is_not():
    pace = connections.Pace()
    pace.allow(10**9)
    for _ in range(100):
        pace.count(2 * connections.LOWEST_SPEED, 1.0)
    pace = connections.Pace()
    with pytest.raises(NetworkError, match="sends 1 bytes a second"):
        for _ in range(connections.WINDOW):
            pace.count(1, 1.0)
    pace = connections.Pace()
    pace.allow(10)
    with pytest.raises(NetworkError, match="more than it was asked for"):
        pace.count(11, 0.1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bytes": 0}, "bytes is 0"),
        ({"bytes": True}, "bytes is True"),
        ({"digest": "sha256:"}, "digest is 'sha256:'"),
        ({"digest": "shake_128:00"}, "digest is 'shake_128:00'"),
        ({"digest": "sha256:" + "g" * 64}, "digest is"),
        ({"urls": ("ftp://a/b",)}, "ftp://a/b is not taken"),
        ({"urls": ("http://a/b\nc",)}, "a url is"),
        ({"name": "embedded"}, "the network that jnst carries"),
        ({"file": "../a"}, "no name of a file"),
        ({"convention": "none"}, "convention is 'none'"),
    ],
)
def test_entries_that_are_not_accepted(download, changed, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(download, **changed)


def test_a_digest_in_capitals(server, download, tmp_path):
    algorithm, _, digits = download.digest.partition(":")
    capitals = dataclasses.replace(download, digest=f"{algorithm.upper()}:{digits.upper()}")
    assert fetch(capitals, tmp_path).read_bytes() == CONTENT


def test_a_manifest_is_read_when_a_name_needs_it(tmp_path, monkeypatch):
    for text in ("x = " + "[" * 9000, "x = 1", "\0"):
        (tmp_path / "manifest.toml").write_text(text)
        monkeypatch.setenv("JNST_MANIFEST", str(tmp_path / "manifest.toml"))
        with pytest.raises(NetworkError, match="no manifest of networks"):
            manifest()
        assert networks.find_network("embedded").name == "embedded.h5"
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("JNST_MANIFEST", str(tmp_path / "pipe"))
    with pytest.raises(NetworkError, match="not a regular file"):
        manifest()
