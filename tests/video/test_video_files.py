import errno

import numpy as np
import pytest
from PIL import Image

from jnst import frame_durations, open_frames
from jnst.images.files import ImageError
from jnst.settings.config import Config
from jnst.video.sequences import VideoState
from jnst.video.video_files import UnfinishedVideo, VideoFolder, VideoGif, VideoMp4, video_key

PICTURES = np.random.default_rng(0).random((3, 6, 8, 3)).astype(np.float32)


class Frame:
    """As much of a Result as is written."""

    def __init__(self, number):
        self.image = PICTURES[number]

    def save(self, path):
        Image.fromarray(np.rint(self.image * 255).astype(np.uint8)).save(path)


def folder(path):
    return VideoFolder(path / "out")


def gif(path):
    return VideoGif(path / "a.gif", [40, 60, 80])


def mp4(path):
    return VideoMp4(path / "a.mp4", [40, 60, 80])


def contents(video):
    files = sorted(video.growing.iterdir()) if video.growing.is_dir() else [video.growing]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize("make", [folder, gif, mp4])
def test_what_goes_on_is_as_if_never_stopped(tmp_path, make):
    (tmp_path / "b").mkdir()
    whole, stopped = make(tmp_path / "b"), make(tmp_path)
    for number in range(3):
        whole.write(Frame(number))
    for number in range(2):
        stopped.write(Frame(number))
    UnfinishedVideo(stopped, "key").save(VideoState(2, PICTURES[1], PICTURES[0]))
    stopped.write(Frame(0))  # another frame, of which the state says nothing
    assert UnfinishedVideo(make(tmp_path), "another").load() is None
    video = make(tmp_path)
    state = UnfinishedVideo(video, "key").load()
    assert state.done == 2
    np.testing.assert_array_equal(state.image, PICTURES[1])
    np.testing.assert_array_equal(state.painted, PICTURES[0])
    video.write(Frame(2))
    assert contents(video) == contents(whole)
    with Image.open(video.path if make is gif else video.growing / "frame-0003.png") as file:
        assert getattr(file, "n_frames", 1) == (3 if make is gif else 1)
    UnfinishedVideo(video, "key").remove()
    assert UnfinishedVideo(make(tmp_path), "key").load() is None


@pytest.mark.parametrize("make", [folder, gif, mp4])
def test_a_video_that_is_not_there_any_more_begins_again(tmp_path, make):
    video = make(tmp_path)
    for number in range(2):
        video.write(Frame(number))
    unfinished = UnfinishedVideo(video, "key")
    unfinished.save(VideoState(2, *PICTURES[:2]))
    file = video.path if make is gif else video.growing / "frame-0001.png"
    before = file.read_bytes()
    file.write_bytes(before[:30] + b"x" + before[31:])
    assert UnfinishedVideo(make(tmp_path), "key").load() is None
    file.unlink()
    assert UnfinishedVideo(make(tmp_path), "key").load() is None
    unfinished.path.write_bytes(b"no state")
    assert UnfinishedVideo(make(tmp_path), "key").load() is None


def test_an_mp4_is_written_at_the_end_and_leaves_nothing(tmp_path):
    path = tmp_path / "it's 100%.mp4"
    path.write_bytes(b"an earlier one")
    video = VideoMp4(path, [40, 60, 80])
    for number in range(3):
        video.write(Frame(number))
    unfinished = UnfinishedVideo(video, "key")
    unfinished.save(VideoState(3, *PICTURES[:2]))
    assert path.read_bytes() == b"an earlier one"
    path.with_name(f".{path.name}.0123abcd").write_bytes(b"of a run that was killed as it encoded")
    again = VideoMp4(path, [40, 60, 80])
    assert UnfinishedVideo(again, "key").load().done == 3
    again.finish()
    unfinished.remove()
    assert list(tmp_path.iterdir()) == [path]
    frames = open_frames(path)
    np.testing.assert_allclose(frame_durations(frames), [40, 60, 80], atol=0.02)
    assert [frame.shape for frame in frames] == [(6, 8, 3)] * 3


def test_an_mp4_that_cannot_be_written_keeps_its_frames(tmp_path, monkeypatch):
    video = mp4(tmp_path)
    for number in range(3):
        video.write(Frame(number))
    before = contents(video)
    monkeypatch.setattr("jnst.video.movie_files._to_yuv", lambda _: "nonsense")
    with pytest.raises(ImageError, match="cannot be written"):
        video.finish()
    assert contents(video) == before
    assert list(tmp_path.iterdir()) == [video.growing]


def test_a_full_disk_leaves_the_frames_before(tmp_path, monkeypatch):
    video = gif(tmp_path)
    video.write(Frame(0))
    before = contents(video)

    class Blocks(bytes):
        def __add__(self, other):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jnst.video.video_files.gif_frame", lambda *_, **__: Blocks(b"x" * 50))
    with pytest.raises(OSError, match="No space") as error:
        video.write(Frame(1))
    assert error.value.filename == str(video.path)
    assert contents(video) == before


def test_a_state_that_finds_no_place(tmp_path):
    video = VideoGif(tmp_path / f"{'a' * 246}.gif", [40])
    video.write(Frame(0))
    unfinished = UnfinishedVideo(video, "key")
    assert unfinished.save(VideoState(1, *PICTURES[:2]))
    assert UnfinishedVideo(VideoGif(video.path, [40]), "key").load().done == 1
    unfinished.path = tmp_path / "missing" / "state"
    assert not unfinished.save(VideoState(1, *PICTURES[:2]))
    unfinished.remove()


def test_video_key(tmp_path):
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_bytes(b"x")
    key = video_key(Config(), None, "digest", [files])
    assert video_key(Config(), None, "digest", [files]) == key
    files[1].write_bytes(b"y")
    others = [
        video_key(Config(), None, "digest", [files]),
        video_key(Config(), None, "digest", [files[:1]]),
        video_key(Config(), None, "digest", [files[:1], files[1:]]),
        video_key(Config(steps=3), None, "digest", [files]),
        video_key(Config(), 3, "digest", [files]),
        video_key(Config(), None, "other", [files]),
        video_key(Config(), None, "digest", [files], fps=12),
    ]
    assert len({key, *others}) == 8
