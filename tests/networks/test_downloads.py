"""Downloads from a server on loopback, whole, broken and wrong."""

import dataclasses
import errno
import hashlib
import itertools
import os
import sys
from pathlib import Path

import pytest

import jnst
from jnst.common.errors import NetworkError
from jnst.networks import connections
from jnst.networks.downloads import cache_folder, fetch
from jnst.networks.loading import cached_networks
from jnst.networks.manifest import Download

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
        license="none",
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
    with pytest.raises(NetworkError, match=f"does not have the digest {download.digest}"):
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
    host = server.url.split("/")[2]
    with pytest.raises(NetworkError, match=rf"^127.0.0.1:9: .*refused.*; {host}: .*503"):
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


def answer(status="200 OK", body=b"", **headers):
    """A whole answer in bytes."""
    lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return ["\r\n".join([*lines, "", ""]).encode("latin-1"), body]


def chunked(*chunks):
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def refused(download, folder, message):
    """Nothing is fetched; the message is one line, and short."""
    with pytest.raises(NetworkError, match=message) as error:
        fetch(download, folder)
    assert str(error.value).isprintable()
    assert "[Errno" not in str(error.value)
    assert len(str(error.value)) < 500
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    "first",
    [
        answer("416 Range Not Satisfiable", Content_Range="bytes */7"),
        answer("206 Partial Content", b"x" * 100, Content_Range="bytes 0-99/100"),
        answer("206 Partial Content", CONTENT, Content_Range=f"bytes 0-9/{len(CONTENT)}"),
        answer("206 Partial Content", CONTENT, Content_Range="octets"),
        answer("206 Partial Content", CONTENT, Content_Type="multipart/byteranges"),
    ],
)
def test_what_cannot_be_continued_begins_again(server, download, tmp_path, first):
    (tmp_path / "weights.bin.part").write_bytes(CONTENT[:1000])
    server.answers = [first]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_a_part_of_the_range_is_taken(server, download, tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(CONTENT[:1000])
    given = {"Content_Range": f"bytes 1000-1999/{len(CONTENT)}", "Content_Length": 1000}
    server.answers = [answer("206 Partial Content", CONTENT[1000:2000], **given)]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", "bytes=2000-"]


def test_a_longer_part_begins_again(server, download, tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(CONTENT + b"x")
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None]


def test_chunks(server, download, tmp_path):
    body = chunked(*(CONTENT[start : start + 50_000] for start in range(0, len(CONTENT), 50_000)))
    server.answers = [answer(body=body + b"0\r\n\r\n", Transfer_Encoding="chunked")]
    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_more_than_the_file_is_not_read(server, download, tmp_path):
    server.answers = [answer(body=CONTENT + b"x" * 1000)]
    assert fetch(download, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (answer("204 No Content"), "answers 204 No Content"),
        (answer("206 Partial Content", b"x"), "answers 206 Partial Content"),
        (answer("416 Range Not Satisfiable"), "answers 416 Range Not Satisfiable"),
        (answer("304 Not Modified"), "answers 304 Not Modified"),
        (answer("302 Found"), "answers 302 Found"),
        (answer("500 \x1b[31m" + "x" * 900), "answers 500 x*..."),
        (answer(body=CONTENT, Content_Length=-5), "has -5 bytes, not 1048576"),
        (answer(body=CONTENT, Content_Length="many"), "has many bytes, not 1048576"),
        (answer(body=CONTENT, Content_Length="9" * 5000), "has 9*..."),
        (answer(body=CONTENT, Content_Encoding="gzip"), "sends it as gzip, which was not asked"),
        (answer(body=CONTENT + b"x", Content_Length=1048577), "has 1048577 bytes, not 1048576"),
        (answer("302 Found", Location="ftp://127.0.0.1/a"), "redirects: ftp://127.0.0.1/a is not"),
        (answer("307 Found", Location="file:///etc/passwd"), "redirects: file:///etc/passwd is"),
        (answer("301 Found", Location="data:,abc"), "redirects: data:,abc is not accepted"),
        (answer("302 Found", Location="http://a b/"), "redirects: 'http://a b/' is no URL"),
        (answer("302 Found", Location="http://[/"), "redirects: .*Invalid IPv6 URL"),
        (answer("302 Found", Location="http://a:99999/"), "redirects: .*Port out of range"),
        (answer("302 Found", Location="http://me:secret@a/"), "a has a user name in it; none is"),
        ([b"nonsense\r\n\r\n"], "nonsense"),
        ([b""], "closed connection without response"),
        ([b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 200, b"\r\n"], "more than 100 headers"),
        ([b"HTTP/1.1 200 OK\r\n", b"A" * 100_000], "got more than 65536 bytes"),
        (itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "sends more bytes than"),
        (itertools.chain(answer(Transfer_Encoding="chunked"), [b"0\r\n"],
                         itertools.repeat(b"A: b\r\n" * 10_000)), "sends more bytes than"),
        (answer(body=b"zz\r\n", Transfer_Encoding="chunked"), "IncompleteRead"),
    ],
)  # fmt: skip
def test_odd_servers(server, download, tmp_path, reply, message):
    server.answers = [reply]
    assert refused(download, tmp_path, message) == []


def test_redirections(server, download, tmp_path):
    server.answers = [answer("302 Found", Location=place) for place in ("/other", server.url)]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    server.answers = [answer("302 Found", Location=server.url)] * 20
    again = dataclasses.replace(download, file="again")
    assert "again.part" not in refused(again, tmp_path, "redirects more than 10 times")
    assert len(server.answers) == 9


def test_the_body_of_a_redirection_is_not_read(server, download, tmp_path):
    endless = itertools.chain(answer("302 Found", Location="/b"), itertools.repeat(b"x" * 65536))
    server.answers = [endless]
    assert fetch(download, tmp_path).read_bytes() == CONTENT


def test_no_redirection_from_https_to_http():
    with pytest.raises(NetworkError, match="redirects from https to http, which is not followed"):
        connections._redirected("https://a/b", "http://a/b")
    assert connections._redirected("http://a/b/c", "https://d/e") == "https://d/e"
    assert connections._redirected("https://a/b/c", "../e?f") == "https://a/e?f"


def test_a_stall_is_given_up_and_what_came_is_kept(server, download, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "TIMEOUT", 0.05)
    server.hold = True
    server.answers = [answer(body=CONTENT[:1000], Content_Length=len(CONTENT))]
    message = r"sent nothing for 0.05 s; 1000 of 1048576 bytes are kept, to be continued"
    assert refused(download, tmp_path, message) == ["weights.bin.part"]
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000-"]


@pytest.mark.parametrize("sent", [[], [b"HTTP/1.1 200 OK\r\nA: "], answer(body=CONTENT[:9])])
def test_a_drip_is_given_up(server, download, tmp_path, monkeypatch, sent):
    """Every reading of the clock is a minute later than the last."""
    monkeypatch.setattr(connections, "clock", itertools.count(0, 60).__next__)
    server.answers = [[*sent, b"x"]]
    message = "bytes a second; at least 5000 are accepted"
    assert refused(download, tmp_path, message) in ([], ["weights.bin.part"])
    assert len(server.requests) == 1


def test_pace():
    pace = connections.Pace()
    for _ in range(9):
        pace.count(5_000 * 10, 10)  # just fast enough
    for _ in range(29):
        pace.count(1, 1)  # a pause
    with pytest.raises(NetworkError, match="sends 1 bytes a second; at least 5000 are accepted"):
        pace.count(1, 1)
    pace = connections.Pace()
    pace.allow(3)
    pace.count(3, 0)
    with pytest.raises(NetworkError, match="sends more bytes than were asked for"):
        pace.count(1, 0)


@pytest.mark.parametrize("name", ["weights.bin.part", "weights.bin.download"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/nowhere")])
def test_what_is_in_the_way(server, download, tmp_path, name, make):
    make(tmp_path / name)
    assert refused(download, tmp_path, f"{name} is in the way: it is not a regular file") == [name]
    assert server.requests == []


def test_a_folder_that_is_not_there(download, tmp_path):
    with pytest.raises(FileNotFoundError):
        fetch(download, tmp_path / "missing")


def test_proxies(server, download, tmp_path, monkeypatch):
    elsewhere = dataclasses.replace(download, urls=("http://files.invalid/a",))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch(elsewhere, tmp_path).read_bytes() == CONTENT


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


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JNST_CACHE": "~nobody-of-this-name/a"}, "no home folder for ~nobody-of-this-name/a"),
        ({"JNST_CACHE": ""}, "no home folder for ~/.cache; set JNST_CACHE to a folder"),
        ({"XDG_CACHE_HOME": "~/b"}, "no home folder for ~/b"),
    ],
)
def test_no_home(monkeypatch, environment, message):
    for name in ("JNST_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without a passwd entry
    with pytest.raises(NetworkError, match=message):
        cache_folder()
    assert list(cached_networks()) == []
    assert jnst.load_network("embedded").name
