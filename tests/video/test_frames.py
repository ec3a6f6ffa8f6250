import numpy as np
import pytest
from PIL import Image

from jnst.images.files import ImageError
from jnst.images.loading import load_image
from jnst.images.sources import open_image
from jnst.video.frames import check_frames, frame_durations, frame_numbers, open_frames
from jnst.video.gif_files import save_gif


def reds(frames):
    return [round(float(open_image("frame", frame)[0, 0, 0]) * 255) for frame in frames]


def test_frames_of_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 1):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    frames = open_frames(tmp_path)
    assert reds(frames) == frame_numbers(frames) == [1, 9, 10]
    assert frame_durations(frames) == [100] * 3
    assert check_frames(frames) == (3, 4)


def test_frames_of_every_format_and_no_others(tmp_path):
    for number, suffix in enumerate((".bmp", ".ppm", ".png"), 1):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / f"f{number}{suffix}")
    (tmp_path / "._f1.png").write_bytes(b"of another system")
    assert reds(open_frames(tmp_path)) == [1, 2, 3]


def test_numbers_are_from_one_where_a_name_has_none(tmp_path):
    assert frame_numbers([tmp_path / "v2-7.png", tmp_path / "v2-8.png"]) == [7, 8]
    assert frame_numbers([tmp_path / "7.png", tmp_path / "a.png"]) == [1, 2]
    assert frame_numbers([np.zeros((2, 2)), "7.png"]) == [1, 2]


def test_a_gif_is_read_in_any_order(tmp_path):
    drawn = [np.full((6, 8, 3), level, np.float32) for level in (0.2, 0.4, 0.6)]
    save_gif(tmp_path / "a.gif", drawn, milliseconds=[40, 60])
    frames = open_frames(tmp_path / "a.gif")
    assert reds([frames[2], frames[0], *frames[1:], *frames]) == [153, 51, 102, 153, 51, 102, 153]
    assert frame_durations(frames) == [40, 60, 100]
    assert reds([frames[-1]]) == [153]
    with pytest.raises(IndexError):
        frames[3]


def test_a_transparent_gif_is_as_a_picture(tmp_path):
    drawn = np.zeros((64, 80, 4), np.uint8)
    drawn[10:40, 10:40] = (200, 30, 30, 255)
    later = Image.fromarray(np.roll(drawn, 5, 1))
    path = tmp_path / "t.gif"
    Image.fromarray(drawn).save(path, save_all=True, append_images=[later], disposal=2)
    first, second = (open_image("frame", frame) for frame in open_frames(path))
    np.testing.assert_array_equal(first, load_image(path))
    assert (second[0, 0] == 1).all() and (second[20, 12] == 1).all()
    np.testing.assert_allclose(second[20, 42] * 255, (200, 30, 30), atol=1)


def test_refusals(tmp_path):
    with pytest.raises(ImageError, match="no such folder, GIF or video"):
        open_frames(tmp_path / "missing")
    with pytest.raises(ImageError, match="has no pictures"):
        open_frames(tmp_path)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(ImageError, match=r"a.gif: no picture that can be read"):
        open_frames(tmp_path / "a.gif")
    for number in (1, 2):
        Image.new("RGB", (4, number)).save(tmp_path / f"{number}.png")
    with pytest.raises(ImageError, match=r"2.png: 2 x 4 pixels; the first frame has 1 x 4"):
        check_frames(open_frames(tmp_path))
    with pytest.raises(ImageError, match="there are no frames"):
        check_frames([])
