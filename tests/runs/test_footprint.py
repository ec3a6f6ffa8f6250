"""What is free, from files as the kernel writes them; what a run needs, against the compiler."""

import pytest

from jnst.common import memory
from jnst.optimizers.named import LBFGSMemory
from jnst.runs import fitting, footprint
from jnst.runs.fitting import bytes_of_level
from jnst.runs.footprint import FIXED, Fit, bytes_of_run, check_memory, possible_fits
from jnst.runs.opening import open_job
from jnst.settings.config import Config
from jnst.settings.tiles import Tiles

GB = 10**9
LAYERS = {"content_layers": ("relu2_1",), "style_layers": ("relu1_1",)}
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = ("memory.max", "memory.current", "inactive_file")


def group(folder, names, limit, used, files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {files}\nactive_file 3\n")


def test_control_groups_of_version_2(tmp_path):
    group(tmp_path / "pod", VERSION_2, 8 * GB, 5 * GB, GB)
    group(tmp_path / "pod" / "job", VERSION_2, "max", GB, 0)
    (tmp_path / "member").write_text("0::/pod/job\n")
    assert list(memory._left_in_groups(tmp_path, tmp_path / "member")) == [4 * GB]
    group(tmp_path / "pod" / "job", VERSION_2, 2 * GB, GB, 0)
    assert list(memory._left_in_groups(tmp_path, tmp_path / "member")) == [GB, 4 * GB]


def test_control_groups_of_version_1(tmp_path):
    group(tmp_path / "memory" / "docker" / "a", VERSION_1, 3 * GB, 2 * GB, GB // 2)
    (tmp_path / "member").write_text("9:cpu:/x\n4:memory:/docker/a\n0::/\n")
    assert list(memory._left_in_groups(tmp_path, tmp_path / "member")) == [3 * GB // 2]
    assert list(memory._left_in_groups(tmp_path, tmp_path / "none")) == []


def test_the_least_of_all_limits(monkeypatch):
    monkeypatch.setattr(memory, "_left_in_groups", lambda: iter([GB]))
    monkeypatch.setattr(memory, "_left_of_addresses", lambda: iter([2 * GB]))
    assert memory.free_host_memory() == GB
    monkeypatch.setattr(memory, "_left_of_addresses", lambda: iter([-5]))
    assert memory.free_host_memory() == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"style_layers": ("relu1_1", "relu2_1")},
        {"style_layers": ("relu1_1",), "style_loss": "histogram", "optimizer": "adam"},
    ],
)
def test_the_estimate_is_near_the_compilers_count(vgg19, arrays, settings):
    """Of what grows with the image; the rest is the same."""
    counts, estimates = [], []
    for size in (96, 224):
        config = Config(size=size, levels=1, content_layers=("relu2_1",), **settings)
        job = open_job(*arrays, config)
        counts.append(bytes_of_level(vgg19, [job], 0))
        shape = job.original.shape[:2]
        pictures = 6 * 12 * shape[0] * shape[1]
        estimates.append(bytes_of_run(shape, [(28, 36)], config) - FIXED - pictures)
    assert 0.75 < (counts[1] - counts[0]) / (estimates[1] - estimates[0]) < 1.25


def test_what_memory_does_not_hold_is_refused_with_a_size_that_fits(monkeypatch):
    monkeypatch.setattr(footprint, "free_memory", lambda *_: 22 * GB)
    content, styles = (768, 1024), [(1000, 800)]
    message = r"20000 px needs about \d+\.\d GB, 22\.0 GB are free; --size (\d+) fits"
    with pytest.raises(ValueError, match=message) as refused:
        check_memory(content, styles, Config(size=20000, tile=None))
    largest = int(str(refused.value).split()[-2])
    assert 3000 < largest < 4096
    check_memory(content, styles, Config(size=largest, tile=None))
    with pytest.raises(ValueError, match="4500 px needs"):
        check_memory(content, styles, Config(size=4500, tile=None))
    check_memory(content, styles, Config(size=8192))  # in tiles
    with pytest.raises(ValueError, match="20000 px needs"):
        check_memory(content, styles, Config(size=20000))
    monkeypatch.setattr(footprint, "free_memory", lambda *_: 0)
    with pytest.raises(ValueError, match=r"0\.0 GB are free; no size fits"):
        check_memory(content, styles, Config(size=512))


def test_the_command_asks_before_it_enlarges(pictures, call, monkeypatch):
    monkeypatch.setattr(footprint, "free_memory", lambda *_: GB)
    status, _, err = call("stylize", *pictures, "--size", 20000, "-o", "keep.png")
    assert status == 2
    assert len(err) == 1 and "20000 px needs about" in err[0]


def test_what_may_be_done_to_fit_is_what_the_losses_allow():
    """From the fastest to the smallest."""
    fits = possible_fits(Config())
    needed = [bytes_of_run((3072, 4096), [(1000, 800)], Config(), fit) for fit in fits]
    assert needed == sorted(needed, reverse=True)
    assert fits[:2] == [Fit(), Fit(None, LBFGSMemory(20, "bfloat16"))]
    assert [fit.tiles.until for fit in fits[2:5]] == ["pool2", "pool3", "all"]
    assert possible_fits(Config(tile=None)) == [Fit()]
    assert possible_fits(Config(tile=300)) == [Fit(Tiles(300, "pool2"))]
    assert {fit.tiles for fit in possible_fits(Config(), None)} == {None}
    assert {fit.lbfgs for fit in possible_fits(Config(optimizer="adam"))} == {LBFGSMemory()}
    deep = Config(style_loss=["gram"] * 2 + ["patches"] * 3)
    assert {fit.tiles and fit.tiles.until for fit in possible_fits(deep)} == {None, "pool2"}


def test_the_fastest_that_fits_is_taken(network, arrays, monkeypatch):
    """What the compiler counts decides where the estimate is close."""
    job = open_job(*arrays, Config(size=32, levels=1, **LAYERS))
    monkeypatch.setattr(fitting, "has_usual_widths", lambda network: True)
    counts = iter([100, 60, 30])
    monkeypatch.setattr(fitting, "bytes_of_run", lambda *_: 100)
    monkeypatch.setattr(fitting, "bytes_of_level", lambda *_: next(counts))
    fits = possible_fits(job.config)
    for free, expected in ((1000, fits[0]), (90, fits[1]), (10, fits[-1])):
        monkeypatch.setattr(fitting, "free_memory", lambda *_, free=free: free)
        assert fitting.fit_level(network, [job], 0) == expected
