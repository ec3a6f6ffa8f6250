"""`jnst video` with video files and rates."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import jnst
from jnst.video import sequences as video_module

SMALL = ["--size", 32, "--steps", 3, "--levels", 1, "--content-layers", "relu2_1",
         "--style-layers", "relu1_1", "relu2_1"]  # fmt: skip


@pytest.fixture
def video(call, pictures, network_file):
    """`jnst video` of what is given, in the manner of the small style."""

    def run(frames, *arguments):
        return call("video", frames, pictures[1], *SMALL, "--network", network_file, *arguments)

    return run


@pytest.fixture
def short(arrays, tmp_path):
    """Three frames of 32 x 24 pixels, at 12.5 a second."""
    moved = [np.roll(arrays[0], 4 * number, axis=1) for number in range(3)]
    jnst.save_mp4(tmp_path / "short.mp4", moved, fps=12.5)
    return tmp_path / "short.mp4"


def durations(path):
    return jnst.frame_durations(jnst.open_frames(path))


def test_a_video_file(video, short, tmp_path):
    assert video(short, "-o", "out.mp4") == (0, [], [])
    assert durations("out.mp4") == [80, 80, 80]
    assert video(short, "-o", "out") == (0, [], [])
    for frame, name in zip(jnst.open_frames("out.mp4"), sorted(Path("out").iterdir()), strict=True):
        assert np.abs(frame / 255 - jnst.load_image(name)).mean() < 0.05
    assert video(short, "-o", "out.gif") == (0, [], [])
    assert durations("out.gif") == [80, 80, 80]
    assert not list(tmp_path.glob(".*"))


def test_rates(video, short, tmp_path, call, pictures, network_file):
    assert video(short, "--fps", 30, "-o", "out.mp4") == (0, [], [])
    np.testing.assert_allclose(durations("out.mp4"), 1000 / 30, atol=0.02)
    assert video("out.mp4", "-o", "out.gif") == (0, [], [])
    assert durations("out.gif") == [30, 40, 30]
    assert video("out.gif", "-o", "again.mp4") == (0, [], [])
    np.testing.assert_allclose(durations("again.mp4"), [30, 40, 30], atol=0.02)
    assert video("out.gif", "--fps", 10, "-o", "again.gif") == (0, [], [])
    assert durations("again.gif") == [100, 100, 100]
    assert video(pictures[0].parent, "-o", "out.mp4")[0] == 2  # pictures of two sizes


def test_a_rate_that_a_gif_has_on_average_is_said(call, short, pictures, network_file):
    given = ["video", short, pictures[1], *SMALL, "--network", network_file, "-o", "a.gif"]
    note = "a.gif: a GIF counts hundredths of a second; 30 frames a second are kept on average"
    assert note in call(*given, "--fps", 30, quiet=False)[2]
    assert note not in call(*given, "--fps", 50, quiet=False)[2]
    jnst.save_mp4(short, list(np.random.default_rng(0).random((4, 32, 24, 3))), fps=240)
    assert call(*given) == (2, [], [
        f"jnst: {short}: has 240 frames a second, a GIF at most 100; choose another rate with --fps"
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("out", "fps", "message"),
    [
        ("a.gif", "0", "--fps of a GIF is 0.0; a finite number of at least 0.01 and at most 100"),
        ("a.gif", "101", "--fps of a GIF is 101.0; a finite number"),
        (
            "a.mp4",
            "-1",
            "--fps of an mp4 is -1.0; a finite number of at least 0.01 and at most 100",
        ),
        ("a.mp4", "nan", "--fps of an mp4 is nan; a finite number"),
        ("a.mp4", "inf", "--fps of an mp4 is inf; a finite number"),
        ("a.gif", "fast", "argument --fps: invalid float value: 'fast'"),
        ("out", "12", "--fps is given, but out is no .gif or .mp4 file"),
    ],
)
def test_rates_that_are_refused(video, short, tmp_path, out, fps, message):
    before = set(tmp_path.iterdir())
    status, lines, err = video(short, f"--fps={fps}", "-o", out)
    assert (status, lines, len(err)) == (2, [], 1)
    assert err[0].startswith(f"jnst: {message}")
    assert set(tmp_path.iterdir()) == before


def test_videos_that_are_refused(video, short, tmp_path, monkeypatch):
    Path("text.mp4").write_text("no video")
    Path(".b.mp4.frames").mkdir()
    jnst.save_image(".b.mp4.frames/frame-0001.png", np.zeros((32, 24, 3)))
    before = set(tmp_path.rglob("*"))
    for frames, out, message in (
        ("text.mp4", "a.mp4", "text.mp4: cannot be read"),
        (short, short, f"{short}: is also an input"),
        (short, "no/a.mp4", "no/a.mp4: there is no folder no"),
        (".b.mp4.frames", "b.mp4", f"{tmp_path}/.b.mp4.frames: is also an input"),
    ):
        status, lines, err = video(frames, "-o", out)
        assert (status, lines, len(err)) == (2, [], 1)
        assert err[0].startswith(f"jnst: {message}")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    needs = "a video file needs imageio-ffmpeg: pip install 'jnst[video]'"
    assert video("short.mp4", "-o", "a.gif") == (2, [], [f"jnst: short.mp4: {needs}"])
    assert video(".b.mp4.frames", "-o", "a.mp4") == (2, [], [f"jnst: a.mp4: {needs}"])
    assert set(tmp_path.rglob("*")) == before


def test_an_mp4_that_was_stopped_goes_on_to_the_same(video, short, tmp_path, monkeypatch):
    assert video(short, "-o", "whole.mp4") == (0, [], [])
    steps = video_module.stylize_frames_steps

    def interrupted(*arguments, **options):
        for each in steps(*arguments, **options):
            yield each
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(video_module, "stylize_frames_steps", interrupted)
    frames = tmp_path / ".a.mp4.frames"
    for done in (1, 2, 3):  # the third time before it is encoded
        line = (
            f"jnst: interrupted: wrote {done} of 3 frames to {frames}; the same command continues"
        )
        assert video(short, "-o", "a.mp4") == (130, [], [line])
    assert not Path("a.mp4").exists()
    assert video(short, "--fps", 12, "-o", "a.mp4")[0] == 0  # no frame is left to be interrupted
    np.testing.assert_allclose(durations("a.mp4"), 1000 / 12, atol=0.02)
    monkeypatch.setattr(video_module, "stylize_frames_steps", steps)
    assert video(short, "-o", "a.mp4") == (0, [], [])
    assert Path("a.mp4").read_bytes() == Path("whole.mp4").read_bytes()
    assert not list(tmp_path.glob(".*"))
