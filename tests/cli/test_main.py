"""The command, called in this process; where signals and streams matter, in one of its own."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.cli import commands, main
from jnst.cli.commands import interruptible, noticing
from jnst.cli.outputs import check_no_numbered_input
from jnst.images import drawings
from jnst.images.files import check_writable
from jnst.runs.stylization import stylize_steps
from jnst.video import sequences


def flags(settings):
    words = []
    for name, value in settings.items():
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def snapshot(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def stylize(call, pictures, small, network_file):
    """`jnst stylize` of the small pictures with the random network."""

    def run(*arguments, quiet=True, **settings):
        return call(
            *("stylize", *pictures, "--network", network_file),
            *(*flags(small | settings), *arguments),
            quiet=quiet,
        )

    return run


def test_stylize_equals_the_api_and_says_nothing(
    stylize, arrays, pictures, small, network_file, tmp_path
):
    assert stylize("-o", "out.png", style_weight=7.5, init="noise", seed=3) == (0, [], [])
    options = small | {"style_weight": 7.5, "init": "noise", "seed": 3}
    result = jnst.stylize(*pictures, network=network_file, **options)
    result.save(tmp_path / "api.png")
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "api.png").read_bytes()


def test_default_name_is_always_a_new_one(stylize, tmp_path):
    for _ in range(3):
        assert stylize(steps=0)[0] == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "content-style.png", "content-style-2.png", "content-style-3.png",
    }  # fmt: skip


def test_show_prints_the_recipe(stylize, call, small, network_file):
    stylize("-o", "out.png", tv_weight=2)
    status, out, err = call("show", "out.png")
    assert (status, err) == (0, [])
    recipe = json.loads("\n".join(out))
    with Image.open("out.png") as file:
        assert recipe == json.loads(file.info["jnst"])
    assert recipe["config"]["tv_weight"] == 2
    assert tuple(recipe["config"]["style_layers"]) == small["style_layers"]
    assert recipe["network"]["digest"] == jnst.load_network(network_file).digest
    assert {"total", "total_variation"} <= recipe["losses"].keys()


def test_show_prints_the_papers(call):
    config = jnst.preset("crowson2021", style_loss="patches")
    network = dict.fromkeys(("load", "name", "digest"), "")
    recipe = json.dumps({"config": config.plain(), "network": network})
    jnst.save_image("out.png", np.zeros((2, 2, 3)), recipe=recipe)
    assert call("show", "--bibtex", "out.png") == (0, jnst.citation(config).splitlines(), [])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_like_makes_the_same_picture_again(stylize, call, pictures, network_file, suffix):
    weights = {"content_layer_weights": (2.0,), "style_layer_weights": (1.0, 3.0)}
    stylize("-o", f"first{suffix}", init="noise", seed=9, **weights)
    like = ["--like", f"first{suffix}", "--network", network_file]
    assert call("stylize", *pictures, *like, "-o", f"again{suffix}") == (0, [], [])
    assert Path(f"first{suffix}").read_bytes() == Path(f"again{suffix}").read_bytes()


def test_like_with_other_options(stylize, call, pictures, network_file):
    stylize("-o", "first.png", seed=9)
    like = ["--like", "first.png", "--network", network_file]
    call("stylize", *pictures, *like, "--steps", 3, "--tv-weight", 0, "-o", "b.png")
    first, second = (jnst.load_recipe(path) for path in ("first.png", "b.png"))
    assert second["config"] == first["config"] | {"steps": 3, "tv_weight": 0}
    assert second["network"] == first["network"]
    assert second["steps"] == 3


def test_like_refuses_another_network_unless_told_to(call, pictures, small, network_file, cache):
    cache.mkdir()
    shutil.copy(network_file, cache / "mine.h5")
    options = ["stylize", *pictures, *flags(small | {"steps": 0})]
    assert call(*options, "--network", "mine", "-o", "out.png")[0] == 0
    with h5py.File(cache / "mine.h5", "r+") as file:
        file["conv1_1/bias"][0] += 1
        del file.attrs["digest"]
    status, _, err = call("stylize", *pictures, "--like", "out.png", "-o", "new.png")
    assert (status, len(err)) == (2, 1)
    assert "was made with network random" in err[0]
    assert jnst.load_recipe("out.png")["network"]["digest"][:12] in err[0]
    assert jnst.load_network("mine").digest[:12] in err[0]
    assert not Path("new.png").exists()
    like = ("stylize", *pictures, "--like", "out.png", "--network", "mine", "-o", "new.png")
    assert call(*like) == (0, [], [])


def test_like_opens_no_file_that_only_the_recipe_names(call, pictures, small, network_file):
    for option, value in (("--network", network_file), ("--init", pictures[1])):
        given = {"--network": network_file, option: value}
        options = [each for pair in given.items() for each in pair]
        settings = flags(small | {"steps": 0})
        assert call("stylize", *pictures, *settings, *options, "-o", "out.png")[0] == 0
        like = ["stylize", *pictures, "--like", "out.png", "-o", "again.png"]
        if option == "--init":
            like += ["--network", network_file]
        status, _, err = call(*like)
        assert (status, len(err)) == (2, 1)
        assert str(value) in err[0] and f"{option}" in err[0].rpartition(";")[2]
        assert not Path("again.png").exists()
        assert call(*like, option, value) == (0, [], [])
        Path("again.png").unlink()


def test_alpha_comes_back(stylize, pictures):
    alpha = np.tile(np.arange(24, dtype=np.uint8) * 10, (32, 1))
    with Image.open(pictures[0]) as file:
        pixels = np.asarray(file)
    Image.fromarray(np.dstack([pixels, alpha])).save(pictures[0])
    stylize("-o", "out.png")
    with Image.open("out.png") as file:
        np.testing.assert_array_equal(np.asarray(file)[..., 3], alpha)


def test_save_every(stylize, tmp_path):
    assert stylize("-o", "out.png", "--save-every", 5, steps=12) == (0, [], [])
    saved = sorted(path.name for path in tmp_path.glob("out*"))
    assert saved == ["out-0005.png", "out-0010.png", "out.png"]
    assert [jnst.load_recipe(path)["steps"] for path in saved] == [5, 10, 12]


def write_file(content):
    return lambda path: path.write_bytes(content)


def write_picture(*shape, cut=None):
    def write(path):
        noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, Image.registered_extensions()[path.suffix])
        path.write_bytes(stream.getvalue()[:cut])

    return write


UNREADABLE = {
    "missing.png": (lambda path: None, "there is no such file"),
    "text.jpg": (write_file(b"not a picture\n" * 9), "no picture that can be read"),
    "cut.jpg": (write_picture(64, 64, cut=1500), "cannot be read"),
    "empty.png": (write_file(b""), "the file is empty"),
    "folder.png": (lambda path: path.mkdir(), "is a folder"),
}
TINY = {"tiny.png": (write_picture(5, 5), "5 x 5 pixels; the layers need at least 16 x 16")}
NO_RECIPE = {
    name: (write_picture(64, 64, cut=cut), "holds no recipe of jnst")
    for name, cut in (("cut.jpg", 1500), ("whole.jpg", None), ("whole.png", None))
}


@pytest.mark.parametrize(
    ("place", "name", "write", "message"),
    [
        (place, name, *case)
        for places, cases in (
            (("content", "style"), UNREADABLE | TINY),
            (("--init",), UNREADABLE),
            (("--like", "show"), UNREADABLE | NO_RECIPE),
        )
        for place in places
        for name, case in cases.items()
    ],
)
def test_bad_pictures(call, pictures, network_file, tmp_path, place, name, write, message):
    write(tmp_path / name)
    before = snapshot(tmp_path)
    content = name if place == "content" else pictures[0]
    style = name if place == "style" else pictures[1]
    arguments = ["stylize", content, style, "--network", network_file]
    if place == "show":
        arguments = ["show", name]
    elif place.startswith("--"):
        arguments += [place, name]
    status, out, err = call(*arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"jnst: {name}: ")
    assert message in err[0]
    assert snapshot(tmp_path) == before


BAD_OPTIONS = [
    (["--strength", "clear", "--preset", "gatys2016"], "--strength is for relative losses"),
    (["--style-layers", "relu9_9"], "unknown layer 'relu9_9'; "),
    (["--style-layers", "relu9_9"], "known: conv1_1, relu1_1, "),
    (["--size", "-5"], "size is -5"),
    (["--size", "big"], "argument --size: invalid int value: 'big'"),
    (["--steps", "1.5"], "argument --steps: invalid int value"),
    (["--style-weight", "nan"], "style_weight is nan; a finite number"),
    (["--content-weight", "inf"], "content_weight is inf"),
    (["--tv-weight=-inf"], "tv_weight is -inf"),
    (["--learning-rate", "nan", "--optimizer", "sgd"], "learning_rate is nan"),
    (["--learning-rate", "0.1"], "lbfgs takes none"),
    (
        ["--optimizer", "rmsprop"],
        "argument --optimizer: 'rmsprop' is not accepted; accepted: ",
    ),
    (["--style-layer-weights", "1", "2"], "style_layer_weights has 2 values; expected 5"),
    (["--save-every", "0"], "--save-every is 0"),
    (["--colour"], "unknown option --colour; did you mean '--color'? (see jnst stylize --help)"),
    (["--siz", "64"], "unknown option --siz; did you mean '--size'?"),
    (["-o", "out.gif"], "out.gif: the suffix is '.gif'; accepted: .png"),
    (["-o", "out"], "out: the suffix is ''"),
    (["-o", "nowhere/out.png"], "nowhere/out.png: there is no folder nowhere"),
    (["-o", "pictures/content.png/out.png"], "there is no folder pictures/content.png"),
    (["-o", "pictures.png"], "pictures.png: is a folder"),
    (["-o", "locked/out.png"], "locked/out.png: cannot be written (Permission denied)"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS)
def test_bad_options_are_found_before_any_work(
    call, pictures, tmp_path, monkeypatch, arguments, message
):
    def too_late(*_, **__):
        raise AssertionError("the work has begun")

    def locked(*, dir, **_):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(jnst, "load_network", too_late)
    monkeypatch.setattr(jnst, "stylize_steps", too_late)
    if "locked/out.png" in arguments:  # root could write into any folder
        monkeypatch.setattr(jnst.images.files.tempfile, "NamedTemporaryFile", locked)
    (tmp_path / "locked").mkdir()
    (tmp_path / "pictures.png").mkdir()
    before = snapshot(tmp_path)
    status, out, err = call("stylize", *pictures, *arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert message in err[0]
    assert snapshot(tmp_path) == before


def remove(file):
    del file["conv3_3/bias"]


def misshape(file):
    del file["conv3_3/bias"]
    file["conv3_3/bias"] = np.zeros(3)


def spoil(file):
    file["conv3_3/bias"][3] = np.nan


BAD_NETWORKS = {
    "missing": (None, "no such file, and no such network; networks are embedded, imagenet"),
    "text": (b"weights", "has an unknown format"),
    "no tensor": (remove, "conv3_3/bias is missing"),
    "misshapen": (
        misshape,
        "conv3_3/bias has shape (3,); behind the layers before it (4,) is accepted",
    ),
    "nan": (spoil, "conv3_3/bias is not finite"),
}


@pytest.mark.parametrize("kind", BAD_NETWORKS)
def test_bad_networks(call, pictures, network_file, tmp_path, kind):
    damage, message = BAD_NETWORKS[kind]
    if isinstance(damage, bytes):
        Path("net.h5").write_bytes(damage)
    elif damage:
        shutil.copy(network_file, "net.h5")
        with h5py.File("net.h5", "r+") as file:
            damage(file)
    before = snapshot(tmp_path)
    status, out, err = call("stylize", *pictures, "--network", "net.h5")
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith("jnst: net.h5: ")
    assert message in err[0]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("arguments", [[], ["paint"], ["stylize"], ["stylize", "a.png"], ["show"]])
def test_missing_arguments(call, tmp_path, arguments):
    status, out, err = call(*arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith("jnst: ")
    assert "--help)" in err[0]
    assert snapshot(tmp_path) == {}


def test_help_names_every_setting_with_its_default(call):
    status, out, err = call("stylize", "--help")
    text = " ".join(" ".join(out).split())
    assert (status, err) == (0, [])
    for name in jnst.Config.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in text
    assert "(512)" in text
    assert "(relu1_1 relu2_1 relu3_1 relu4_1 relu5_1)" in text
    assert call("--version") == (0, [f"jnst {jnst.__version__}"], [])


def test_divergence_saves_the_last_finite_picture(stylize, pictures):
    status, out, err = stylize("-o", "out.png", optimizer="sgd", learning_rate=1e30)
    assert (status, out, len(err)) == (1, [], 1)
    assert "not finite at step 1" in err[0]
    assert "wrote out.png" in err[0]
    with Image.open("out.png") as saved, Image.open(pictures[0]) as content:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(content))
    assert jnst.load_recipe("out.png")["config"]["learning_rate"] == 1e30


def test_a_run_that_fails_before_its_first_step_leaves_an_older_picture(stylize, monkeypatch):
    Path("out.png").write_bytes(b"older")

    def diverged(*_, **__):
        raise jnst.DivergedError(0, None, result)

    def starve(*_, **__):
        raise MemoryError

    for failing, said in ((diverged, "not finite at step 0"), (starve, "not enough memory")):

        def steps(*arguments, failing=failing, **options):
            nonlocal result
            yield (result := next(stylize_steps(*arguments, **options)))
            failing()

        result = None
        monkeypatch.setattr(jnst, "stylize_steps", steps)
        status, out, err = stylize("-o", "out.png", steps=50)
        assert (status, out, len(err)) == (1, [], 1)
        assert said in err[0] and "nothing was written" in err[0]
        assert Path("out.png").read_bytes() == b"older"


def test_divergence_later_on_saves_the_best_picture_before(stylize, monkeypatch):
    def diverge(*arguments, **options):
        results = stylize_steps(*arguments, **options)
        yield next(results)
        yield (last := next(results))
        image = np.full((32, 24, 3), 0.6, np.float32)
        raise jnst.DivergedError(8, image, dataclasses.replace(last, image=image, diverged=8))

    monkeypatch.setattr(jnst, "stylize_steps", diverge)
    status, out, err = stylize("-o", "out.png", steps=50)
    assert (status, out, len(err)) == (1, [], 1)
    assert "not finite at step 8" in err[0]
    assert "wrote out.png, 5 of 50 steps" in err[0]
    with Image.open("out.png") as saved:
        assert (np.asarray(saved) == 153).all()
    assert jnst.load_recipe("out.png")["diverged"] == 8


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_writes_what_there_is(stylize, monkeypatch, signum):
    def interrupted(*arguments, **options):
        for result in stylize_steps(*arguments, **options):
            yield result
            if result.steps:
                signal.raise_signal(signum)

    monkeypatch.setattr(jnst, "stylize_steps", interrupted)
    status, out, err = stylize("-o", "out.png", steps=50)
    assert (status, out, len(err)) == (128 + signum, [], 1)
    assert err[0].startswith("jnst: interrupted: wrote out.png, 10 of 50 steps")
    assert jnst.load_recipe("out.png")["steps"] == 10


@pytest.mark.parametrize("started", [False, True])
def test_a_signal_before_the_first_step_writes_nothing(stylize, monkeypatch, tmp_path, started):
    def interrupted(*arguments, **options):
        if started:
            yield next(stylize_steps(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(jnst, "stylize_steps", interrupted)
    before = snapshot(tmp_path)
    status, out, err = stylize("-o", "out.png")
    assert (status, out) == (130, [])
    assert err == ["jnst: interrupted before the first step"]
    assert snapshot(tmp_path) == before


def test_ctrl_c_of_the_installed_command(pictures, small, network_file, tmp_path):
    """Also: a whole process puts nothing else on its streams."""
    script = shutil.which("jnst", path=sysconfig.get_path("scripts"))
    out = tmp_path / "out.png"
    options = small | {"steps": 10**6, "optimizer": "sgd", "learning_rate": 0.0}
    command = [script, "stylize", *pictures, "--network", network_file, "-o", out]
    process = subprocess.Popen(
        [*map(str, command), *flags(options), "--save-every", "100", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not out.with_stem("out-0100").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, printed) == (130, "")
    (line,) = said.splitlines()
    assert line.startswith(f"jnst: interrupted: wrote {out}, ")
    assert jnst.load_recipe(out)["steps"] >= 100


@pytest.fixture
def small_demo(monkeypatch, small, network):
    def steps(content, style, *, size):
        assert size == drawings.SIZE
        return stylize_steps(content, style, network=network, **small)

    monkeypatch.setattr(jnst, "stylize_steps", steps)


def test_demo_draws_and_paints(call, small_demo, tmp_path):
    assert call("demo", "-o", "a/b") == (0, [], [])
    folder = tmp_path / "a" / "b"
    assert {path.name for path in folder.iterdir()} == {"content.png", "style.png", "result.png"}
    assert jnst.load_recipe(folder / "result.png")["steps"] == 6
    assert jnst.load_image(folder / "result.png").shape == (24, 32, 3)


def test_demo_says_where_it_cannot_write(call, small_demo, tmp_path):
    Path("file").write_text("mine")
    status, out, err = call("demo", "-o", "file")
    assert (status, out, len(err)) == (2, [], 1)
    assert "file" in err[0]
    assert snapshot(tmp_path) == {tmp_path / "file": b"mine"}


def test_several_styles_and_masks(call, pictures, small, network_file, tmp_path):
    content, style = pictures
    labels = np.zeros((32, 24), np.uint8)
    labels[:16] = 255
    Image.fromarray(labels).save("labels.png")
    options = ["--network", network_file, *flags(small), "-o"]
    assert (
        call("stylize", content, style, content, "--style-blend", 3, 1, *options, "a.png")[0] == 0
    )
    assert jnst.load_recipe("a.png")["styles"] == ["style.png", "content.png"]
    assert jnst.load_recipe("a.png")["config"]["style_blend"] == [3, 1]
    masks = ["--content-masks", "labels.png"]
    assert call("stylize", content, style, style, *masks, *options, "b.png") == (0, [], [])
    status, _, err = call("stylize", content, style, style, *masks, *options, "b.png", quiet=False)
    assert (status, err[0]) == (
        0,
        "labels.png: one mask for 2 styles is a label map, its darkest color for the first style",
    )
    two = [content, style, style, *masks, "photo.png"]
    status, _, err = call("stylize", *two, *options, "c.png")
    assert (status, err) == (2, ["jnst: photo.png: there is no such file"])
    status, _, err = call("stylize", content, style, *masks, "photo.png", *options, "c.png")
    message = "content_masks has 2 entries; expected 1, one for each style"
    assert (status, err) == (2, [f"jnst: {message}"])


def test_texture_reconstruct_interpolate(call, pictures, small, network_file):
    content, style = pictures
    common = ["--network", network_file, "--size", 32, "--steps", 3, "--levels", 1]
    layers = ["--style-layers", "relu1_1", "relu2_1"]
    assert call("texture", style, *common, *layers, "-o", "t.png") == (0, [], [])
    recipe = jnst.load_recipe("t.png")["config"]
    assert (recipe["content_layers"], recipe["init"]) == ([], "colors")
    assert call("reconstruct", content, "--layer", "relu2_1", *common, "-o", "r.png") == (0, [], [])
    recipe = jnst.load_recipe("r.png")["config"]
    assert (recipe["content_layers"], recipe["style_layers"]) == (["relu2_1"], [])
    options = [*common, *layers, "--content-layers", "relu2_1", "--count", 3]
    assert call("interpolate", content, style, content, *options, "-o", "i.png") == (0, [], [])
    with Image.open("i.png") as strip:
        assert strip.size == (3 * 24, 32)


def test_presets(call, pictures, small, network_file):
    status, out, err = call("presets")
    assert (status, err) == (0, [])
    blocks = "\n".join(out).split("\n\n")
    assert [block.split()[0] for block in blocks] == list(jnst.PRESETS)
    assert all(len(line) <= 100 for line in out)
    by_name = {block.split()[0]: " ".join(block.split()) for block in blocks}
    assert "style_layers conv1_1 ... conv5_1, " in by_name["gatys2016"]
    assert "network imagenet)" in by_name["gatys2016"]
    assert "style_layer_weights 0.7507 0.1877 " in by_name["crowson2021"]
    assert "size 400, " in by_name["keras"]
    assert "size" not in by_name["gatys2016"].split()
    options = ["--size", 32, "--steps", 3, "--network", network_file, "-o", "a.png"]
    assert call("stylize", *pictures, "--preset", "johnson2015", *options) == (0, [], [])
    config = jnst.load_recipe("a.png")["config"]
    assert (config["convention"], config["pooling"], config["steps"]) == ("johnson", "max", 3)


def test_the_preset_is_the_networks_unless_one_is_given(call, pictures, small, network, tmp_path):
    jnst.write_network(tmp_path / "trained.h5", network.replace(preset="trained"))
    options = ["--network", "trained.h5", *flags(small | {"steps": 0}), "-o", "a.png"]
    for given, losses in (([], ["balanced_gram"]), (["--preset", "fast"], ["gram"])):
        assert call("stylize", *pictures, *given, *options) == (0, [], [])
        assert jnst.load_recipe("a.png")["config"]["style_loss"] == losses
    words = ["--strength", "subtle", *options]
    assert call("stylize", *pictures, *words) == (0, [], [])
    assert jnst.load_recipe("a.png")["config"]["style_weight"] == 0.3
    like = ["--like", "a.png", "--network", "trained.h5", "-o", "again.png"]
    assert call("stylize", *pictures, *like) == (0, [], [])
    assert jnst.load_recipe("again.png")["config"] == jnst.load_recipe("a.png")["config"]
    assert call("batch", pictures[0], "--styles", pictures[1], *options[:-1], "made") == (0, [], [])
    [made] = Path("made").iterdir()
    assert jnst.load_recipe(made)["config"]["tv_weight"] == 0.5
    assert call("texture", pictures[1], *options[:2], "--size", 64, "--steps", 0,
                "-o", "t.png") == (0, [], [])  # fmt: skip
    assert jnst.load_recipe("t.png")["config"]["style_loss"] == ["balanced_gram"]
    assert call("reconstruct", pictures[0], "--layer", "relu1_1", *options[:2], "--size", 32,
                "--steps", 0, "-o", "b.png") == (0, [], [])  # fmt: skip
    assert jnst.load_recipe("b.png")["config"]["tv_weight"] == 0.05


def test_video(call, pictures, small, network_file, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        moved = np.roll(jnst.load_image(pictures[0]), 4 * number, axis=1)
        jnst.save_image(frames / f"{number}.png", moved)
    options = ["--network", network_file, *flags(small), "--frame-steps", 6]
    assert call("video", frames, pictures[1], *options, "-o", "out") == (0, [], [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "frame-0001.png", "frame-0002.png", "frame-0003.png",
    ]  # fmt: skip
    assert call("video", frames, pictures[1], *options, "-o", "out.gif") == (0, [], [])
    with Image.open("out.gif") as gif:
        assert gif.n_frames == 3
    status, _, err = call("video", "missing.gif", pictures[1], *options, "-o", "b.gif")
    assert (status, len(err)) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["stylize", "c.png", "s.png", "--preset", "keras", "--like", "c.png"],
            "--preset and --like",
        ),
        (["video", "c.png", "s.png", "-o", "a.avi"], "a.avi: a .gif or .mp4 file or a folder"),
        (["video", "c.png", "s.png", "-o", "no/a.gif"], "no/a.gif: there is no folder no"),
        (
            ["video", "c.png", "s.png", "-o", "a.gif", "--color", "luminance"],
            "color is 'luminance'",
        ),
        (["texture", "s.png", "--color", "luminance"], "texture has no two pictures"),
        (["interpolate", "c.png", "s.png", "s.png", "--count", "1"], "--count is 1"),
        (
            ["stylize", "c.png", "s.png", "--normalize-gradients", "on"],
            "argument --normalize-gradients",
        ),
        (
            ["stylize", "c.png", "s.png", "--preset", "gatys"],
            "argument --preset: 'gatys' is not",
        ),
    ],
)
def test_refused_commands(call, pictures, tmp_path, arguments, message):
    for path, name in zip(pictures, ("c.png", "s.png"), strict=True):
        shutil.copy(path, tmp_path / name)
    before = set(tmp_path.iterdir())
    status, out, err = call(*arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"jnst: {message}")
    assert set(tmp_path.iterdir()) == before


def test_a_preset_with_another_optimizer_or_half(call, pictures, network_file):
    options = ["--size", 32, "--steps", 2, "--network", network_file]
    keras = ["--preset", "keras", "--optimizer", "lbfgs", *options, "-o", "a.png"]
    assert call("stylize", *pictures, *keras) == (0, [], [])
    crowson = ["--preset", "crowson2021", "--layer", "relu2_1", *options, "-o", "b.png"]
    assert call("reconstruct", pictures[0], *crowson) == (0, [], [])
    config = jnst.load_recipe("b.png")["config"]
    assert (config["averaging"], config["steps"]) == (0.99, 2)


def options_of(small):
    return ["--size", small["size"], "--steps", 3, "--levels", 1, "--content-layers", "relu2_1",
            "--style-layers", "relu1_1", "relu2_1"]  # fmt: skip


def test_batch(call, pictures, small, network_file, tmp_path):
    content, style = pictures
    (tmp_path / "other").mkdir()
    shutil.copy(content, tmp_path / "other" / "style.png")
    common = [*options_of(small), "--network", network_file, "-o", "out"]
    styles = ["--styles", style, "other/style.png"]
    assert call("batch", content, *styles, *common) == (0, [], [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "content-style-2.png", "content-style.png",
    ]  # fmt: skip
    assert jnst.load_recipe("out/content-style.png")["steps"] == 3
    before = snapshot(tmp_path)
    for arguments, message in (
        (["batch", content, "--styles", "none.png", *common], "none.png: there is no such file"),
        (
            ["batch", content, content, *styles, style, *common],
            "contents has 2 entries; expected 1 or 3",
        ),
        (["batch", content, *styles, *common[:-1], content], f"{content}: is not a folder"),
        (["batch", content, *styles, *common, "--batch-size", "0"], "argument --batch-size"),
    ):
        status, out, err = call(*arguments)
        assert (status, out, len(err)) == (2, [], 1)
        assert message in err[0]
    assert snapshot(tmp_path) == before


def test_a_batch_that_diverges_says_which(call, pictures, small, network_file):
    content, style = pictures
    rate = ["--optimizer", "sgd", "--learning-rate", 3e38, "--network", network_file, "-o", "out"]
    status, out, err = call("batch", content, "--styles", style, style, *options_of(small), *rate)
    assert (status, out) == (0, [])  # after the last step the best image is left
    rate = ["--style-weight", 3e38, "--network", network_file, "-o", "out"]
    status, out, err = call("batch", content, "--styles", style, style, *options_of(small), *rate)
    assert (status, out) == (1, [])
    assert err == [
        "jnst: wrote 2 of 2 pictures to out, diverged: content-style.png, content-style-2.png"
    ]
    arguments = ["interpolate", content, style, style, "--count", 2, *options_of(small), *rate[:-1]]
    assert call(*arguments, "i.png") == (1, [], ["jnst: wrote i.png, diverged: picture 1, 2"])


def test_a_signal_writes_what_there_is_of_many(call, pictures, small, network_file, monkeypatch):
    def interrupted(steps):
        def call(*arguments, **options):
            for progress in steps(*arguments, **options):
                yield progress
                signal.raise_signal(signal.SIGINT)

        return call

    for name in ("stylize_batch_steps", "interpolate_steps"):
        monkeypatch.setattr(jnst, name, interrupted(getattr(jnst, name)))
    steps = sequences.stylize_frames_steps
    monkeypatch.setattr(sequences, "stylize_frames_steps", interrupted(steps))
    content, style = pictures
    common = [*options_of(small), "--network", network_file]
    assert call("batch", content, "--styles", style, style, *common, "-o", "out") == (
        130, [], ["jnst: interrupted: wrote 2 of 2 pictures to out"],
    )  # fmt: skip
    assert jnst.load_recipe("out/content-style-2.png")["steps"] == 3
    assert call("interpolate", content, style, style, *common, "-o", "strip.png") == (
        130, [], ["jnst: interrupted: wrote strip.png"],
    )  # fmt: skip
    assert jnst.load_image("strip.png").shape == (32, 5 * 24, 3)
    os.mkdir("frames")
    for number in (1, 2):
        shutil.copy(content, f"frames/{number}.png")
    assert call("video", "frames", style, *common, "-o", "a.gif") == (
        130, [], ["jnst: interrupted: wrote 1 of 2 frames to a.gif; the same command continues"],
    )  # fmt: skip
    assert len(jnst.open_frames("a.gif")) == 1
    monkeypatch.setattr(sequences, "stylize_frames_steps", steps)
    before = Path("a.gif").read_bytes()
    assert call("video", "frames", style, *common, "-o", "a.gif") == (0, [], [])
    assert Path("a.gif").read_bytes().startswith(before[:-1])
    assert len(jnst.open_frames("a.gif")) == 2
    assert not list(Path().glob(".*"))


def test_a_signal_that_python_drops_is_noticed():
    """As when it comes while garbage is collected."""

    def values():
        yield 1
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        yield 2
        yield 3

    seen = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        for value in noticing(values()):
            seen.append(value)
    assert seen == [1, 2]


def test_an_output_that_is_read_is_refused(call, pictures, small, network_file, tmp_path):
    content, style = pictures
    os.link(content, tmp_path / "linked.png")
    os.symlink(style, tmp_path / "pointed.png")
    shutil.copy(content, "a.png")
    shutil.copy(content, "out-0050.png")
    options = [*flags(small | {"steps": 0}), "--network", network_file]
    os.mkdir("batch")
    shutil.copy(style, "batch/content-style.png")
    assert call("stylize", content, style, *options, "-o", "like.png")[0] == 0
    masks = ("--content-masks", "a.png")
    before = snapshot(tmp_path)
    for arguments in (
        ("stylize", content, style, *options, "-o", content),
        ("stylize", content, style, *options, "-o", "linked.png"),
        ("stylize", content, style, *options, "-o", "pointed.png"),
        ("stylize", content, style, *options, *masks, "-o", "a.png"),
        ("stylize", content, style, *options, "--style-masks", "a.png", "-o", "a.png"),
        ("stylize", content, style, *options, "--init", "a.png", "-o", "a.png"),
        ("stylize", content, style, *options, "--like", "like.png", "-o", "like.png"),
        ("stylize", "out-0050.png", style, *options, "--save-every", 50, "-o", "out.png"),
        ("texture", style, *options, "-o", style),
        ("reconstruct", content, *options[:-2], "-o", content),
        ("interpolate", content, style, style, *options, "-o", style),
        ("batch", content, "--styles", "batch/content-style.png", style, *options, "-o", "batch"),
        ("grid", content, style, "-o", style),
    ):
        status, out, err = call(*arguments)
        assert (status, out, len(err)) == (2, [], 1), arguments
        assert "is also an input" in err[0] or "written over" in err[0]
    assert snapshot(tmp_path) == before


def test_a_video_into_its_own_frames_or_nowhere_is_refused(call, pictures, small, network_file):
    content, style = pictures
    os.mkdir("frames")
    for number in (1, 2):
        shutil.copy(content, f"frames/frame-{number:04}.png")
    os.symlink("frames", "linked")
    shutil.copy(style, "paint.gif")
    os.mkdir("out")
    os.symlink("../frames/frame-0001.png", "out/frame-0002.png")
    options = [*flags(small | {"steps": 1}), "--network", network_file]
    before = snapshot(Path("frames"))
    for out, message in (
        ("frames", "frames: is also an input"),
        ("linked", "linked: is also an input"),
        ("paint.gif", "paint.gif: is also an input"),
        ("out", "out/frame-0002.png: is also an input"),
        ("/proc/o.gif", "cannot be written"),
        ("/proc/frames", "cannot be written"),
    ):
        status, _, err = call("video", "frames", style, "paint.gif", *options, "-o", out)
        assert (status, len(err)) == (2, 1)
        assert message in err[0]
    assert snapshot(Path("frames")) == before


def test_a_series_that_leads_to_an_input_is_refused(tmp_path):
    for name, there in (("a-0050.png", "b.png"), ("c.png", "d-0050.png")):
        (tmp_path / there).write_bytes(b"")
        (tmp_path / name).symlink_to(tmp_path / there)
    for out, read in (("a.png", "b.png"), ("d.png", "c.png")):
        with pytest.raises(ValueError, match="is also an input"):
            check_no_numbered_input(tmp_path / out, [tmp_path / read])


def test_a_picture_between_that_has_no_place_loses_nothing(stylize):
    os.mkdir("out-0005.png")
    status, _, err = stylize("-o", "out.png", "--save-every", 5)
    assert (status, len(err)) == (0, 1)
    assert "out-0005.png: is a folder" in err[0]
    assert jnst.load_recipe("out.png")["steps"] == 6


def test_names_that_no_file_has():
    for function in (jnst.load_image, check_writable):
        with pytest.raises(jnst.ImageError, match="no file has such a name"):
            function("a\0b.png")


def test_a_demo_leaves_pictures_that_are_not_its_own(call, pictures, tmp_path):
    os.mkdir("mine")
    for name in ("content.png", "style.png", "result.png"):
        shutil.copy(pictures[0], f"mine/{name}")
        before = snapshot(tmp_path)
        status, _, err = call("demo", "-o", "mine")
        assert (status, len(err)) == (2, 1)
        assert f"mine/{name}: exists and is not a file of the demo" in err[0]
        assert snapshot(tmp_path) == before
        os.unlink(f"mine/{name}")


def test_outputs_that_are_no_plain_files(call, pictures, small, network_file):
    content, style = pictures
    options = [content, style, *flags(small | {"steps": 0}), "--network", network_file]
    os.mkfifo("pipe.png")
    os.mkdir("results")
    for out, message in (
        ("pipe.png", "pipe.png: is not a regular file"),
        ("results/", "results: is a folder; a file in it is accepted, such as results/a.png"),
    ):
        status, _, err = call("stylize", *options, "-o", out)
        assert (status, err) == (2, [f"jnst: {message}"])
    Path("kept").mkdir()
    Path("kept/far.png").write_bytes(b"")
    os.chmod("kept/far.png", 0o640)
    os.symlink("kept/far.png", "near.png")
    assert call("stylize", *options, "-o", "near.png") == (0, [], [])
    assert os.readlink("near.png") == "kept/far.png"
    assert jnst.load_recipe("kept/far.png") and os.stat("kept/far.png").st_mode & 0o777 == 0o640
    long = "x" * 251 + ".png"
    assert call("stylize", *options, "-o", long) == (0, [], [])
    assert Path(long).is_file()


def test_addresses_are_no_files(call):
    status, _, err = call("stylize", "https://example.com/a.jpg", "b.png")
    assert (status, len(err)) == (2, 1)
    assert "https://example.com/a.jpg is a URL; download it first" in err[0]


class Closed(io.StringIO):
    """A terminal that was closed."""

    def isatty(self):
        return True

    def write(self, text):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("stream", [None, Closed()], ids=["closed", "hung up"])
def test_nobody_listens_and_the_picture_is_there(stylize, monkeypatch, stream):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        assert stylize("-o", "out.png", quiet=False)[0] == 0
        assert stylize("-o", "out.webp", quiet=False, optimizer="sgd", learning_rate=1e30)[0] == 1
    assert jnst.load_recipe("out.png")["steps"] == 6


def test_streams_that_do_not_take_what_is_printed(call, monkeypatch):
    for error, expected in ((BrokenPipeError(), 141), (OSError(errno.ENOSPC, "No space"), 2)):

        def broken(_, error=error):
            raise error

        monkeypatch.setattr(main, "presets_command", broken)
        status, out, err = call("presets")
        assert (status, out, len(err)) == (expected, [], int(expected == 2))


@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize 'cuda'"), AssertionError()])
def test_a_device_that_is_not_there(stylize, monkeypatch, error):
    def none():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(jax, "local_devices", none)
    status, out, err = stylize("-o", "out.png")
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith("jnst: JAX finds no device; JAX_PLATFORMS is 'cuda'")


def test_a_device_that_a_command_asks_for_in_vain(call, monkeypatch):
    def none(*_, **__):
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jnst, "load_network", none)
    with pytest.raises(RuntimeError, match="Unable to initialize"):  # not for want of a device
        call("network", "verify", "embedded")
    monkeypatch.setattr(jax, "local_devices", none)
    status, out, err = call("network", "verify", "embedded")
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith("jnst: JAX finds no device")


def test_the_command_in_a_thread_and_the_callers_hooks(call, monkeypatch):
    def hook(_):
        pass

    monkeypatch.setattr(sys, "unraisablehook", hook)
    handlers = [signal.getsignal(number) for number in commands.SIGNALS]
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(main.main(["presets"])))
    thread.start()
    thread.join()
    statuses.append(main.main(["presets"]))
    assert statuses == [0, 0]
    assert sys.unraisablehook is hook
    assert [signal.getsignal(number) for number in commands.SIGNALS] == handlers


def test_a_signal_during_a_save_is_noticed_after_it():
    written = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        for value in noticing(range(3)):
            with commands.uninterrupted():
                signal.raise_signal(signal.SIGTERM)
                written.append(value)
    assert written == [0]


def test_a_third_signal_is_heard():
    with pytest.raises(KeyboardInterrupt), interruptible():
        for _ in range(2):
            with contextlib.suppress(KeyboardInterrupt):  # as a library may
                signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_does_not_cut_short_what_the_first_has_written():
    written = []
    with interruptible():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGTERM)
            written.append("all")
    assert written == ["all"]
    assert commands.interrupted_status() == 128 + signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with commands.interruptible(), commands.uninterrupted():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_strip_keeps_what_there_is_when_memory_runs_out(
    call, pictures, small, network_file, monkeypatch
):
    def short(*arguments, **options):
        yield next(iter(steps(*arguments, **options)))
        raise MemoryError

    steps = jnst.interpolate_steps
    monkeypatch.setattr(jnst, "interpolate_steps", short)
    content, style = pictures
    options = [*options_of(small), "--network", network_file, "-o", "strip.png"]
    status, out, err = call("interpolate", content, style, style, "--count", 2, *options)
    assert (status, out) == (1, [])
    assert err == ["jnst: wrote strip.png; it is incomplete: not enough memory"]
    assert jnst.load_image("strip.png").shape == (32, 2 * 24, 3)


def test_a_signal_during_a_save_waits_for_it(call, pictures, small, network_file, monkeypatch):
    def save(result, path):
        signal.raise_signal(signal.SIGTERM)
        write(result, path)

    write = jnst.Result.save
    monkeypatch.setattr(jnst.Result, "save", save)
    content, style = pictures
    options = [*options_of(small), "--network", network_file, "-o", "out"]
    call("batch", content, "--styles", style, style, *options)
    assert jnst.load_recipe("out/content-style-2.png")["steps"] == 3
