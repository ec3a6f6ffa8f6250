import hashlib
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jnst.cli import main
from jnst.networks.files.canonical import write_network
from jnst.networks.layers import VGG19
from jnst.networks.vgg import Network
from jnst.optimizers.loop import _run_chunk
from jnst.settings.style_loss_names import registered
from support import make_files
from support.browser import open_browser
from support.server import serve
from support.tiny import SHAPES

# Processes that tests start have as many: rounding depends on it.
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The folder of fetched networks: a test has its own, which is not there at first."""
    folder = tmp_path_factory.mktemp("cache") / "jnst"
    monkeypatch.setenv("JNST_CACHE", str(folder))
    monkeypatch.delenv("JNST_MANIFEST", raising=False)
    return folder


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory):
    """A folder of compiled programs, which all processes of this run of the tests share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "programs"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
        jax.config.update("jax_compilation_cache_dir", str(folder / "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        yield


@pytest.fixture(autouse=True)
def own_losses():
    """Style losses that a test registers are there for it alone, and so are their programs."""
    before = dict(registered)
    yield
    if registered != before:
        registered.clear()
        registered.update(before)
        jax.clear_caches()


@pytest.fixture
def programs():
    """How many programs of steps have been called since the test began."""
    _run_chunk.clear_cache()
    assert _run_chunk._cache_size() == 0
    return _run_chunk._cache_size


@pytest.fixture(scope="session")
def network():
    """A VGG-19 with few channels and random weights, for all that is not about numbers."""
    return random_network(SHAPES)


@pytest.fixture(scope="session")
def vgg19():
    """A VGG-19 with random weights, as wide as it is."""
    return random_network(VGG19.convolutions)


def random_network(shapes):
    rng = np.random.default_rng(0)
    params = {}
    for name, shape in shapes.items():
        kernel = rng.standard_normal(shape, np.float32) * np.float32((2 / (9 * shape[2])) ** 0.5)
        bias = 0.05 * rng.standard_normal(shape[3], np.float32)
        params[name] = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
    mean = jnp.array([0.48, 0.46, 0.41], jnp.float32)
    return Network(params, mean, "average", name="random", source="tests", license="none")


@pytest.fixture(scope="session")
def network_file(network, tmp_path_factory):
    """The file of `network`, in int8. Not to be written to."""
    path = tmp_path_factory.mktemp("network") / "random.h5"
    write_network(path, network, storage="int8")
    return path


@pytest.fixture
def small():
    """Settings of a run that takes a moment; every test that keeps them shares one compilation."""
    return {
        "size": 32,
        "steps": 6,
        "levels": 1,
        "margin": 16,
        "content_layers": ("relu2_1",),
        "style_layers": ("relu1_1", "relu2_1"),
    }


@pytest.fixture(scope="session")
def arrays():
    """A content (32, 24, 3) and a style (28, 36, 3): smooth colors, and noise."""
    rows, columns = np.mgrid[:32, :24].astype(np.float32) / 32
    content = np.stack([rows, columns, (rows + columns) / 2], -1)
    return content, np.random.default_rng(1).random((28, 36, 3), np.float32)


@pytest.fixture
def pictures(arrays, tmp_path):
    """The files content.png and style.png of `arrays`, in a folder of their own."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    paths = folder / "content.png", folder / "style.png"
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(np.rint(array * 255).astype(np.uint8)).save(path)
    return paths


LONG_COMMANDS = (
    *("stylize", "texture", "reconstruct", "demo", "batch", "interpolate", "video", "sweep"),
)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Runs the command in tmp_path; returns its status and the lines of stdout and stderr.

    With `--quiet`, unless `quiet` is False: what it says of its progress has tests of its own.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, quiet=True):
        given = list(map(str, arguments))
        if quiet and given[:1] and given[0] in LONG_COMMANDS:
            given.insert(1, "--quiet")
        try:
            status = main.main(given)
        except SystemExit as left:
            status = left.code
        out, err = capfd.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def tiny():
    """Shapes of a VGG-19 with few channels."""
    return SHAPES


@pytest.fixture
def server():
    with serve() as server:
        yield server


@pytest.fixture
def offer(server, tmp_path, monkeypatch):
    """Puts Keras' file of these shapes on the server, and its entry into the manifest."""

    def put(shapes, **options):
        path = make_files.keras(tmp_path / "offered.h5", shapes, **options)
        server.content = path.read_bytes()
        manifest = tmp_path / "manifest.toml"
        manifest.write_text(
            f'[imagenet]\nfile = "keras.h5"\nurls = ["{server.url}"]\nbytes = {len(server.content)}'
            f'\ndigest = "sha256:{hashlib.sha256(server.content).hexdigest()}"\n'
            'convention = "caffe"\nlicense = "CC"\ncitation = "S. and Z."\n'
        )
        monkeypatch.setenv("JNST_MANIFEST", str(manifest))
        return path

    return put


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = open_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()
