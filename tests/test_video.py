import itertools

import numpy as np
import pytest
from PIL import Image
from test_flow import write

from jnst.flow import FlowError
from jnst.image_files import ImageError
from jnst.images import load_image
from jnst.video import frame_durations, load_frames, save_gif, stylize_frames


@pytest.fixture
def frames():
    """A texture that moves to the left by two pixels a frame."""
    wide = np.random.default_rng(0).random((16, 24, 3))
    smooth = np.kron(wide, np.ones((2, 2, 1))).astype(np.float32)
    return [smooth[:, 2 * k : 2 * k + 40] for k in range(3)]


@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flow"
    folder.mkdir()
    back = np.zeros((32, 40, 2), np.float32)
    back[..., 0] = 2
    for k in (1, 2):
        write(folder / f"backward_{k + 1}_{k}.flo", back)
        write(folder / f"forward_{k}_{k + 1}.flo", -back)
    return folder


def test_frames_of_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 1):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    assert [round(float(frame[0, 0, 0]) * 255) for frame in load_frames(tmp_path)] == [1, 9, 10]


def test_gif(tmp_path, frames):
    save_gif(tmp_path / "a.gif", frames, milliseconds=[40, 60, 50])
    assert frame_durations(tmp_path / "a.gif") == [40, 60, 50]
    again = load_frames(tmp_path / "a.gif")
    assert [frame.shape for frame in again] == [(32, 40, 3)] * 3
    for given, frame in zip(again, frames, strict=True):
        assert np.abs(given - frame).mean() < 0.1  # 256 colours
    with Image.open(tmp_path / "a.gif") as file:
        assert (file.info["duration"], file.info["loop"]) == (40, 0)


def test_refusals(tmp_path):
    with pytest.raises(ImageError, match="holds no pictures"):
        load_frames(tmp_path)
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(ImageError, match="cannot be read as a GIF"):
        load_frames(tmp_path / "a.gif")
    for number in (1, 2):
        Image.new("RGB", (4, number)).save(tmp_path / f"{number}.png")
    with pytest.raises(ImageError, match="differ in size"):
        load_frames(tmp_path)


def options(small, network):
    return small | {"size": 40, "steps": 10, "frame_steps": 5, "network": network, "levels": 1}


def test_every_frame_starts_from_the_last(network, frames, flows, small, arrays):
    plain = list(stylize_frames(frames, arrays[1], **options(small, network)))
    assert [result.image.shape for result in plain] == [(32, 40, 3)] * 3
    assert [result.steps for result in plain] == [10, 5, 5]
    config = options(small, network) | {"temporal_weight": 1000}
    held = list(stylize_frames(frames, arrays[1], flows=flows, **config))
    np.testing.assert_array_equal(held[0].image, plain[0].image)

    def change(results):
        """Along the motion."""
        pairs = itertools.pairwise(results)
        return np.mean([np.square(a.image[:, 2:] - b.image[:, :-2]).mean() for a, b in pairs])

    assert change(held) < 0.5 * change(plain)
    assert held[1].history.terms.temporal is not None
    assert plain[1].history.terms.temporal is None


def test_flows_are_checked_before_the_first_frame(network, frames, flows, small, arrays):
    write(flows / "forward_1_2.flo", np.zeros((30, 40, 2), np.float32))
    with pytest.raises(FlowError, match="forward flow between frames 1 and 2 has 30 x 40 pixels"):
        stylize_frames(frames, arrays[1], flows=flows, **options(small, network))
    (flows / "forward_1_2.flo").unlink()
    with pytest.raises(FlowError, match=r"forward_1_2.flo: cannot be read"):
        stylize_frames(frames, arrays[1], flows=flows, **options(small, network))


def test_later_frames_take_a_share_of_the_steps(network, frames, small, arrays):
    given = options(small, network) | {"frame_steps": None}
    assert [result.steps for result in stylize_frames(frames, arrays[1], **given)] == [10, 3, 3]


def test_frames_of_every_format_and_no_others(tmp_path):
    for number, suffix in enumerate((".bmp", ".ppm", ".png"), 1):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / f"f{number}{suffix}")
    (tmp_path / "._f1.png").write_bytes(b"of another system")
    assert [round(float(frame[0, 0, 0]) * 255) for frame in load_frames(tmp_path)] == [1, 2, 3]


def test_a_transparent_gif_is_as_a_picture(tmp_path):
    drawn = np.zeros((64, 80, 4), np.uint8)
    drawn[10:40, 10:40] = (200, 30, 30, 255)
    later = Image.fromarray(np.roll(drawn, 5, 1))
    path = tmp_path / "t.gif"
    Image.fromarray(drawn).save(path, save_all=True, append_images=[later], disposal=2)
    first, second = load_frames(path)
    np.testing.assert_array_equal(first, load_image(path))
    assert (second[0, 0] == 1).all() and (second[20, 12] == 1).all()
    np.testing.assert_allclose(second[20, 42] * 255, (200, 30, 30), atol=1)


def test_frames_compile_once(network, frames, small, arrays, programs):
    list(stylize_frames(frames, arrays[1], **options(small, network)))
    assert programs() == 1
