"""Pictures and batches on several devices, of one process and of two."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jnst

SCRIPT = Path(__file__).parents[2] / "experiments" / "devices" / "picture.py"
LAYERS = {"content_layers": "relu2_1", "style_layers": ("relu1_1", "relu2_1")}


@pytest.fixture
def content(arrays):
    return np.tile(arrays[0], (3, 3, 1))[:89]


def mesh(count):
    return jax.make_mesh((count,), ("anything",))


def test_a_picture_at_two_levels(network, arrays, content, programs):
    """Of an odd height, with regions, and Adam's memory carried to the next level."""
    masks = np.zeros((2, *content.shape[:2]), np.float32)
    masks[0, :40], masks[1, 50:] = 1, 1
    options = {"network": network, "size": 89, "steps": 8, "levels": 2, "optimizer": "adam"}
    options |= {"content_masks": list(masks), "laplacian_weight": 0.1, **LAYERS}
    alone = jnst.stylize(content, [arrays[1]] * 2, **options)
    before = programs()
    shared = jnst.stylize(content, [arrays[1]] * 2, mesh=mesh(4), **options)
    assert programs() == before + len(set(alone.history.size))
    np.testing.assert_allclose(shared.history.loss, alone.history.loss, 1e-4)
    np.testing.assert_allclose(shared.image, alone.image, atol=1 / 255)


def test_a_run_goes_on_with_fewer_devices(network, arrays, content, tmp_path):
    options = {"network": network, "size": 89, "steps": 12, "levels": 1, **LAYERS}
    whole = jnst.stylize(content, arrays[1], mesh=mesh(3), **options)
    path = tmp_path / "run.checkpoint"
    jnst.stylize(content, arrays[1], mesh=mesh(8), checkpoint=path, callback=stopping(5), **options)
    first, *_, last = jnst.stylize_steps(
        content, arrays[1], mesh=mesh(3), checkpoint=path, **options
    )
    assert 5 <= first.steps < 12
    np.testing.assert_allclose(last.history.loss, whole.history.loss, 1e-3)
    assert not path.exists()


def stopping(steps):
    return lambda result: result.steps >= steps


def test_a_batch_on_more_devices_than_it_has_pictures_left(network, arrays, programs):
    styles = [arrays[1], arrays[1] ** 2, arrays[1][::-1]]
    options = {"network": network, "size": 32, "steps": 6, "levels": 1, **LAYERS}
    alone = jnst.stylize_batch(arrays[0], styles, **options)
    before = programs()
    shared = jnst.stylize_batch(arrays[0], styles, mesh=mesh(2), **options)
    assert programs() == before + 1
    assert len(shared) == 3
    for one, other in zip(shared, alone, strict=True):
        np.testing.assert_allclose(one.history.loss, other.history.loss, 1e-4)
        np.testing.assert_allclose(one.image, other.image, atol=1 / 255)


def test_tiles_are_refused(arrays):
    with pytest.raises(ValueError, match="tile is 32; the devices of a mesh take a picture in no"):
        jnst.stylize_steps(*arrays, size=32, tile=32, mesh=mesh(2))


def test_a_network_of_another_kind_is_refused(arrays):
    class Own:
        strides = property(lambda self: {"all": 1})

        def features(self, image, layers):
            return {"all": image}

    with pytest.raises(ValueError, match="mesh is for VGG networks; for a network of Own None is"):
        jnst.stylize_steps(*arrays, network=Own(), size=32, mesh=mesh(2))


def test_two_processes_make_the_picture_of_one(pictures, network_file, tmp_path):
    """And the first alone writes it."""
    content, style, *_ = map(str, pictures)
    with socket.socket() as port:
        port.bind(("localhost", 0))
        address = f"localhost:{port.getsockname()[1]}"

    def start(number):
        command = [sys.executable, SCRIPT, content, style, tmp_path / f"{number}.png", "--network"]
        command += [network_file, "--size", 64, "--steps", 8, "--address", address]
        command += ["--processes", 2, "--process", number]
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
        return subprocess.Popen(list(map(str, command)), env=environment)

    both = [start(number) for number in (0, 1)]
    alone = jnst.stylize(content, style, network=network_file, size=64, steps=8)
    alone.save(tmp_path / "alone.png")
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    one, two = (np.asarray(Image.open(tmp_path / f"{name}.png"), int) for name in ("alone", "0"))
    assert np.abs(one - two).max() <= 2
    assert not (tmp_path / "1.png").exists()
