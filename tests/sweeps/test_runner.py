import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import jnst
from jnst.common.errors import CheckpointWarning
from jnst.runs.opening import open_job
from jnst.runs.recipes import load_recipe
from jnst.sweeps import tasks
from jnst.sweeps.folder import record_path
from jnst.sweeps.runner import Outline
from support.sweep_files import table, toml, untimed, write_sweep

sweep_module = sys.modules["jnst.sweeps.runner"]
task_module = sys.modules["jnst.sweeps.tasks"]
pace = sys.modules["jnst.runs.checkpoints"]


def test_every_point_is_a_picture_a_record_and_a_line(tmp_path, plan, network):
    folder = tmp_path / "sweep"
    points = jnst.sweep(plan, folder)
    assert [point.settings["style_weight"] for point in points] == [1, 1, 30, 30]
    assert [len(point.settings["style_layers"]) for point in points] == [1, 2, 1, 2]
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        "index.html", "pictures", "points", "results.csv", "sweep.json", "thumbnails",
    }  # fmt: skip
    rows = table(folder)
    assert [row["id"] for row in rows] == [point.id for point in points]
    for point, row in zip(points, rows, strict=True):
        single = jnst.stylize(
            plan["contents"], plan["styles"], network=plan["networks"], **plan["settings"],
            style_weight=point.settings["style_weight"],
            style_layers=point.settings["style_layers"],
        )  # fmt: skip
        np.testing.assert_allclose(point.image, single.image, atol=2.6 / 255)  # and eight bits
        recipe = load_recipe(point.path)
        assert recipe["config"] == json.loads(json.dumps(single.recipe()["config"]))
        assert float(row["loss"]) == pytest.approx(recipe["losses"]["total"])
        assert float(row["loss"]) == pytest.approx(single.recipe()["losses"]["total"], rel=0.01)
        assert row["digest"] == recipe["network"]["digest"] != ""
        assert (row["gradient_evaluations"], row["error"]) == ("6", "")
        assert float(row["style_weight"]) == point.settings["style_weight"]
        terms = [float(row[f"loss/style/{name}"]) for name in row["style_layers"].split()]
        assert float(row["loss/style"]) == pytest.approx(sum(terms), rel=1e-5)
        assert row["network"] == plan["networks"]
        assert (row["loss/style/relu2_1"] == "") == (row["style_layers"] == "relu1_1")
        assert point.record["history"]["loss"] == pytest.approx(
            single.history.loss.tolist(), rel=0.01
        )
        styles = sum(single.history.terms.style.values())
        assert point.record["history"]["style"] == pytest.approx(styles.tolist(), rel=0.02)
    again = jnst.read_sweep(folder)
    assert [point.row for point in again] == [point.row for point in points]


def test_points_that_share_a_program_are_compiled_once(tmp_path, plan, programs):
    plan["grid"]["content_weight"] = {"linspace": [0.5, 1, 3]}
    del plan["settings"]["steps"]
    plan["settings"] |= {"levels": 2, "level_steps": [3, 6]}  # at 16 px there are none
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    assert opened.outline()[:4] == (12, 0, 0, 2)
    assert opened.outline().seconds > 0
    assert opened.outline().bytes == 12 * 3 * 32 * 24
    progress = list(opened.run())
    assert opened.outline() == Outline(12, 12, 0, 0, 0.0, 0)
    assert programs() == 2
    assert [at.done for at in progress if not at.steps] == [6, 12]
    assert (progress[0].batch, progress[0].step, progress[0].steps) == (6, 5, 6)
    assert progress[-1].seconds_left == 0


def listing(folder):
    """Everything in a folder with the time of its last change, and the folder's own."""
    return {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def test_nothing_is_written_before_a_sweep_runs(tmp_path, plan):
    folder = tmp_path / "there" / "sweep"
    assert jnst.open_sweep(plan, folder).outline().points == 4
    assert not folder.parent.exists()
    points = jnst.sweep(plan, folder)
    record_path(folder, points[0].id).write_text("damaged")
    (folder / "results.csv").unlink()
    (folder / ".results.csv.01234567").write_text("half a table")
    before = listing(folder)
    opened = jnst.open_sweep(plan, folder)
    assert opened.outline()[:2] == (4, 3)
    assert listing(folder) == before


def test_what_another_sweep_did_since_it_was_opened_is_done(tmp_path, plan, monkeypatch):
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    jnst.sweep(plan, tmp_path / "sweep")
    monkeypatch.setattr(task_module, "run_jobs", None)
    assert list(opened.run()) == []
    assert opened.outline()[:2] == (4, 4)


def test_a_place_for_no_folder_is_refused_at_once(tmp_path, plan):
    (tmp_path / "file").touch()
    with pytest.raises(jnst.SweepError, match="cannot be written to"):
        jnst.open_sweep(plan, tmp_path / "file" / "sweep")


def test_a_plan_beside_its_first_image_may_be_named_from_elsewhere(
    tmp_path, plan, pictures, monkeypatch
):
    (tmp_path / "plans").mkdir()
    shutil.copy(pictures[0], tmp_path / "plans" / "start.png")
    plan["settings"]["init"] = "start.png"
    (tmp_path / "plans" / "plan.toml").write_text(toml(plan))
    monkeypatch.chdir(tmp_path)
    points = jnst.sweep("plans/plan.toml", "sweep")
    assert [point.row["error"] for point in points] == [None] * 4


def test_a_sweep_that_is_done_does_nothing(tmp_path, plan, monkeypatch):
    jnst.sweep(plan, tmp_path / "sweep")
    before = untimed(tmp_path / "sweep")
    monkeypatch.setattr(task_module, "run_jobs", None)
    jnst.sweep(plan, tmp_path / "sweep")
    assert untimed(tmp_path / "sweep") == before


def test_a_plan_that_changed_keeps_what_belongs(tmp_path, plan):
    folder = tmp_path / "sweep"
    first = jnst.sweep(plan, folder)
    times = {point.id: point.path.stat().st_mtime_ns for point in first}
    plan["grid"]["style_weight"] = [30.0, 100.0, 1.0]
    plan["grid"]["style_layers"] = [["relu1_1"]]
    opened = jnst.open_sweep(plan, folder)
    assert opened.outline()[:4] == (3, 2, 2, 1)
    second = jnst.sweep(plan, folder)
    assert [point.settings["style_weight"] for point in second] == [30, 100, 1]
    assert {point.id for point in second} & times.keys() == {first[2].id, first[0].id}
    assert all(point.path.stat().st_mtime_ns == times.get(point.id) for point in second[::2])
    assert len(table(folder)) == 3


def test_pictures_are_named_by_what_varies_and_found_when_the_plan_gains_an_axis(tmp_path, plan):
    folder = tmp_path / "sweep"
    plan["grid"]["style_layers"] = [["relu1_1"]]
    first = jnst.sweep(plan, folder)
    ids = [point.id[:8] for point in first]
    names = [f"style_weight-1-{ids[0]}.png", f"style_weight-30-{ids[1]}.png"]
    assert [point.path.name for point in first] == names
    before = {name: (folder / "pictures" / name).stat().st_mtime_ns for name in names}
    plan["grid"]["seed"] = [0, 5]
    killed = folder / "pictures" / f".{names[0]}.01234567"
    killed.write_bytes(b"half a picture")
    opened = jnst.open_sweep(plan, folder)
    assert opened.outline()[:3] == (4, 2, 0)
    assert killed.exists()  # nothing has been run
    second = jnst.sweep(plan, folder)
    assert not killed.exists()
    assert [point.path.name for point in second] == [
        names[0], f"style_weight-1-seed-5-{second[1].id[:8]}.png",
        names[1], f"style_weight-30-seed-5-{second[3].id[:8]}.png",
    ]  # fmt: skip
    assert {name: (folder / "pictures" / name).stat().st_mtime_ns for name in names} == before
    assert len(list((folder / "pictures").iterdir())) == 4
    page = (folder / "index.html").read_text()
    assert all(f"pictures/{point.path.name}" in page for point in second)


def test_another_picture_of_the_same_name_is_another_point(tmp_path, plan, pictures):
    folder = tmp_path / "sweep"
    jnst.sweep(plan, folder)
    shutil.copy(pictures[0], pictures[1])
    opened = jnst.open_sweep(plan, folder)
    assert opened.outline()[:3] == (4, 0, 4)


def test_a_lost_picture_is_made_again_after_the_plan_has_grown(tmp_path, plan):
    folder = tmp_path / "sweep"
    [first, *_] = jnst.sweep(plan, folder)
    plan["grid"]["style_weight"].append(100.0)
    jnst.sweep(plan, folder)
    before = first.image
    first.path.unlink()
    jnst.sweep(plan, folder)
    np.testing.assert_allclose(first.image, before, atol=2.6 / 255)


def test_another_first_image_of_the_same_name_is_another_point(tmp_path, plan, pictures, arrays):
    plan["settings"]["init"] = str(tmp_path / "start.png")
    shutil.copy(pictures[0], tmp_path / "start.png")
    [first, *_] = jnst.sweep(plan, tmp_path / "sweep")
    shutil.copy(pictures[1], tmp_path / "start.png")
    [second, *_] = jnst.sweep(plan, tmp_path / "sweep")
    assert first.id != second.id


def test_the_recipe_names_the_network_as_it_can_be_found(tmp_path, plan, network_file):
    (tmp_path / "plans").mkdir()
    shutil.copy(network_file, tmp_path / "plans" / "net.h5")
    file = tmp_path / "plans" / "plan.toml"
    file.write_text(toml(plan | {"networks": "net.h5", "grid": {"style_layers": ["relu1_1"]}}))
    [point] = jnst.sweep(file, tmp_path / "sweep")
    loaded = jnst.load_network(load_recipe(point.path)["network"]["load"])
    assert loaded.digest == point.row["digest"]


def test_one_point_twice_is_refused(tmp_path, plan):
    plan["grid"]["style_weight"] = [1, 1.0]
    with pytest.raises(
        jnst.SweepError, match=r"plan: two points are the same run, with .*'style_weight': 1.0"
    ):
        jnst.sweep(plan, tmp_path / "sweep")


def test_another_batch_size_is_taken_at_once(tmp_path, plan):
    opened = jnst.open_sweep(plan, tmp_path / "sweep", batch_size=2)
    assert next(opened.run()).batch == 2
    opened = jnst.open_sweep(plan, tmp_path / "sweep", batch_size=1)
    assert next(opened.run()).batch == 1


@pytest.mark.parametrize("damage", ["record", "table", "picture", "index"])
def test_what_was_cut_off_is_made_again(tmp_path, plan, damage):
    folder = tmp_path / "sweep"
    points = jnst.sweep(plan, folder)
    before = untimed(folder)
    path = {
        "record": folder / "points" / f"{points[1].id}.json",
        "table": folder / "results.csv",
        "picture": points[1].path,
        "index": folder / "sweep.json",
    }[damage]
    if damage == "picture":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    jnst.sweep(plan, folder)
    assert untimed(folder) == before


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_batch_goes_on_from_its_checkpoint_to_the_same_result(
    tmp_path, plan, monkeypatch, optimizer
):
    """Interrupted after every chunk of five steps, over two levels."""
    plan["settings"] |= {"steps": 23, "level_sizes": [24], "size": 48, "optimizer": optimizer}
    plan["settings"] |= {"margin": 0, "averaging": 0.5}
    plan["contents"], plan["styles"] = plan["styles"], plan["contents"]
    jnst.sweep(plan, tmp_path / "whole")
    monkeypatch.setattr(pace, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(pace, "SHARE_OF_CHECKPOINTS", 1e9)
    seen, interruptions = [], 0
    for _ in range(100):
        opened = jnst.open_sweep(plan, tmp_path / "again")
        for progress in opened.run():
            seen.append((progress.done, progress.step))
            if progress.steps:
                interruptions += 1
                break
        else:
            break
    assert interruptions == len(set(seen) - {(2, 0), (4, 0)}) >= 2 * 5
    assert not (tmp_path / "again" / "batches").exists()
    assert untimed(tmp_path / "again") == untimed(tmp_path / "whole")


@pytest.mark.parametrize("cut", [0, 10, 1000, -1])
def test_a_checkpoint_that_is_cut_off_is_none(tmp_path, plan, monkeypatch, cut):
    monkeypatch.setattr(pace, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    jnst.sweep(plan, tmp_path / "whole")
    opened = jnst.open_sweep(plan, tmp_path / "again")
    next(opened.run())
    [path] = (tmp_path / "again" / "batches").iterdir()
    data = path.read_bytes()
    if cut:
        path.write_bytes(data[:cut])
    else:  # whole, but for a method of compression that nobody knows
        entry = data.index(b"PK\x01\x02")
        path.write_bytes(data[: entry + 10] + b"\x63" + data[entry + 11 :])
    jnst.sweep(plan, tmp_path / "again")
    assert untimed(tmp_path / "again") == untimed(tmp_path / "whole")


def test_a_checkpoint_of_another_release_is_none(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(pace, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    next(opened.run())
    checkpoint = sys.modules["jnst.runs.checkpoints"]
    point = next(iter(jnst.read_plan(plan).points()))
    jobs = [open_job(plan["contents"], plan["styles"], point.config)]
    [path] = (tmp_path / "sweep" / "batches").iterdir()
    with np.load(path) as arrays:
        label = json.loads(bytes(arrays["label"]))
    names, size = label["names"], len(label["diverged"])
    jobs *= len(names)
    assert checkpoint.load_checkpoint(path, jobs, names, size=size) is not None
    assert label["state"][0][0].startswith(".")  # the name of a field
    monkeypatch.setattr("jnst.common.array_files.__version__", "another")
    assert checkpoint.load_checkpoint(path, jobs, names, size=size) is None


KILLED = """
import os, signal, sys
import jnst.sweeps.runner
from jnst.cli.main import script
from jnst.runs import checkpoints as pace

*moments, plan, folder = sys.argv[1:]
pace.SECONDS_BETWEEN_CHECKPOINTS, pace.SHARE_OF_CHECKPOINTS = 0, 1e9

def counted(function):
    def call(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

os.replace, os.fsync = counted(os.replace), counted(os.fsync)
pace.Saves.due = counted(pace.Saves.due)
sys.argv = ["jnst", "sweep", plan, "-o", folder, "--batch-size", "1"]
for moment in map(int, moments):
    if not (process := os.fork()):
        left = [moment]
        script()
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


def test_killed_at_random_moments(tmp_path, plan):
    """Between steps and in the middle of writing, with a signal that nothing can catch.

    The processes that are killed are forked from one that has imported all and computed nothing.
    """
    plan["settings"] |= {"steps": 60, "optimizer": "adam"}
    # One program, for three batches of one point.
    plan["grid"] = {"style_weight": [1.0, 3.0, 30.0], "style_layers": [["relu1_1"]]}
    file = tmp_path / "plan.toml"
    file.write_text(toml(plan))
    jnst.sweep(file, tmp_path / "whole", batch_size=1)
    random_moments = random.Random(3)
    moments = [*(random_moments.randint(5, 40) for _ in range(5)), 0]
    arguments = [*map(str, moments), str(file), str(tmp_path / "again")]
    command = [sys.executable, "-c", KILLED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [int(line) for line in done.stdout.split()] == [-signal.SIGKILL] * 5 + [0]
    hidden = {path.name for path in (tmp_path / "again").rglob(".*")}
    assert hidden <= {".lock"}
    assert untimed(tmp_path / "again") == untimed(tmp_path / "whole")


def test_a_callback_that_fails_lets_go_of_the_folder(tmp_path, plan):
    def fail(_):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as error:  # which holds what was running
        jnst.sweep(plan, tmp_path / "sweep", callback=fail)
    assert (tmp_path / "sweep" / "index.html").is_file()
    assert len(jnst.sweep(plan, tmp_path / "sweep")) == 4
    assert error.value


def test_a_second_sweep_into_the_folder_is_refused(tmp_path, plan, call):
    file = tmp_path / "plan.toml"
    file.write_text(toml(plan))
    opened, second = [jnst.open_sweep(plan, tmp_path / "sweep") for _ in range(2)]
    running = opened.run()
    next(running)
    refusal = "sweep: another sweep is running in it"
    assert call("sweep", file, "-o", "sweep") == (2, [], [f"jnst: {refusal}"])
    with pytest.raises(jnst.SweepError, match=refusal):
        next(second.run())
    running.close()
    shutil.rmtree(tmp_path / "sweep")
    status, out, err = call("sweep", file, "-o", "sweep", quiet=False)
    assert (status, out) == (0, [])
    assert re.fullmatch(r"sweep: 4 points, 2 programs to compile, about \d+ s and 9.2 kB", err[0])
    status, out, err = call("sweep", file, "-o", "sweep", quiet=False)
    assert (status, out, err[0]) == (0, [], "sweep: 4 points, 4 already done")


def test_a_point_that_fails_does_not_stop_the_others(tmp_path, plan, call, monkeypatch):
    prepare = task_module.job_of
    broken = []

    def job_of(point):
        if broken and point.config.style_weight == 30 and len(point.config.style_layers) == 1:
            raise ValueError("the disk has a hole")
        return prepare(point)

    monkeypatch.setattr(task_module, "job_of", job_of)
    file = tmp_path / "plan.toml"
    file.write_text(toml(plan))
    broken.append(True)
    status, out, err = call("sweep", file, "-o", "sweep")
    assert (status, out) == (1, [])
    assert err[0] == "jnst: 1 of 4 points failed: see sweep/index.html"
    rows = table(tmp_path / "sweep")
    assert [row["error"] for row in rows] == ["", "", "the disk has a hole", ""]
    broken.clear()
    assert call("sweep", file, "-o", "sweep")[0] == 0
    assert [row["error"] for row in table(tmp_path / "sweep")] == [""] * 4


def test_a_point_that_diverges_says_so(tmp_path, plan):
    plan["grid"] = {"style_weight": [1.0, 3e38], "seed": [0]}
    plan["settings"]["style_layers"] = ["relu1_1"]
    fine, lost = jnst.sweep(plan, tmp_path / "sweep")
    assert (fine.row["error"], lost.row["error"]) == (None, "diverged at step 0")
    assert np.isfinite(lost.image).all()
    text = record_path(tmp_path / "sweep", lost.id).read_text()
    record = json.loads(text, parse_constant=pytest.fail)
    assert record["recipe"]["diverged"] == 0 and len(record["history"]["loss"]) == 5
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    assert (opened.outline().finished, opened.failed) == (2, 1)


def test_a_place_that_cannot_be_written_fails_its_point_alone(tmp_path, plan):
    first = jnst.sweep(plan, tmp_path / "first")
    (tmp_path / "second" / "pictures" / first[1].path.name).mkdir(parents=True)
    (tmp_path / "second" / "points").mkdir()
    points = jnst.sweep(plan, tmp_path / "second")
    assert [point.id for point in points] == [point.id for point in first]
    assert ["is a folder" in (point.row["error"] or "") for point in points] == [
        False, True, False, False,
    ]  # fmt: skip


def test_a_picture_that_is_replaced_fails_its_points(tmp_path, plan):
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    shutil.copy(plan["styles"], plan["contents"])
    list(opened.run())
    for point in jnst.read_sweep(tmp_path / "sweep"):
        assert "has been replaced since the sweep began" in point.row["error"]


def test_results_find_room_where_checkpoints_do_not(tmp_path, plan, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pace.Saves, "due", lambda self: True)
    monkeypatch.setattr(task_module, "save_checkpoint", full)
    with pytest.warns(CheckpointWarning, match="No space left on device"):
        points = jnst.sweep(plan, tmp_path / "sweep")
    assert [point.row["error"] for point in points] == [None] * 4


def test_an_interrupted_batch_leaves_a_checkpoint(tmp_path, plan):
    plan["settings"] |= {"steps": 12}
    opened = jnst.open_sweep(plan, tmp_path / "sweep")
    running = opened.run()
    next(running)
    running.close()  # as when what it yields to is interrupted
    assert [path.suffix for path in (tmp_path / "sweep" / "batches").iterdir()] == [".npz"]


def test_ids_are_of_what_differs_from_the_defaults(tmp_path, plan):
    """A release that adds a setting finds the points of before."""
    ids = [point.id for point in jnst.sweep(plan, tmp_path / "first")]
    plan["settings"] |= {"tv_weight": 0.05, "color": "style", "init_content": 0}
    assert [point.id for point in jnst.sweep(plan, tmp_path / "second")] == ids


def test_the_same_kernels_with_another_pooling_are_other_points(tmp_path, plan, network):
    """The layers are on both sides of a pooling."""
    other = tmp_path / "other.h5"
    jnst.write_network(other, jnst.load_network(plan["networks"]).replace(pooling="max"))
    plan["networks"] = [plan["networks"], str(other)]
    plan["grid"] = {"style_layers": [["relu1_1", "relu2_1"]]}
    average, maximum = jnst.sweep(plan, tmp_path / "both")
    first, second = table(tmp_path / "both")
    assert first["loss"] != second["loss"]
    assert average.id != maximum.id


def test_ctrl_c_says_how_to_go_on(tmp_path, plan, call, monkeypatch):
    run = sweep_module.Sweep.run

    def interrupted(self, executor):
        for progress in run(self, executor):
            yield progress
            if not progress.steps:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sweep_module.Sweep, "run", interrupted)
    (tmp_path / "plan.toml").write_text(toml(plan))
    status, out, err = call("sweep", "plan.toml", "-o", "sweep")
    assert (status, out) == (130, [])
    assert err[0] == "jnst: interrupted: 2 of 4 points are in sweep; the same command continues"
    assert len(table(tmp_path / "sweep")) == 2
    assert (tmp_path / "sweep" / "index.html").is_file()


def test_everything_is_said_before_anything_runs(tmp_path, plan, call, monkeypatch):
    def refused(message, **changes):
        (tmp_path / "plan.toml").write_text(toml(plan | changes))
        before = set(tmp_path.rglob("*"))
        status, out, err = call("sweep", "plan.toml", "-o", "sweep")
        assert (status, out, len(err)) == (2, [], 1)
        assert message in err[0]
        assert set(tmp_path.rglob("*")) == before

    refused("none.png: there is no such file", styles=[plan["styles"], "none.png"])
    refused("pictures: is a folder", contents=os.path.dirname(plan["contents"]))
    refused("none.h5", networks=["none.h5"])
    refused("unknown setting 'wieght'; did you mean 'tv_weight'", grid={"wieght": [1]})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    shutil.copytree(tmp_path / "notes", tmp_path / "sweep")
    refused("sweep: is not empty, and there is no sweep in it")
    shutil.rmtree(tmp_path / "sweep")
    (tmp_path / "sweep").touch()
    refused("sweep: is not a folder")


def test_report_and_grid(tmp_path, plan, call):
    points = jnst.sweep(plan, tmp_path / "sweep")
    (tmp_path / "sweep" / "index.html").unlink()
    assert call("report", "sweep") == (0, [], [])
    assert (tmp_path / "sweep" / "index.html").is_file()
    assert call("report", "pictures")[2] == [
        "jnst: pictures: no sweep (there is no readable sweep.json)"
    ]
    paths = [point.path for point in points]
    assert call("grid", *paths, "-o", "sheet.png", "--cell", 64) == (0, [], [])
    assert jnst.load_image(tmp_path / "sheet.png").shape[1] > 2 * 64
    assert call("grid", paths[0], "-o", "sheet.gif")[0] == 2
    assert call("grid", paths[0], "-o", "sheet.png", "--columns", 0)[0] == 2
    assert call("grid", paths[0], "-o", "sheet.png", "--cell", 0)[0] == 2


def test_grid_labels_numbers_and_digests_by_their_recipes(tmp_path, call, monkeypatch):
    def write(name, **changes):
        config = {"style_weight": 0.5}
        network = dict.fromkeys(("load", "name", "digest"), "")
        recipe = {"config": config, "network": network, "styles": ["a.jpg", "in/b c.jpg"]} | changes
        jnst.save_image(tmp_path / name, np.zeros((4, 4, 3)), recipe=json.dumps(recipe))
        return name

    expected = {
        write("2677d942.png"): "a+b c, style_weight 0.5",
        write("2677D942A0B1C2D3.png"): "a+b c, style_weight 0.5",
        write("0003.png", styles=["one.png"]): "one, style_weight 0.5",
        write("facade.png"): "facade",  # a word
        write("photo-2677d942.png"): "photo-2677d942",
        write("1.png", styles=[]): "1",
        write("2.png", styles=None): "2",
        write("3.png", styles=[7]): "3",
        write("4.png", config={}): "4",
        write("5.png", network=None): "5",
    }
    jnst.save_image(tmp_path / "6.png", np.zeros((4, 4, 3)))
    expected["6.png"] = "6"
    write_sweep(tmp_path / "sweep", {"style_weight": [100.0, 9.0]})
    expected["sweep"] = "style_weight 9"
    seen = []
    sheet = sys.modules["jnst.cli.sweeps"]
    made = sheet.contact_sheet

    def noted(images, labels, **options):
        seen.extend(labels)
        return made(images, labels, **options)

    monkeypatch.setattr(sheet, "contact_sheet", noted)
    assert call("grid", *expected, "-o", "sheet.png") == (0, [], [])
    assert seen == [*expected.values(), "style_weight 100"]
    assert call("grid", "no-sweep", "-o", "sheet.png")[2] == [
        "jnst: no-sweep: there is no such file"
    ]


def test_metrics_are_in_the_table_also_of_points_that_were_done(tmp_path, plan, monkeypatch):
    plan["grid"] = {"style_weight": [1.0]}
    [first] = jnst.sweep(plan, tmp_path)
    assert not any("metrics" in name for name in first.row)
    ran, job_of = set(), tasks.job_of
    monkeypatch.setattr(tasks, "job_of", lambda point: ran.add(point.entry.id) or job_of(point))
    plan["grid"] = {"style_weight": [1.0, 30.0]}
    assert jnst.open_sweep(plan | {"metrics": True}, tmp_path).outline().finished == 1
    points = jnst.sweep(plan | {"metrics": True}, tmp_path)
    assert len(ran) == 1 and points[0].row["id"] not in ran
    for point in points:
        figures = jnst.metrics.style_metrics(point.path, plan["contents"], plan["styles"])
        assert [point.row[f"metrics/{name}"] for name in figures._fields] == list(figures)
    fresh = jnst.sweep(plan | {"metrics": True}, tmp_path / "fresh")
    names = [name for name in points[0].row if name.startswith("metrics/")]
    assert [[point.row[name] for name in names] for point in fresh] == [
        [point.row[name] for name in names] for point in points
    ]
    header = (tmp_path / "results.csv").read_text().splitlines()[0].split(",")
    assert header.index("metrics/style") == 1 + max(
        place for place, name in enumerate(header) if name.startswith("loss")
    )
    with pytest.raises(jnst.SweepError, match="metrics is 1; see"):
        jnst.sweep(plan | {"metrics": 1}, tmp_path)
