import itertools

import numpy as np
import pytest

import jnst
from jnst.images.files import ImageError
from jnst.runs.engine import prepared_for
from jnst.video import sequences as video_module
from jnst.video.flow import FlowError
from jnst.video.sequences import flow_paths, stylize_frames, stylize_frames_steps, unchanged
from support.flow_files import write_flow


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
        write_flow(folder / f"backward_{k + 1}_{k}.flo", back)
        write_flow(folder / f"forward_{k}_{k + 1}.flo", -back)
    return folder


def options(small, network):
    return small | {"size": 40, "steps": 10, "frame_steps": 6, "network": network, "levels": 1}


def test_flows_hold_a_frame_to_the_last(network, frames, flows, small, arrays):
    plain = list(stylize_frames(frames, arrays[1], **options(small, network)))
    assert [result.image.shape for result in plain] == [(32, 40, 3)] * 3
    assert [result.steps for result in plain] == [10, 6, 6]
    held = list(stylize_frames(frames, arrays[1], flows=flows, **options(small, network)))
    np.testing.assert_array_equal(held[0].image, plain[0].image)

    def change(results):
        """Along the motion."""
        pairs = itertools.pairwise(results)
        return np.mean([np.square(a.image[:, 2:] - b.image[:, :-2]).mean() for a, b in pairs])

    assert change(held) < 0.1 * change(plain)
    assert held[1].history.terms.temporal is not None
    assert plain[1].history.terms.temporal is None


def test_a_still_stays_the_same_picture(network, frames, small, arrays):
    """Also with the noise of a camera."""
    noise = np.random.default_rng(0).normal(0, 0.005, (6, *frames[0].shape)).astype(np.float32)
    stills = list((frames[0] + noise).clip(0, 1))
    results = list(stylize_frames(stills, arrays[1], **options(small, network)))
    assert [result.steps for result in results] == [10, 0, 0, 0, 0, 0]
    for result in results[1:]:
        np.testing.assert_allclose(result.image, results[0].image, atol=1e-6)


def test_what_does_not_change_stays(network, frames, small, arrays):
    """A part that fades slowly is compared with what it was painted from, not with the last."""
    first = np.tile(frames[0], (1, 4, 1))
    fading = [first.copy() for _ in range(4)]
    for number, frame in enumerate(fading):
        frame[:12, :12] *= 1 - 0.03 * number
    given = options(small, network) | {"size": 160}
    results = [result.image for result in stylize_frames(fading, arrays[1], **given)]
    for result in results[1:]:
        np.testing.assert_allclose(result[:, 60:], results[0][:, 60:], atol=1e-6)
    assert np.abs(results[3] - results[0])[:12, :12].mean() > 0.01


def test_unchanged():
    frame = np.full((64, 96, 3), 0.5, np.float32)
    assert (unchanged(frame, frame) == 1).all()
    other = frame.copy()
    other[30:34, 40:44] += 0.1
    mask = unchanged(other, frame)
    assert mask.shape == (64, 96) and mask.min() >= 0 and mask.max() == 1
    assert mask[30:34, 40:44].max() < 1e-6  # what changed
    assert (mask[:, 70:] == 1).all() and (mask[:, :15] == 1).all()
    assert unchanged(frame[:3, :2], frame[:3, :2] + 0.1).shape == (3, 2)


def test_it_goes_on_to_the_same_frames(network, frames, flows, small, arrays):
    for given in ({}, {"flows": flows}, {"color": "recombine"}):
        steps = stylize_frames_steps(frames, arrays[1], **options(small, network), **given)
        (_, first), (second, _), (third, _) = list(steps)
        again = stylize_frames_steps(
            frames, arrays[1], resume=first, **options(small, network), **given
        )
        for result, expected in zip(again, (second, third), strict=True):
            np.testing.assert_array_equal(result[0].image, expected.image)


def test_frames_are_any_pictures_and_opened_in_turn(network, frames, small, arrays, tmp_path):
    for number, frame in enumerate(frames):
        jnst.save_image(tmp_path / f"{number}.png", frame)
    paths = jnst.open_frames(tmp_path)
    results = stylize_frames(paths, arrays[1], **options(small, network))
    given = [np.rint(frame * 255).astype(np.uint8) for frame in frames]
    for number, expected in enumerate(stylize_frames(given, arrays[1], **options(small, network))):
        result = next(results)
        np.testing.assert_array_equal(result.image, expected.image)
        assert (result.content, expected.content) == (f"{number}.png", "")
        paths[number].unlink()


def test_masks_may_be_a_generator(network, frames, small, arrays):
    left = np.zeros((32, 40), np.float32)
    left[:, :20] = 1
    masks, styles = [left, 1 - left], [arrays[0], arrays[1]]
    given = options(small, network)
    expected = list(stylize_frames(frames[:2], styles, content_masks=masks, **given))
    results = stylize_frames(frames[:2], styles, content_masks=iter(masks), **given)
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.image, other.image)


def test_network_and_styles_are_prepared_once(network, frames, small, arrays, monkeypatch):
    prepared, opened = [], []

    def prepare(*arguments, **options):
        prepared.append(arguments)
        return prepared_for(*arguments, **options)

    def open_style(name, *arguments, **options):
        opened.append(name)
        return opening(name, *arguments, **options)

    opening = video_module.open_picture
    monkeypatch.setattr(video_module, "prepared_for", prepare)
    monkeypatch.setattr(video_module, "open_picture", open_style)
    list(stylize_frames(frames, arrays[1], **options(small, network)))
    assert (len(prepared), opened.count("style")) == (1, 1)


def test_refusals(network, frames, small, arrays):
    for given, message in (
        ({"color": "luminance"}, "color is 'luminance'"),
        ({"frame_steps": 0}, "frame_steps is 0"),
        ({"temporal_weight": 1}, "temporal_weight is given without flows"),
        ({"start": frames[0]}, "unknown option 'start'"),
    ):
        with pytest.raises(ValueError, match=message):
            stylize_frames(frames, arrays[1], **options(small, network) | given)
    with pytest.raises(ImageError, match="frame 2: 32 x 39 pixels; the first frame has 32 x 40"):
        stylize_frames([frames[0], frames[1][:, 1:]], arrays[1], **options(small, network))


def test_flows_are_checked_before_the_first_frame(network, frames, flows, small, arrays):
    write_flow(flows / "forward_1_2.flo", np.zeros((30, 40, 2), np.float32))
    with pytest.raises(FlowError, match=r"forward_1_2.flo: has 30 x 40 pixels; the frames have 32"):
        stylize_frames(frames, arrays[1], flows=flows, **options(small, network))
    (flows / "forward_1_2.flo").unlink()
    with pytest.raises(FlowError, match=r"forward_1_2.flo: cannot be read"):
        stylize_frames(frames, arrays[1], flows=flows, **options(small, network))


def test_flows_are_of_the_numbers_of_the_frames(tmp_path):
    assert flow_paths(tmp_path, [7, 8]) == [
        (tmp_path / "backward_8_7.flo", tmp_path / "forward_7_8.flo")
    ]
    with pytest.raises(FlowError, match="frame 9 follows frame 7"):
        flow_paths(tmp_path, [7, 9])


def test_later_frames_take_a_share_of_the_steps(network, frames, small, arrays):
    given = options(small, network) | {"frame_steps": None}
    assert [result.steps for result in stylize_frames(frames, arrays[1], **given)] == [10, 3, 3]


def test_frames_compile_once(network, frames, small, arrays, programs):
    list(stylize_frames(frames, arrays[1], **options(small, network)))
    assert programs() == 2  # the first frame, and those of which a part is fixed
