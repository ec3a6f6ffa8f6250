"""Manifests by hand."""

import hashlib

import pytest

import jnst
from jnst.cli import networks
from jnst.common.errors import NetworkError
from jnst.networks.manifest import DIGESTS, manifest

DIGEST = "md5:00112233445566778899aabbccddeeff"
URLS = 'urls = ["http://a/b"]'
GOOD = """[x]
file = "a.h5"
urls = ["http://a/b"]
bytes = 4
digest = "md5:00112233445566778899aabbccddeeff"
convention = "caffe"
license = "none"
citation = "nobody"
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    path = tmp_path / "manifest.toml"
    monkeypatch.setenv("JNST_MANIFEST", str(path))
    return lambda text: path.write_text(text, encoding="utf-8")


def test_the_manifest():
    entries = manifest()
    assert list(entries) == ["imagenet", "torchvision", "hed"]
    for entry in entries.values():
        assert bool(entry.urls) != bool(entry.package)
        assert all(url.startswith("https://") and url.endswith(entry.file) for url in entry.urls)
    assert entries["torchvision"].digest.startswith("sha256:dcbb9e9d")  # as its file is named
    name, version = entries["hed"].package.split("==")
    assert entries["hed"].file == f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def test_digests():
    assert {name: 2 * hashlib.new(name).digest_size for name in DIGESTS} == DIGESTS


@pytest.mark.parametrize("digest", [DIGEST, DIGEST.upper(), f"sha256:{'0a' * 32}"])
def test_a_manifest(write, digest):
    write(GOOD.replace(DIGEST, digest))
    [(name, download)] = manifest().items()
    assert (name, download.name, download.bytes) == ("x", "x", 4)
    assert download.urls == ("http://a/b",)
    assert download.digest == digest.lower()


CHANGES = {
    "[x": "Expected",
    "x = 3": "'x' is 3; a table is accepted",
    "[x]\nurls = []": "'x' has 'urls'; file, bytes, .*, urls, .*, those to citation are needed",
    "[x]": "'x' has nothing; file",
    GOOD.replace("bytes", "bites"): "'bites'",
    GOOD + "size = 3": "'size'",
    GOOD + GOOD: "Cannot declare",
    GOOD + GOOD.replace("[x]", "[y]"): "a.h5 is the file of two networks",
    "a = " + "[" * 5000: "nested more than 32 deep",
    "[" + ".".join("a" * 900) + "]": "nested more than 32 deep",
    "#" * 70_000: "70000 bytes, at most 65536 are accepted",
}
FIELDS = [
    ("4", "'4'", "'x': bytes is '4'; a whole number of at least 1 and at most"),
    ("4", "0", "bytes is 0; a whole number of at least 1"),
    ("4", "-1", "bytes is -1"),
    ("4", "true", "bytes is True"),
    ("4", "4.0", "bytes is 4.0"),
    ("4", "nan", "bytes is nan"),
    ("4", "10000000000000", "bytes is 10000000000000"),
    ("4", "0x" + "f" * 9000, "bytes is a number too long to write"),
    *(("a.h5", name, "file is .*; a file name is accepted") for name in (
        "../a.h5", "/a.h5", ".a", "..", "a/b", "a\\\\b", "a b", "a:b", "-a", "a" * 101,
    )),
    ("a.h5", "", "file is ''"),
    ("a.h5", "a\\nb", "file is"),
    ('"a.h5"', "3", "file is 3"),
    *(("http://a/b", url, "'x': .*a URL that begins with https:// or http:// is accepted")
      for url in ("weights", "ftp://a/b", "file:///a", "data:,a", "javascript:a", "http:///b",
                  "http://a/b c", "http://ä/b")),
    ("http://a/b", "http://a/\\u0000", "a url is"),
    ("http://a/b", "http://a:b/", "is no URL .Port"),
    ("http://a/b", "http://[a", "is no URL"),
    ("http://a/b", "http://me:secret@a/b", "a URL at a has a user name in it"),
    ('["http://a/b"]', "[]", "either urls or a package is needed"),
    ("bytes", 'package = "a==1"\nbytes', "either urls or a package is needed"),
    *((URLS, f'package = "{package}"', "package is .*; NAME==VERSION is accepted")
      for package in ("a", "-a==1", "a==", "a>=1", "a==1 --index-url=http://b", "../a==1")),
    (URLS, 'package = "a==1"', "member is ''"),
    (URLS, 'package = "a==1"\nmember = "b"', "member_bytes is 0"),
    (URLS, 'package = "a==1"\nmember = "b"\nmember_bytes = 2', "digest is ''"),
    ('["http://a/b"]', "[3]", "a url is 3"),
    ('["http://a/b"]', '"http://a/b"', "urls is 'http://a/b'; a list is accepted"),
    *((DIGEST, digest, "digest is .*ALGORITHM:HEXADECIMAL with one of md5, sha1, ") for digest in (
        "md5", "md5:", "sha256:", "md5:xyz", DIGEST[:-1], f"{DIGEST}0", f"{DIGEST[:-1]}g",
        f"{DIGEST[:-1]}٣", f"{DIGEST[:-1]}_", f"md55:{'0' * 32}", f"sha256:{'0' * 32}", "0" * 32,
        f"shake_128:{'0' * 32}", f":{'0' * 32}", f" {DIGEST}", "md5:0x" + "0" * 30,
    )),
    ("caffe", "tf", "convention is 'tf'; accepted: caffe, hed, matconvnet, torchvision"),
    ("nobody", "a\\u001b[31m", "citation is"),
    ("nobody", "a" * 1001, "citation is"),
    ('"nobody"', "[]", "citation is"),
    ('"nobody"', '"nobody"\npreset = 3', "preset is 3"),
    ("none", "", "license is ''"),
    *(("[x]", f"[{name}]", "a file name is accepted") for name in ("'../x'", "'a b'", "'a/b'")),
    ("[x]", "['']", "name is ''"),
    ("[x]", "[embedded]", "embedded is the name of the embedded network"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [*CHANGES.items(), *((GOOD.replace(old, new, 1), message) for old, new, message in FIELDS)],
    ids=str,
)
def test_odd_manifests(write, text, message):
    write(text)
    with pytest.raises(NetworkError, match=r"manifest.toml: no manifest of networks \(") as error:
        manifest()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500
    error.match(message)


def test_a_broken_manifest_matters_to_who_needs_it_alone(write, tmp_path, network_file, cache):
    write("[x")
    for name in ("embedded", network_file):
        assert jnst.load_network(name).name
        assert not networks.is_to_be_fetched(str(name))
    cache.mkdir()
    (cache / "mine.h5").write_bytes(network_file.read_bytes())
    assert jnst.load_network("mine").name == "random"
    with pytest.raises(NetworkError, match="no manifest of networks"):
        jnst.load_network("imagenet")
