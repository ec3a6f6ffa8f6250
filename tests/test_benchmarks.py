"""The comparison with PyTorch: what it computes, writes and refuses. Nothing is timed."""

import dataclasses
import importlib
import json
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "experiments" / "benchmarks"


@pytest.fixture(autouse=True)
def on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def measures():
    return importlib.import_module("measures")


@pytest.fixture
def compare(monkeypatch):
    """The command, on a machine where all that it needs is there."""
    module = importlib.import_module("compare")
    monkeypatch.setattr(module, "check_start", lambda options: None)
    monkeypatch.setattr(module, "plot_losses", lambda path, curves: path.write_text("drawn"))
    return module


def report_of(job, milliseconds):
    """What a worker would report if every step took as long, after 2 s, and the loss fell."""
    seconds, first = milliseconds / 1e3, min(job.steps, 5)
    return {
        "shape": [job.size * 3 // 4, job.size],
        "called_at": 100.0,
        "started_at": 99.0,
        "seconds": [seconds + 2 / first] * first + [seconds] * (job.steps - first),
        "loss": np.geomspace(10, 2.5, job.steps).tolist(),
        "size": [job.size] * job.steps,
        "peak_memory": 2_000_000,
        "operations": 10**9,
        "operations_a_second": 10**12,
        "others": 0.0,
        "device": "cpu",
        "versions": {"python": "3"},
    }


def answer(job, options):
    """jnst takes 1 ms for 1000 pixels, of each picture, and PyTorch twice that."""
    pixels = job.size * (job.size * 3 // 4)
    report = report_of(job, pixels / 1e3 * (2 if job.worker == "torch" else 1))
    if job.worker == "torch":
        report["peak_memory"] = 4_000_000
    return report


def run(compare, monkeypatch, folder, *arguments, worker=answer):
    calls = []

    def run_worker(job, options):
        calls.append(job)
        return worker(job, options)

    monkeypatch.setattr(compare, "run_worker", run_worker)
    arguments = ["photo.jpg", "painting.jpg", "-o", str(folder), *map(str, arguments)]
    return compare.main(arguments), calls


def test_median_and_ratio_of_what_is_missing(measures):
    assert measures.median([3.0, 1.0, 2.0]) == 2
    assert measures.median([3.0, None]) is None
    assert measures.median([]) is None
    assert measures.ratio(1.0, 2.0) == 0.5
    assert measures.ratio(None, 2.0) is None
    assert measures.ratio(1.0, None) is None


def test_step_seconds_leave_out_what_holds_compilation(measures):
    reports = [{"seconds": [9.0] * 5 + [1.0, 2.0]}, {"seconds": [8.0] * 5 + [3.0, 4.0, 5.0]}]
    assert measures.step_seconds(reports) == 3


def test_slope_is_the_power(measures):
    assert measures.log_slope([1, 10, 100], [3, 3 * 10**1.5, 3 * 10**3]) == pytest.approx(1.5)


def test_first_reached(measures):
    seconds, loss = np.array([1.0, 2.0, 3.0]), np.array([5.0, 4.0, 3.0])
    assert measures.first_reached(seconds, loss, 4.0) == 2
    assert measures.first_reached(seconds, loss, 2.9) is None


def test_curve_tells_compilation_from_steps(measures):
    """Seven steps of 2 s, with 10 s before the first."""
    report = {
        "size": [64] * 7,
        "seconds": [4.0] * 5 + [2.0] * 2,
        "loss": [9, 5, 7, None, 4, 4.5, 3],
    }
    curve = measures.curve(report)
    np.testing.assert_allclose(curve.warm, [2, 4, 6, 8, 10, 12, 14])
    np.testing.assert_allclose(curve.cold, curve.warm + 10)
    np.testing.assert_allclose(curve.loss, [9, 5, 5, 5, 4, 4, 3])
    assert measures.loss_after(curve, 4) == 5


def test_curve_of_levels_counts_all_time_and_the_last_losses(measures):
    """Six steps of 1 s after 5 s, then six of 2 s after 15 s."""
    report = {
        "size": [32] * 6 + [64] * 6,
        "seconds": [2.0] * 5 + [1.0] + [5.0] * 5 + [2.0],
        "loss": [1.0] * 6 + [8.0, 7.0, 6.0, 5.0, 4.0, 3.0],
    }
    curve = measures.curve(report)
    np.testing.assert_allclose(curve.loss, [8, 7, 6, 5, 4, 3])
    np.testing.assert_allclose(curve.gradients, range(7, 13))
    assert measures.loss_after(curve, 8) == 7
    assert measures.loss_after(curve, 6) is None
    assert measures.loss_after(curve, 13) is None
    np.testing.assert_allclose(curve.warm, 6 + 2 * np.arange(1, 7))
    np.testing.assert_allclose(curve.cold, curve.warm + 20)


def test_tables_and_results(compare, monkeypatch, tmp_path, capsys):
    folder = tmp_path / "made" / "here"
    status, calls = run(compare, monkeypatch, folder, "--rounds", 2)
    assert status == 0
    assert sum(job.long for job in calls) == 6
    assert {calls.count(job) for job in calls if not job.long and job.steps > 1} == {2}
    results = json.loads((folder / "results.json").read_text())
    assert len(results["runs"]) == len(calls)
    assert results["runs"][0]["round"] == 0
    assert results["machine"]["cores"]
    assert set(results["versions"]) == {"jnst", "torch"}
    assert (folder / "loss.png").is_file()

    rows = results["rows"]
    assert [line["jnst / PyTorch"] for line in rows["step"]] == pytest.approx([0.5] * 6)
    assert rows["step"][0]["jnst ms"] == pytest.approx(256 * 192 / 1e3)
    assert [line["jnst / its Adam"] for line in rows["step"]] == pytest.approx([1] * 6)
    assert [line["jnst / PyTorch's best"] for line in rows["variants"]] == pytest.approx([0.5] * 3)
    for line in rows["pixels"]:
        assert line["slope"] == pytest.approx(1)
        assert line["time"] == pytest.approx(4)
    assert rows["floor"][0]["floor / jnst"] == pytest.approx(1 / (256 * 192 / 1e3))
    assert rows["floor"][0]["floor / PyTorch"] == pytest.approx(0.5 / (256 * 192 / 1e3))
    assert [line["jnst / PyTorch"] for line in rows["memory"]] == [0.5] * 4
    step = 512 * 384 / 1e6
    assert [line["s"] for line in rows["start"]] == pytest.approx(
        [3 + step, 3 + 2 * step, 3 + step]
    )
    ratios = [line["jnst / PyTorch"] for line in rows["batch"]]
    assert ratios == pytest.approx([0.5, 0.5 / 4, 0.5 / 8])
    jnst, torch = rows["loss"][:2]
    assert jnst["/ PyTorch L-BFGS, warm"] == pytest.approx(0.5)
    assert 0.5 < jnst["/ PyTorch L-BFGS, cold"] < 1
    assert torch["s, cold"] == pytest.approx(torch["s, warm"] + 2)
    assert torch["gradients to target"] == 200
    losses = [torch[f"loss after {count}"] for count in (50, 100, 150, 200)]
    np.testing.assert_allclose(losses, np.geomspace(10, 2.5, 200)[49::50])

    printed, progress = capsys.readouterr()
    for name in ("step", "variants", "pixels", "floor", "loss", "memory", "start", "batch"):
        assert f"{name}: " in printed
    assert printed.splitlines()[-1] == str(folder / "results.json")
    assert len(progress.splitlines()) == len(calls)


def test_workers_alternate(compare, monkeypatch, tmp_path):
    _, calls = run(compare, monkeypatch, tmp_path, "--only", "step", "--rounds", 2)
    workers = [job.worker for job in calls]
    assert workers == ["jnst", "torch"] * (len(workers) // 2)


def test_only_what_is_asked_for(compare, monkeypatch, tmp_path):
    arguments = ("--only", "batch", "--size", "64", "--rounds", "1", "--steps", "10")
    status, calls = run(compare, monkeypatch, tmp_path, *arguments)
    assert status == 0
    assert {(job.worker, job.size) for job in calls} == {("jnst", 32), ("torch", 32)}
    assert list(json.loads((tmp_path / "results.json").read_text())["rows"]) == ["batch"]
    assert not (tmp_path / "loss.png").exists()


def test_the_fastest_pytorch_is_told(compare, monkeypatch, tmp_path):
    """Compiled it takes a third of the time, and a half in channels_last."""

    def faster(job, options):
        report = answer(job, options)
        factor = 3 if "--compile" in job.options else 2 if "--channels-last" in job.options else 1
        return report | {"seconds": [value / factor for value in report["seconds"]]}

    arguments = ("--only", "variants", "--sizes", 64, "--rounds", 1)
    _, calls = run(compare, monkeypatch, tmp_path, *arguments, worker=faster)
    assert [job.worker for job in calls if job.steps > 1] == ["jnst", *["torch"] * 4]
    [line] = json.loads((tmp_path / "results.json").read_text())["rows"]["variants"]
    eager = line["PyTorch ms, eager"]
    assert line["PyTorch ms, channels_last"] == pytest.approx(eager / 2)
    assert line["PyTorch ms, compiled"] == pytest.approx(eager / 3)
    assert line["jnst / PyTorch's best"] == pytest.approx(line["jnst ms"] / (eager / 3))


def test_a_loss_that_is_never_reached(compare, monkeypatch, tmp_path, capsys):
    def worse(job, options):
        report = answer(job, options)
        if job.worker == "jnst":
            report["loss"] = [report["loss"][0], None] + [9.0] * (job.steps - 2)
            report["loss"] = report["loss"][: job.steps]
        return report

    status, _ = run(compare, monkeypatch, tmp_path, "--only", "loss", worker=worse)
    assert status == 0
    line = json.loads((tmp_path / "results.json").read_text())["rows"]["loss"][0]
    assert line["loss after 50"] == line["loss after 200"] == 9
    assert line["gradients to target"] is None
    assert line["s to target, cold"] is None
    assert line["/ PyTorch L-BFGS, warm"] is None


def test_precisions_are_of_a_gpu(compare, monkeypatch, tmp_path):
    arguments = ("--only", "step", "--device", "cuda", "--sizes", 64, "--rounds", 1)
    _, calls = run(compare, monkeypatch, tmp_path, *arguments)
    assert {job.precision for job in calls} == {"float32", "tf32", "bfloat16"}
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    commands = {(each["job"]["worker"], each["job"]["precision"]): each["command"] for each in runs}
    assert "precision=bfloat16" in commands["jnst", "bfloat16"]
    assert "bfloat16" in commands["torch", "bfloat16"]
    assert "--tf32" not in commands["torch", "float32"]
    assert "highest" in commands["jnst", "float32"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [63, 64]}, "the picture of torch adam 64 px"),
        ({"loss": [10.2] * 15}, "the first loss of torch adam 64 px"),
        ({"loss": [None] * 15}, "is not finite"),
    ],
)
def test_workers_that_differ(compare, monkeypatch, tmp_path, capsys, change, message):
    def other(job, options):
        return answer(job, options) | (change if job.worker == "torch" else {})

    arguments = ("--only", "step", "--sizes", "64")
    status, _ = run(compare, monkeypatch, tmp_path, *arguments, worker=other)
    assert status == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_busy_machine_is_told(compare, monkeypatch, tmp_path, capsys):
    def busy(job, options):
        return answer(job, options) | {"others": 0.5}

    run(compare, monkeypatch, tmp_path, "--only", "memory", "--rounds", 1, worker=busy)
    printed, progress = capsys.readouterr()
    assert "50% of the machine" in progress
    assert "NOT SOUND: in 6 of 6 runs" in printed
    assert printed.index("NOT SOUND") < printed.index("memory:")


def test_a_size_given_twice_is_one(compare, monkeypatch, tmp_path):
    arguments = ("--only", "pixels", "--sizes", 512, 256, 512, "--rounds", 1)
    run(compare, monkeypatch, tmp_path, *arguments)
    lines = json.loads((tmp_path / "results.json").read_text())["rows"]["pixels"]
    assert [line["sizes"] for line in lines] == ["512 / 256"] * 2


def test_losses_of_a_last_size_that_begins_without_one(measures):
    curve = measures.curve({"size": [64] * 3, "seconds": [1.0] * 3, "loss": [None, None, 3.0]})
    assert [measures.loss_after(curve, count) for count in (1, 2, 3)] == [None, None, 3]


def test_a_quiet_machine_is_not_told(compare, monkeypatch, tmp_path, capsys):
    run(compare, monkeypatch, tmp_path, "--only", "memory", "--rounds", 1)
    assert "NOT SOUND" not in capsys.readouterr().out


def test_sizes_of_coarse_to_fine_are_told(compare, monkeypatch, tmp_path):
    def in_levels(job, options):
        report = answer(job, options)
        if "--levels" in job.options:
            report["size"] = [128] * 60 + [256] * 60 + [512] * (job.steps - 120)
        return report

    run(compare, monkeypatch, tmp_path, "--only", "loss", worker=in_levels)
    lines = json.loads((tmp_path / "results.json").read_text())["rows"]["loss"]
    [line] = [line for line in lines if line["run"] == "jnst L-BFGS, coarse to fine"]
    assert line["px"] == "128, 256, 512"
    assert [line[f"loss after {count}"] is None for count in (50, 100, 150)] == [True, True, False]
    assert {line["px"] for line in lines} == {"128, 256, 512", "512"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "9"), "--steps is 9; the first 5 are not counted: at least 10"),
        (("--sizes", "64"), "pixels needs two"),
        (("--sizes", "64", "64"), "pixels needs two"),
        (("--gradients", "29"), "--gradients is 29; the first 5 of each of 3 sizes"),
        (("--sizes", "64", "-1"), "'-1' is not a positive integer"),
        (("--only", "speed"), "'speed'"),
        (("--device", "tpu"), "'tpu'"),
        *(
            ((option, value), f"{option}: '{value}' is not a positive integer")
            for option in ("--rounds", "--loss-rounds", "--size", "--gradients")
            for value in ("0", "two")
        ),
    ],
)
def test_arguments_that_are_refused(compare, monkeypatch, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as left:
        run(compare, monkeypatch, tmp_path / "out", *arguments)
    assert left.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["photo.jpg", "painting.jpg", "network.h5"])
def test_a_file_that_is_missing(tmp_path, capsys, missing):
    compare = importlib.import_module("compare")
    paths = {name: tmp_path / name for name in ("photo.jpg", "painting.jpg", "network.h5")}
    for name, path in paths.items():
        if name != missing:
            path.touch()
    content, style, network = map(str, paths.values())
    arguments = [content, style, "--network", network, "-o", str(tmp_path / "out")]
    assert compare.main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"compare.py: there is no file {tmp_path / missing}"
    assert not (tmp_path / "out").exists()


def test_results_are_never_lost(tmp_path, capsys, pictures):
    compare = importlib.import_module("compare")
    (tmp_path / "results.json").write_text("hours of work")
    assert compare.main([*map(str, pictures), "-o", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "results.json is there already; name another folder" in line
    assert (tmp_path / "results.json").read_text() == "hours of work"


def test_a_python_without_torch(tmp_path, capsys, pictures):
    """Another environment has none, whatever is installed in this one."""
    compare = importlib.import_module("compare")
    venv.create(tmp_path / "bare", with_pip=False)
    [folder] = [path for path in (tmp_path / "bare").iterdir() if path.name in ("bin", "Scripts")]
    arguments = [*map(str, pictures), "-o", str(tmp_path / "out"), "--torch-python"]
    for python in (folder / "python", tmp_path / "nothing"):
        assert compare.main([*arguments, str(python)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert str(python) in line
    assert not (tmp_path / "out").exists()


def test_a_worker_that_fails(tmp_path, monkeypatch, capsys):
    compare = importlib.import_module("compare")
    monkeypatch.setattr(compare, "check_start", lambda options: None)
    arguments = ["nothing.jpg", "nothing.jpg", "-o", str(tmp_path), "--only", "memory"]
    assert compare.main([*arguments, "--torch-python", sys.executable]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("compare.py: jnst adam 512 px, 1 steps float32: ")
    assert "nothing.jpg" in line.partition("(exit status 1)")[0]
    assert f"the command was {sys.executable}" in line


def test_a_folder_that_cannot_be_made(compare, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        status, calls = run(compare, monkeypatch, folder)
        assert (status, calls) == (2, [])
        [line] = capsys.readouterr().err.splitlines()
        assert str(folder) in line


def test_jax_keeps_programs_for_cached_runs_alone(compare, monkeypatch, tmp_path):
    processes, rows = map(importlib.import_module, ("processes", "rows"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    options = compare.read_arguments(["photo.jpg", "painting.jpg", "-o", str(tmp_path)], None)
    job = rows.Job("jnst", 64, "adam", 10)
    assert "JAX_COMPILATION_CACHE_DIR" not in processes.worker_environment(job, options)
    cached = processes.worker_environment(dataclasses.replace(job, cached=True), options)
    assert cached["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "cache")


def test_plot(measures, tmp_path):
    pytest.importorskip("matplotlib")
    steps = np.arange(1.0, 9)
    curve = measures.Curve(1 / steps, steps, steps + 1, steps)
    path = tmp_path / "loss.png"
    importlib.import_module("plot").plot_losses(path, {"jnst": curve, "PyTorch": curve})
    assert path.read_bytes().startswith(b"\x89PNG")


def report(capsys, pictures, network_file, *arguments):
    """What the worker of jnst prints, of a run that takes a moment."""
    layers = ("--set", 'content_layers=["relu2_1"]', "--set", 'style_layers=["relu1_1"]')
    module = importlib.import_module("jnst_worker")
    common = ("--network", network_file, "--size", 32, "--steps", 7, *layers)
    module.main(list(map(str, (*pictures, *common, *arguments))))
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_worker_of_jnst(capsys, pictures, network_file, optimizer):
    made = report(capsys, pictures, network_file, "--optimizer", optimizer, "--matrix-rate")
    assert made["shape"] == [32, 24]
    assert len(made["loss"]) == len(made["seconds"]) == 7
    assert min(made["loss"]) < made["loss"][0]
    assert made["size"] == [32] * 7
    assert made["peak_memory"] > 10**7
    # Forward and backward: conv1_1, conv1_2 and, at half the size, conv2_1.
    taken = 2 * 9 * 32 * 24 * (3 * 64 + 64 * 64 + 64 * 128 / 4)
    assert made["operations"] == 2 * taken
    assert made["operations_a_second"] > 0
    assert set(made["versions"]) == {"python", "jnst", "jax"}


def test_worker_of_jnst_takes_batches_and_settings(capsys, pictures, network_file):
    alone = report(capsys, pictures, network_file)
    batch = report(capsys, pictures, network_file, "--batch", 2)
    assert len(batch["seconds"]) == 7
    assert batch["loss"][0] == pytest.approx(alone["loss"][0], rel=1e-4)
    other = report(capsys, pictures, network_file, "--set", "style_weight=50")
    assert other["loss"][0] == pytest.approx(alone["loss"][0] / 2, rel=1e-4)


def test_a_setting_is_a_name_and_a_value(capsys):
    module = importlib.import_module("jnst_worker")
    assert module.setting("levels=2") == ("levels", 2)
    assert module.setting("init=noise") == ("init", "noise")
    with pytest.raises(SystemExit):
        module.main(["photo.jpg", "painting.jpg", "--network", "x", "--set", "levels"])
    assert "'levels' is not NAME=VALUE" in capsys.readouterr().err


def test_choices_of_a_device(capsys, monkeypatch, pictures, network_file):
    module = importlib.import_module("choices")
    monkeypatch.setattr(module, "CHUNKS", (1, 3))
    monkeypatch.setattr(module, "CALLS", 1)
    arguments = (*pictures, "--network", network_file, "--size", 32, "--steps", 4)
    module.main(list(map(str, arguments)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(", 32 x 24 pixels")
    cells = [word for line in lines[1:] if ":" not in line for word in line.split()]
    numbers = [float(cell.replace(",", "")) for cell in cells if cell[0].isdigit()]
    assert len(numbers) == 4 * 4 + 2 * 2 + 2 * 2
    assert min(numbers) > 0


def test_choices_change_no_value_but_by_rounding():
    module = importlib.import_module("choices")
    maps, kernel = module.random_maps(9, 7, 64), module.random_kernel(64)
    twice = module.gradient(module.convolve, maps, kernel)(maps, kernel)
    nhwc = module.there_and_back("NHWC")(maps[None], kernel)[0]
    nchw = module.there_and_back("NCHW")(maps.transpose(2, 0, 1)[None], kernel)[0]
    np.testing.assert_allclose(2 * nhwc, twice, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(2 * nchw.transpose(1, 2, 0), twice, rtol=1e-4, atol=1e-4)
    one, other = (
        module.gradient(module.block(each), maps, kernel)(maps, kernel)
        for each in (module.relu, module.jax.nn.relu)
    )
    np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def test_worker_of_torch_needs_no_jnst():
    for name in ("torch_worker.py", "worker.py"):
        assert "jnst" not in {
            word
            for line in (FOLDER / name).read_text().splitlines()
            if line.startswith(("import ", "from "))
            for word in line.replace(".", " ").split()
        }
