"""`--resume` and `--enlarge`, as they are typed."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.cli import writing
from jnst.runs.recipes import load_recipe
from jnst.runs.resuming import CheckpointFile


@pytest.fixture
def typed(pictures, network_file):
    """A command that takes a moment."""
    layers = ["--content-layers", "relu2_1", "--style-layers", "relu1_1"]
    settings = ["--size", 64, "--steps", 12, "--levels", 1, *layers]
    return ["stylize", *pictures, "--network", network_file, *settings]


@pytest.fixture
def stopped(call, typed, monkeypatch):
    """Runs the command until its first steps are taken, and interrupts it as Ctrl-C does."""
    plain = writing.noticing

    def noticing(values):
        for value in values:
            yield value
            raise KeyboardInterrupt

    def run(*arguments):
        monkeypatch.setattr(writing, "noticing", noticing)
        status, _, err = call(*typed, *arguments)
        monkeypatch.setattr(writing, "noticing", plain)
        return status, err

    return run


def pixels(path):
    return np.asarray(Image.open(path))


def test_an_interrupted_run_is_resumed_to_the_same_picture(
    call, typed, stopped, tmp_path, monkeypatch
):
    assert call(*typed, "-o", "whole.png")[0] == 0
    status, err = stopped("-o", "out.png")
    assert status == 130
    assert "5 of 12 steps" in err[0] and err[0].endswith("; --resume out.png goes on")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, out, err = call("stylize", "--resume", "../out.png")
    assert (status, out, err) == (0, [], [])
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(pixels("out.png"), pixels("whole.png"))
    assert load_recipe("out.png")["steps"] == 12
    assert not os.path.exists("out.png.checkpoint")


def test_a_signal_in_the_middle_of_a_step_leaves_the_last_state(call, typed, monkeypatch):
    """There, the state is already given to the next step."""
    offer = CheckpointFile.offer

    def interrupting(self, snapshot):
        offer(self, snapshot)
        if 5 < len(snapshot.histories[0].loss) < 12:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFile, "offer", interrupting)
        status, _, [line] = call(*typed, "-o", "out.png", "--checkpoint-every", 0)
    assert status == 130 and "10 of 12 steps" in line
    assert call("stylize", "--resume", "./out.png")[0] == 0
    assert call(*typed, "-o", "whole.png")[0] == 0
    np.testing.assert_array_equal(pixels("out.png"), pixels("whole.png"))


def test_what_is_not_the_same_run_is_not_resumed(call, typed, stopped, pictures, tmp_path):
    stopped("-o", "out.png")
    content = pictures[0].read_bytes()
    pictures[0].write_bytes(pictures[1].read_bytes())
    status, _, [line] = call("stylize", "--resume", "out.png")
    assert status == 2 and "is of other pictures or settings" in line
    pictures[0].write_bytes(content)
    (tmp_path / "there").mkdir()
    os.rename("out.png.checkpoint", "there/out.png.checkpoint")
    status, _, [line] = call("stylize", "--resume", "there/out.png")
    assert status == 2 and "move it back" in line
    os.rename("there/out.png.checkpoint", "out.png.checkpoint")
    assert call("stylize", "--resume", "out.png")[0] == 0


def test_another_run_with_the_same_output_says_that_it_replaces_one(call, typed, stopped):
    stopped("-o", "out.png")
    status, _, [line] = call(*typed, "-o", "out.png", "--style-weight", 5)
    assert status == 0 and "out.png.checkpoint: is of another run" in line
    assert not os.path.exists("out.png.checkpoint")


def test_an_output_without_a_name_keeps_the_one_it_had(call, stopped):
    stopped()
    assert call("stylize", "--resume=content-style.png")[0] == 0
    assert load_recipe("content-style.png")["steps"] == 12
    assert not os.path.exists("content-style-2.png")


def test_the_same_command_goes_on_too(call, typed, stopped):
    stopped("-o", "out.png")
    status, _, err = call(*typed, "-o", "out.png", quiet=False)
    assert status == 0 and "out.png: goes on from step 5" in err[0]


def test_what_cannot_be_resumed_is_told_in_one_line(call, stopped, pictures):
    for arguments, message in (
        (["stylize", "--resume", "none.png"], "none.png.checkpoint: there is no unfinished run"),
        (["stylize", *pictures, "--resume", "out.png"], "--resume takes the output"),
        (["texture", "--resume", "out.png"], "is not of jnst texture"),
    ):
        if arguments[0] == "texture":
            stopped("-o", "out.png")
        status, out, [line] = call(*arguments)
        assert (status, out) == (2, []) and message in line


def test_a_checkpoint_every_so_many_steps(call, typed):
    status, _, [line] = call(*typed, "-o", "out.png", "--checkpoint-every", -1)
    assert status == 2 and "--checkpoint-every is -1" in line


def test_a_result_is_enlarged_through_the_sizes_that_it_lacks(call, typed, pictures, network_file):
    assert call(*typed, "-o", "small.png")[0] == 0
    again = ["stylize", *pictures, "--network", network_file, "--enlarge", "small.png"]
    assert call(*again, "--size", 256, "-o", "large.png")[0] == 0
    recipe = load_recipe("large.png")
    assert Image.open("large.png").size == (192, 256)
    assert recipe["config"]["init"] == "small.png"
    assert recipe["config"]["level_sizes"] == [128] and recipe["config"]["level_steps"] == [9, 7]
    assert recipe["config"]["style_layers"] == ["relu1_1"]
    small, large = (jnst.load_image(path) for path in ("small.png", "large.png"))
    coarse = large.reshape(64, 4, 48, 4, 3).mean((1, 3))
    assert np.abs(coarse - small).mean() < 0.1
    for options, message in (
        ([], "--enlarge needs a larger --size"),
        (["--size", 64], "size is 64; more than the 64"),
        (["--size", 128, "--like", "small.png"], "not allowed with"),
        (["--size", 128, "--preset", "fast"], "--preset and --enlarge"),
        (["--size", 128, "--init", "noise"], "it takes no --init"),
    ):
        status, _, err = call(*again, *options, "-o", "none.png")
        assert status == 2 and any(message in line for line in err)
