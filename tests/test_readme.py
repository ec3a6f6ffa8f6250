"""Every snippet of README.md runs, on small pictures and few steps."""

import re
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from distributed import LocalCluster

from jnst import load_image, load_network, port_network, read_sweep, save_image, save_mp4
from jnst.cli import main
from jnst.images import drawings
from jnst.networks import loading
from jnst.networks.downloads import cache_folder
from jnst.networks.package_data import data_file
from jnst.sweeps import executors
from support import make_files
from support.tiny import SHAPES, shapes_of

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def small(code):
    """The same code with sizes and step counts that a test can wait for."""
    return re.sub(r"steps=\d+", "steps=3", re.sub(r"size=\d+", "size=48", code))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of the pictures and the video that README names."""
    folder = tmp_path_factory.mktemp("drawn")
    landscape, painting = drawings.draw_landscape(), drawings.draw_painting()
    save_image(folder / "photo.jpg", landscape)
    save_image(folder / "painting.jpg", painting)
    save_image(folder / "other.jpg", painting[::-1])
    save_mp4(folder / "short.mp4", [landscape] * 2, fps=25)
    return folder


@pytest.fixture
def pictures(tmp_path, monkeypatch, drawn):
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def embedded(monkeypatch, network_file):
    """The embedded network has few channels here: what is shown is that the calls are right."""

    def file_of(name):
        return network_file if name == "embedded.h5" else data_file(name)

    monkeypatch.setattr(loading, "data_file", file_of)


@pytest.mark.parametrize("code", blocks("python"), ids=range(len(blocks("python"))))
def test_python(pictures, code, monkeypatch, network_file):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if "plan.toml" in code:
        Path("plan.toml").write_text(f"networks = {str(network_file)!r}\n{small_plan()}")
        cluster = mock.Mock(SLURMCluster=LocalJobs)
        monkeypatch.setitem(sys.modules, "dask_jobqueue", cluster)
    exec(compile(small(code), "README.md", "exec"), {"__name__": "__main__"})


class LocalJobs(LocalCluster):
    """A process of this machine in the place of Slurm's jobs."""

    def __init__(self, cores, memory, job_extra_directives):
        super().__init__(1, threads_per_worker=1, dashboard_address=":0")

    def scale(self, jobs):
        return super().scale(min(jobs, 1))


def small_plan():
    plan = blocks("toml")[0]
    return plan.replace("size = 128", "size = 48").replace("= 40", "= 3")


def run(commands):
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "jnst"
        if arguments[0] in ("stylize", "texture", "reconstruct", "interpolate", "video", "batch"):
            arguments += ["--size", "48", "--steps", "3"]
        if arguments[1:2] == ["normalize"]:
            arguments += ["--size", "48"]
        assert main.main(arguments) == 0, line


def make_inputs():
    """What the commands of README take: masks, frames and their flow."""
    height, width = drawings.draw_landscape().shape[:2]
    mask = np.zeros((height, width, 3), np.float32)
    mask[: height // 2] = 1
    save_image("sky.png", mask)
    save_image("ground.png", 1 - mask)
    Path("frames").mkdir()
    Path("flow").mkdir()
    for number in (1, 2):
        save_image(f"frames/{number}.png", drawings.draw_landscape())
    size = np.array([width, height], "<i4").tobytes()
    for name in ("backward_2_1", "forward_1_2"):
        Path(f"flow/{name}.flo").write_bytes(b"PIEH" + size + bytes(8 * width * height))


def test_the_table_of_wishes(pictures):
    [table] = re.findall(r"^\| I want \|.*?\n\n", README, re.MULTILINE | re.DOTALL)
    make_inputs()
    commands = re.findall(r"`(jnst .*?)`", table)
    links = re.findall(r"\(#(.*?)\)", table)
    rows = table.strip().splitlines()[2:]
    assert all("`jnst " in row or "](#" in row for row in rows)
    run("\n".join(line for line in commands if "sweep" not in line))
    headings = re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    assert set(links) <= {heading.lower().replace(" ", "-") for heading in headings}


def test_commands_in_their_order(pictures, capsys):
    [commands] = [block for block in blocks("sh") if "jnst show" in block]
    run(commands)
    assert '"style_weight"' in capsys.readouterr().out
    assert Path("again.png").read_bytes() == Path("out.png").read_bytes()


def test_control_commands(pictures, capsys):
    [commands] = [block for block in blocks("sh") if "jnst presets" in block]
    make_inputs()
    run(commands)
    assert "crowson2021" in capsys.readouterr().out


def test_commands_of_large_pictures(pictures):
    [commands] = [block for block in blocks("sh") if "--enlarge" in block]
    for size, smaller in (("4096", "64"), ("2048", "96"), ("512", "48")):
        commands = commands.replace(f"--size {size}", f"--size {smaller} --steps 3")
    for line in commands.splitlines():
        assert main.main(shlex.split(line)[1:]) == 0, line
    assert max(load_image("large.png").shape) == 96


def test_many_commands(pictures):
    [commands] = [block for block in blocks("sh") if "jnst sweep" in block]
    Path("plan.toml").write_text(small_plan())
    run(commands)
    points = read_sweep("sweep")
    assert len(points) == 2 * 2 * 3 * 2
    assert not any(point.row["error"] for point in points)
    assert points[-1].settings | {"style_layers": 4} == {
        "content": "photo.jpg", "style": ["painting.jpg", "other.jpg"], "style_layers": 4,
        "style_weight": 100, "init": "noise", "seed": 7,
    }  # fmt: skip
    assert Path("sweep/index.html").is_file()


def test_executors_of_a_sweep(pictures, monkeypatch):
    """The workers are threads of this process, where the embedded network has few channels."""
    _, slurm = blocks("toml")
    Path("plan.toml").write_text(f"{small_plan()}\n{slurm}")
    given = []

    def thread(*arguments):
        given.append(arguments)
        return ThreadPoolExecutor(1)

    for name in ("Processes", "_dask", "_slurm"):
        monkeypatch.setattr(executors, name, thread)
    commands = re.findall(r"`(jnst sweep .*? --executor .*?)`", README)
    for command in commands:
        shutil.rmtree("sweep", ignore_errors=True)
        run(command.replace("HOST", "127.0.0.1"))
        assert len(read_sweep("sweep")) == 2 * 2 * 3 * 2
    [count, address, (_, options)] = given
    assert (count, address) == ((4,), ("tcp://127.0.0.1:8786",))
    assert options == {"partition": "gpu", "gres": "gpu:1", "time": 60}


def test_network_commands(pictures, offer, server, capsys):
    [commands] = [block for block in blocks("sh") if "jnst network" in block]

    def he_normal(name, shape):
        random = np.random.default_rng(len(name)).standard_normal(shape, np.float32)
        return random * np.float32((2 / (9 * shape[2])) ** 0.5 / (100 if name == "conv1_1" else 1))

    offer(SHAPES, kernels=he_normal)
    for name in ("vgg_conv.pth", "vgg19-d01eb7cb.pth"):
        make_files.safe(name, SHAPES, kernels=he_normal)
    edges = make_files.keras_3(Path("edges.h5"), shapes_of("VGG-16"), he_normal)
    cache_folder().mkdir()
    port_network(edges, cache_folder() / "hed.h5")
    run(commands)
    assert load_network("johnson.h5").source.endswith("convention caffe)")
    assert load_network("normalized.h5").name == "imagenet-normalized"
    assert len(server.requests) == 1


def test_set_up_is_one_line_each():
    lines = [block.strip() for block in blocks("sh") if "pip install" in block]
    assert lines == ["pip install . && jnst demo", "pip install -e '.[test]' && pytest"]


def test_every_setting_that_readme_names_exists(capsys):
    with pytest.raises(SystemExit):
        main.main(["stylize", "--help"])
    known = capsys.readouterr().out
    others = (["network", "port"], ["network", "normalize"], ["reconstruct"], ["video"])
    for command in (*others, ["interpolate"], ["batch"], ["show"], ["sweep"]):
        with pytest.raises(SystemExit):
            main.main([*command, "--help"])
        known += capsys.readouterr().out
    experiments = Path(__file__).parents[1] / "experiments"
    known += "".join(path.read_text() for path in experiments.glob("*.py"))
    sbatch_and_dask = {"--gres", "--nthreads"}
    for option in set(re.findall(r"--[a-z][a-z-]+", README)) - sbatch_and_dask:
        assert option in known, option
