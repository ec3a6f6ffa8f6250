import numpy as np
import pytest
from PIL import Image

from jnst.video.gif_files import save_gif


def test_gifs_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="there are no frames"):
        save_gif(tmp_path / "a.gif", [])
    assert not list(tmp_path.iterdir())
    save_gif(tmp_path / "a.gif", [np.zeros((2, 3, 3))], milliseconds=[10**9])
    with Image.open(tmp_path / "a.gif") as file:
        assert file.info["duration"] == 655_350


def test_a_rate(tmp_path):
    frames = (np.zeros((2, 3, 3)) + number / 9 for number in range(6))
    save_gif(tmp_path / "a.gif", frames, fps=30)
    with Image.open(tmp_path / "a.gif") as file:
        shown = [file.seek(number) or file.info["duration"] for number in range(6)]
    assert shown == [30, 40, 30, 30, 40, 30]
    with pytest.raises(ValueError, match="fps is 101; a finite number of at least"):
        save_gif(tmp_path / "b.gif", [np.zeros((2, 3, 3))], fps=101)


def test_gif(tmp_path):
    random = np.random.default_rng(0)
    frames = [np.kron(random.random((4, 5, 3)), np.ones((8, 8, 1))) for _ in range(3)]
    frames += frames[-1:]
    save_gif(tmp_path / "a.gif", frames, milliseconds=[40, 60])
    with Image.open(tmp_path / "a.gif") as file:
        assert (file.n_frames, file.info["loop"]) == (4, 0)
        for number, (frame, shown) in enumerate(zip(frames, (40, 60, 100, 100), strict=True)):
            file.seek(number)
            assert file.info["duration"] == shown
            read = np.asarray(file.convert("RGB")) / 255
            assert np.abs(read - frame).max() < 0.01  # few enough colors to keep them all
