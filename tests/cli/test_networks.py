"""`jnst network`, called in this process."""

import json

import h5py
import pytest

import jnst
from jnst.networks.layers import VGG19
from support import make_files
from support.tiny import SHAPES


def test_port_list_verify_remove(call, cache, tmp_path):
    keras = make_files.keras(tmp_path / "mine.h5", VGG19.convolutions)
    status, out, err = call("network", "port", keras)
    assert (status, err) == (0, [])
    digest = jnst.load_network(keras).digest
    source = "mine.h5 (HDF5, Keras names, convention caffe)"
    assert out == [f"wrote {cache / 'mine.h5'}: {source}, digest {digest}"]

    status, out, err = call("network", "list")
    assert (status, err) == (0, [])
    rows = {line.split()[0]: line for line in out}
    assert list(rows) == ["name", "embedded", "imagenet", "torchvision", "hed", "mine"]
    assert str(cache / "mine.h5") in rows["mine"]
    assert digest[:12] in rows["mine"]
    assert "not fetched" in rows["imagenet"]
    assert "80.1" in rows["imagenet"]
    assert "574.7" in rows["torchvision"]
    assert "CC BY 4.0" in rows["imagenet"]

    assert call("network", "verify", "mine") == (0, [f"mine: sound, digest {digest}"], [])

    status, out, err = call("network", "remove", "mine")
    assert (status, out, err) == (0, [f"removed mine from {cache}, 80.1 MB"], [])
    assert not list(cache.glob("[!.]*"))


def test_list_and_verify_know_the_embedded_one(call):
    digest = jnst.load_network("embedded").digest
    assert digest[:12] in call("network", "list")[1][1]
    assert call("network", "verify") == (0, [f"embedded: sound, digest {digest}"], [])


def test_a_guess_is_printed(call, tiny, tmp_path):
    path = make_files.safe(tmp_path / "a.pth", tiny)
    status, out, err = call("network", "port", path, "-o", "a.h5")
    assert status == 0
    assert err == [
        f"jnst: {path}: convention torchvision is guessed from the scale of conv1_1; "
        "'jnst network port --convention' states it"
    ]
    status, out, err = call("network", "port", path, "-o", "b.h5", "--convention", "caffe")
    assert (status, err) == (0, [])
    assert "convention caffe)" in out[0]


def test_a_network_is_removed_with_what_its_download_left(call, tiny, offer, cache):
    offer(tiny)
    jnst.fetch_network("imagenet")
    (cache / "keras.h5.part").write_bytes(b"x")
    (cache / "keras.h5.download").write_bytes(b"x")
    assert call("network", "remove", "imagenet")[0] == 0
    assert [path.name for path in cache.iterdir()] == [".imagenet.lock"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["remove", "imagenet"], "imagenet: not in the cache "),
        (["remove", "embedded"], "embedded: not in the cache "),
        (["verify", "imagenet"], "imagenet: not in the cache, which has embedded"),
        (["port", "missing.pth"], "missing.pth: no such file"),
        (["port", "a.html"], "a.html: is a web page: the download went wrong"),
        (["port", "a.html", "--convention", "tf"], "argument --convention: 'tf' is not accepted"),
        (["normalize", "embedded", "-o", "a.h5"], "the following arguments are required: images"),
        (["normalize", "embedded", "a.html", "-o", "a.h5"], "a.html: "),
        (["normalize", "embedded", "a.html", "-o", "a.png"], "a.png: a canonical file is an .h5"),
        (["port", "a.html", "-o", "no/a.h5"], "a.html: is a web page"),
        (["normalize", "embedded", "a.html", "-o", "no/a.h5"], "no/a.h5: there is no folder no"),
    ],
)
def test_refusals_are_one_line(call, tmp_path, arguments, message):
    (tmp_path / "a.html").write_text("<html></html>")
    status, out, err = call("network", *arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"jnst: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_offline(call, offer, server, pictures, tmp_path, cache):
    offer(SHAPES)
    server.status = 403
    before = sorted(tmp_path.rglob("*"))
    missing = call("stylize", pictures[0], "missing.png", "--network", "imagenet")
    assert "missing.png: there is no such file" in missing[2][0]
    assert not server.requests
    status, out, err = call("stylize", *pictures, "--network", "imagenet")
    assert (status, out, len(err)) == (2, [], 3)
    assert "--network embedded is always there" in err[0]
    assert server.url in err[1] and err[1].endswith("then: jnst network port FILE")
    assert "HTTP" in err[2] or "403" in err[2]
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(cache.glob("[!.]*"))


def test_a_damaged_cache_is_shown(call, cache, tmp_path):
    cache.mkdir()
    (cache / "a.h5").write_text("half a network")
    make_files.keras(cache / "b[final].h5", VGG19.convolutions)
    (tmp_path / "b[final]").write_text("not this one")
    status, out, err = call("network", "list")
    assert (status, err) == (0, [])
    assert "damaged" in next(line for line in out if line.startswith("a "))
    assert any(line.startswith("b[final] ") for line in out)
    status, out, err = call("network", "verify")
    assert (status, len(err)) == (2, 1)
    assert "a.h5: has an unknown format" in err[0]
    assert [line.split()[0] for line in out] == ["embedded:", "b[final]:"]


def test_nothing_outside_the_cache_is_removed_or_written(call, tiny, tmp_path, cache):
    victim = make_files.canonical(tmp_path / "victim.h5", tiny)
    for name in (tmp_path / "victim", "../victim", "victim"):
        assert call("network", "remove", name)[0] == 2
    with h5py.File(victim, "r+") as file:
        file.attrs["name"] = str(tmp_path / "outside")
    status, _, err = call("network", "port", victim)
    assert (status, err) == (0, [])
    assert (cache / "victim.h5").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["victim.h5"]


def test_stylize_fetches_and_show_says_which(call, offer, pictures, small, cache):
    offer(VGG19.convolutions)
    options = [f"--{name.replace('_', '-')}" for name in small]
    words = [v if isinstance(v, tuple) else (v,) for v in small.values()]
    arguments = [part for pair in zip(options, words, strict=True) for part in (pair[0], *pair[1])]
    assert call("stylize", *pictures, "--network", "imagenet", "-o", "o.png", *arguments)[0] == 0
    network = json.loads("\n".join(call("show", "o.png")[1]))["network"]
    assert network["name"] == network["load"] == "imagenet"
    assert network["source"].startswith("keras.h5, sha256:")
    assert network["license"] == "CC"
    assert network["digest"] == jnst.load_network("imagenet").digest


def test_normalize(call, network_file, pictures):
    arguments = [*pictures, "-o", "n.h5", "--pooling", "max", "--size", "32"]
    status, out, err = call("network", "normalize", network_file, *arguments)
    network = jnst.load_network("n.h5")
    assert (status, err) == (0, [])
    assert out == [f"wrote n.h5: random-normalized, digest {network.digest}"]
    images = [jnst.load_image(path, size=32) for path in pictures]
    expected = jnst.normalize_network(jnst.load_network(network_file), images, pooling="max")
    assert network.digest == expected.digest
    assert network.source == expected.source
