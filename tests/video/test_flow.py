import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.video.flow import FlowError, consistency, load_flow, resize_flow, warp
from support.flow_files import write_flow


def test_load(tmp_path):
    flow = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    np.testing.assert_array_equal(load_flow(write_flow(tmp_path / "a.flo", flow)), flow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "is cut off or damaged; it says 5 x 3 pixels"),
        (lambda data: b"x" + data[1:], "is no .flo file"),
        (lambda data: b"", "is no .flo file"),
        (lambda data: data[:4] + b"\xff" * 8 + data[12:], "is cut off or damaged"),
        (lambda data: data[:12] + np.float32(np.nan).tobytes() + data[16:], "is not finite"),
    ],
)
def test_damaged(tmp_path, change, message):
    path = write_flow(tmp_path / "a.flo", np.zeros((3, 5, 2)))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FlowError, match=f"a.flo: {message}"):
        load_flow(path)
    with pytest.raises(FlowError, match=r"missing.flo: cannot be read"):
        load_flow(tmp_path / "missing.flo")


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 999))
def test_warp_is_bilinear(seed):
    rng = np.random.default_rng(seed)
    image = rng.random((7, 9, 3)).astype(np.float32)
    flow = (3 * rng.standard_normal((7, 9, 2))).astype(np.float32)
    rows, columns = np.mgrid[:7, :9]
    for channel in range(3):
        expected = scipy.ndimage.map_coordinates(
            image[..., channel].astype(np.float64),
            [rows + flow[..., 1], columns + flow[..., 0]],
            order=1,
            mode="mirror",
        )
        np.testing.assert_allclose(warp(image, flow)[..., channel], expected, atol=1e-5)


def test_resize():
    flow = np.broadcast_to(np.array([4.0, 2.0], np.float32), (6, 8, 2))
    resized = resize_flow(flow, (3, 16))
    assert resized.shape == (3, 16, 2)
    np.testing.assert_allclose(resized, np.broadcast_to([8.0, 1.0], (3, 16, 2)))


def test_consistency():
    backward = np.zeros((20, 30, 2), np.float32)
    backward[..., 0] = 2
    mask = consistency(backward, -backward)
    assert (mask[:, :28] == 1).all() and (mask[:, 28:] == 0).all()  # the rest comes from outside
    forward = -backward
    forward[5:9, 10:14] = 7  # something passed there
    mask = consistency(backward, forward)
    assert (mask[5:9, 8:12] == 0).all()
    assert mask[12:, :28].all()
    edge = backward.copy()
    edge[:, 15:, 0] = 6
    assert (consistency(edge, -edge)[:, 14:16] == 0).all()
