"""Video files, made by the ffmpeg that reads them."""

import contextlib
import io
import itertools
import subprocess
import sys

import numpy as np
import pytest

import jnst
from jnst.images.files import ImageError
from jnst.video.ffmpeg import find_ffmpeg
from jnst.video.movie_files import movie_durations, write_mp4

COLORS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (1, 1, 1), (0.2, 0.6, 0.9))


def plain(color, shape=(32, 48)):
    return np.broadcast_to(np.float32(color), (*shape, 3))


def colors(shape=(32, 48)):
    return [plain(color, shape) for color in COLORS]


def ffmpeg(*arguments):
    command = [find_ffmpeg("test"), "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def short(tmp_path):
    """A short one of six colors."""
    jnst.save_mp4(tmp_path / "short.mp4", colors(), fps=25)
    return tmp_path / "short.mp4"


def test_colors_and_times_go_in_and_out(tmp_path):
    shown = [40, 60, 100, 33.4, 10, 80]
    jnst.save_mp4(tmp_path / "a.mp4", iter(colors()), milliseconds=shown)
    frames = jnst.open_frames(tmp_path / "a.mp4")
    np.testing.assert_allclose(jnst.frame_durations(frames), shown, atol=0.02)
    for frame, color in zip(frames, colors(), strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_allclose(frame / 255, color, atol=1.5 / 255)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("fps", [12, 24000 / 1001, 30000 / 1001, 30, 60])
def test_rates(tmp_path, fps):
    jnst.save_mp4(tmp_path / "a.mp4", colors(), fps=fps)
    durations = jnst.frame_durations(jnst.open_frames(tmp_path / "a.mp4"))
    np.testing.assert_allclose(durations, 1000 / fps, atol=0.02)


@pytest.mark.parametrize(("matrix", "tag"), [("bt709", "bt709"), ("bt601", "smpte170m")])
@pytest.mark.parametrize("levels", ["tv", "pc"])
def test_colors_of_other_conventions(tmp_path, matrix, tag, levels):
    for number, frame in enumerate(colors()):
        jnst.save_image(tmp_path / f"{number}.png", frame)
    filters = f"scale=out_color_matrix={matrix}:out_range={levels},format=yuv444p,"
    said = f"setparams=colorspace={tag}:range={levels}"
    given = ("-i", tmp_path / "%d.png", "-vf", filters + said, "-qp", "0")
    ffmpeg(*given, tmp_path / "a.mp4")
    for frame, color in zip(jnst.open_frames(tmp_path / "a.mp4"), colors(), strict=True):
        np.testing.assert_allclose(frame / 255, color, atol=3 / 255)


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mkv"])
def test_other_containers(short, suffix):
    other = short.with_suffix(suffix)
    ffmpeg("-i", short, "-crf", "10", "-b:v", "0", other)
    frames = jnst.open_frames(other)
    np.testing.assert_allclose(jnst.frame_durations(frames), 40, atol=1.01)
    for frame, color in zip(frames, colors(), strict=True):
        np.testing.assert_allclose(frame / 255, color, atol=6 / 255)


def test_a_time_that_is_not_said_is_the_usual_one(short, monkeypatch):
    lines = (
        b"#tb 0: 1/50\n0, 0, 5, 1, 9, 0x1\n0, 2, 7, 1, 9, 0x1\n0, 2, 9, 0, 9, 0x1, S=1, 8, 0x2\n"
    )
    monkeypatch.setattr(
        "jnst.video.movie_files._decoding", lambda *_: contextlib.closing(io.BytesIO(lines))
    )
    assert movie_durations(short) == [40, 40, 40]


def test_frames_in_any_order(short):
    frames = jnst.open_frames(short)
    expected = list(frames)
    assert len(expected) == len(frames) == 6
    for number in (3, 3, 5, 0, -1, 2):
        np.testing.assert_array_equal(frames[number], expected[number])
    np.testing.assert_array_equal(frames[1:3], expected[1:3])
    with pytest.raises(IndexError):
        frames[6]


def test_frames_are_upright_and_their_pixels_square(tmp_path):
    left = plain((1, 1, 1), (16, 64)).copy()
    left[:, 32:] = 0
    jnst.save_mp4(tmp_path / "a.mp4", [left])
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "a.mp4", "-c", "copy", tmp_path / "b.mp4")
    ffmpeg("-i", tmp_path / "a.mp4", "-vf", "setsar=1/2", tmp_path / "c.mp4")
    [turned] = jnst.open_frames(tmp_path / "b.mp4")
    assert turned.shape == (64, 16, 3)
    assert turned[40:].min() > 250 and turned[:24].max() < 5  # counterclockwise
    [narrow] = jnst.open_frames(tmp_path / "c.mp4")
    assert narrow.shape == (16, 32, 3)


@pytest.mark.parametrize("shape", [(31, 48), (32, 47), (1, 1)])
def test_odd_sides_repeat_their_last_pixels(tmp_path, shape):
    frame = np.linspace(0.2, 0.8, shape[0] * shape[1]).reshape(*shape, 1).repeat(3, -1)
    jnst.save_mp4(tmp_path / "a.mp4", [frame])
    [read] = jnst.open_frames(tmp_path / "a.mp4")
    more = shape[0] % 2, shape[1] % 2
    assert read.shape == (shape[0] + more[0], shape[1] + more[1], 3)
    padded = np.pad(frame, ((0, more[0]), (0, more[1]), (0, 0)), "edge")
    assert np.abs(read / 255 - padded).mean() < 0.01


def test_transparent_frames_are_as_in_a_gif(tmp_path):
    """Pictures with alpha, of which some have none."""
    for number, alpha in enumerate((None, np.full((32, 48), 0.5))):
        jnst.save_image(tmp_path / f"{number}.png", plain((0.2, 0.6, 0.9)), alpha=alpha)
    write_mp4(tmp_path / "a.mp4", [tmp_path / "0.png", tmp_path / "1.png"], [40, 40])
    for frame in jnst.open_frames(tmp_path / "a.mp4"):
        np.testing.assert_allclose(frame / 255, plain((0.2, 0.6, 0.9)), atol=2 / 255)


def test_names_that_ffmpeg_would_take_for_something_else(short, monkeypatch):
    monkeypatch.chdir(short.parent)
    for name in ("-i.mp4", "concat:%03d.mp4", "it's \N{SNOWMAN}.MP4"):
        jnst.save_mp4(name, colors()[:2])
        assert len(jnst.open_frames(name)) == 2


def damaged(path, _):
    jnst.save_mp4(path, np.random.default_rng(0).random((6, 32, 48, 3)))
    data = bytearray(path.read_bytes())
    data[-3000::3] = bytes(1000)  # in the pictures, which are at the end
    path.write_bytes(data)


def text(path, _):
    path.write_text("no video")


def playlist(path, short):
    path.write_text(f"ffconcat version 1.0\nfile {short.name}\n")


def sound(path, _):
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.1", path)


def sound_with_a_cover(path, short):
    cover = ("-map", "0", "-map", "1", "-disposition:v", "attached_pic", "-c:v", "mjpeg")
    one = ("-frames:v", "1", "-pix_fmt", "yuvj420p")
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.1", "-i", short, *cover, *one, path)


def empty(path, _):
    path.touch()


def cut_off(path, short):
    path.write_bytes(short.read_bytes()[:-500])


def avi(path, short):
    ffmpeg("-i", short, "-f", "avi", path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text, "cannot be read"),
        (damaged, "cannot be read"),
        (cut_off, "cannot be read"),
        (playlist, "is of another format"),
        (avi, "is of another format than its suffix says"),
        (sound, "holds no video that can be read"),
        (sound_with_a_cover, "holds no video that can be read"),
        (empty, "the file is empty"),
    ],
)
def test_files_that_are_no_videos(short, make, message):
    path = short.with_name("other.mp4")
    make(path, short)
    with pytest.raises(ImageError, match=rf"other.mp4: ({message})") as error:
        jnst.open_frames(path)
    assert "\n" not in str(error.value) and "@ 0x" not in str(error.value)


def test_a_video_that_changes_while_it_is_read(short):
    frames = jnst.open_frames(short)
    jnst.save_mp4(short, colors()[:2])
    with pytest.raises(ImageError, match="holds fewer frames than when it was opened"):
        frames[4]


def test_a_video_that_is_no_picture(short):
    with pytest.raises(ImageError, match=r"a video: jnst video takes .mp4, .mov, .webm, .mkv"):
        jnst.load_image(short)


def test_videos_that_cannot_be(tmp_path):
    path = tmp_path / "a.mp4"
    for frames, given, message in (
        ([], {}, "there are no frames"),
        (colors(), {"fps": 0}, "fps is 0"),
        ([plain(COLORS[0]), plain(COLORS[0], (30, 48))], {}, "frame 2 has 30 x 48 pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            jnst.save_mp4(path, frames, **given)
    with pytest.raises(ImageError, match=r"no/a.mp4: there is no folder"):
        jnst.save_mp4(tmp_path / "no" / "a.mp4", colors())
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_fails_leaves_what_was_there(short, monkeypatch):
    before = short.read_bytes()
    monkeypatch.setattr("jnst.video.movie_files._to_yuv", lambda _: "nonsense")
    with pytest.raises(ImageError, match=r"short.mp4: cannot be written \(.*nonsense"):
        jnst.save_mp4(short, colors())
    assert [path.name for path in short.parent.iterdir()] == ["short.mp4"]
    assert short.read_bytes() == before


def test_without_the_package(short, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    needs = r"short.mp4: a video file needs imageio-ffmpeg: pip install 'jnst\[video\]'"
    for function in (jnst.open_frames, lambda path: jnst.save_mp4(path, colors())):
        with pytest.raises(ImageError, match=needs):
            function(short)


def test_without_the_program(short, monkeypatch):
    import imageio_ffmpeg

    def missing():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    with pytest.raises(ImageError, match=r"needs ffmpeg \(No ffmpeg exe"):
        jnst.open_frames(short)


def test_a_gif_becomes_a_video_with_its_times(tmp_path):
    jnst.save_gif(tmp_path / "a.gif", colors()[:3], milliseconds=[30, 200, 70])
    frames = jnst.open_frames(tmp_path / "a.gif")
    pictures = (np.asarray(frame.convert("RGB")) for frame in frames)
    jnst.save_mp4(tmp_path / "a.mp4", pictures, milliseconds=jnst.frame_durations(frames))
    again = jnst.open_frames(tmp_path / "a.mp4")
    np.testing.assert_allclose(jnst.frame_durations(again), [30, 200, 70], atol=0.02)


def test_one_frame_is_in_memory_at_a_time(tmp_path):
    """A generator's frames are written as they come."""
    seen = []

    def frames():
        for number, frame in zip(itertools.count(), colors(), strict=False):
            [folder] = tmp_path.glob(".jnst.*")
            seen.append(len(list(folder.iterdir())) == number)
            yield frame

    jnst.save_mp4(tmp_path / "a.mp4", frames())
    assert seen == [True] * 6
