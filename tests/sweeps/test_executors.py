import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import submitit
from distributed import LocalCluster

import jnst
from jnst.common.errors import WorkerWarning
from jnst.common.plugins import loaded
from jnst.sweeps import distribution, executors, tasks, workers
from jnst.sweeps.executors import Submitted
from support.in_processes import cores_and_devices
from support.sweep_files import table, toml, untimed

LAYERS = [["relu1_1"], ["relu1_2"], ["relu2_1"], ["relu1_1", "relu2_1"]]


@pytest.fixture
def plan(plan):
    """Four programs by three weights, on a small picture."""
    return plan | {"grid": {"style_weight": [1.0, 10.0, 30.0], "style_layers": LAYERS}}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0)
    monkeypatch.setattr(distribution, "POLL", 0.05)


class Here(Executor):
    """Calls functions at once, in this process; `before` is called first, with the order."""

    def __init__(self, before=lambda order: None):
        self.before = before

    def submit(self, function, /, order):
        future = Future()
        try:
            self.before(order)
            future.set_result(function(order))
        except Exception as error:
            future.set_exception(error)
        return future


def assert_close(folder, other):
    """The same up to the rounding of another number of cores."""
    for row, expected in zip(untimed(folder)[0], untimed(other)[0], strict=True):
        assert row.keys() == expected.keys()
        for name, value in row.items():
            if name.startswith("loss"):
                assert value == expected[name] or float(value) == pytest.approx(
                    float(expected[name]), rel=1e-3
                )
            else:
                assert value == expected[name]
    for path in (other / "pictures").iterdir():
        image = jnst.load_image(folder / "pictures" / path.name)
        np.testing.assert_allclose(image, jnst.load_image(path), atol=1.1 / 255)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """The address of a Dask scheduler with two workers, which are processes of their own."""
    folder = tmp_path_factory.mktemp("dask")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=folder
    ) as cluster:
        yield cluster.scheduler_address.replace("tcp:", "dask:")


def test_dask_makes_the_same_sweep(tmp_path, plan, dask):
    jnst.sweep(plan, tmp_path / "here")
    seen = []
    points = jnst.sweep(plan, tmp_path / "dask", executor=dask, callback=seen.append)
    assert [point.row["error"] for point in points] == [None] * 12
    assert untimed(tmp_path / "dask") == untimed(tmp_path / "here")
    assert seen[-1].done == 12 and seen[-1].seconds_left == 0
    assert not (tmp_path / "dask" / "batches").exists()


def test_processes_make_the_same_sweep(tmp_path, plan):
    jnst.sweep(plan, tmp_path / "here")
    points = jnst.sweep(plan, tmp_path / "processes", executor="processes:2")
    assert [point.row["error"] for point in points] == [None] * 12
    assert_close(tmp_path / "processes", tmp_path / "here")


def test_jobs_of_submitit_make_the_same_sweep(tmp_path, plan):
    plan["grid"]["style_layers"] = LAYERS[:2]
    jnst.sweep(plan, tmp_path / "here")
    engine = submitit.LocalExecutor(tmp_path / "logs")
    engine.update_parameters(timeout_min=5)
    with Submitted(engine) as executor:
        points = jnst.sweep(plan, tmp_path / "jobs", executor=executor)
    assert [point.row["error"] for point in points] == [None] * 6
    assert untimed(tmp_path / "jobs") == untimed(tmp_path / "here")


def test_any_executor_does(tmp_path, plan):
    jnst.sweep(plan, tmp_path / "here")
    with ThreadPoolExecutor(1) as executor:
        jnst.sweep(plan, tmp_path / "thread", executor=executor)
    assert untimed(tmp_path / "thread") == untimed(tmp_path / "here")


def test_what_is_done_is_not_given_out_again(tmp_path, plan):
    jnst.sweep(plan, tmp_path / "sweep")
    orders = []
    jnst.sweep(plan, tmp_path / "sweep", executor=Here(orders.append))
    assert orders == []
    [point, *_] = jnst.read_sweep(tmp_path / "sweep")
    point.path.unlink()
    jnst.sweep(plan, tmp_path / "sweep", executor=Here(orders.append))
    [order] = orders
    assert point.id in {point.entry.id for point in order.task.points}
    assert len(jnst.read_sweep(tmp_path / "sweep")) == 12


def test_orders_are_small(tmp_path, plan):
    plan["grid"]["style_weight"] = np.linspace(1, 2, 16).tolist()
    sizes = []
    jnst.sweep(plan, tmp_path, executor=Here(lambda order: sizes.append(len(pickle.dumps(order)))))
    assert len(sizes) == 4 and max(sizes) < 30_000


def test_a_task_in_two_batches_tells_its_steps_once(tmp_path, plan):
    """Its worker has room for one point at a time."""
    orders = []
    plan["grid"] = {"style_weight": [1.0, 30.0]}
    network = jnst.load_network(plan["networks"])
    jnst.sweep(plan, tmp_path, executor=Here(orders.append))
    for path in tmp_path.glob("points/*"):
        path.unlink()
    seen = list(tasks.run_task(orders[0].task._replace(size=1), network))
    steps = [at.step for at in seen]
    assert steps == sorted(set(steps))
    assert {(at.points, at.steps) for at in seen} == {(2, 2 * plan["settings"]["steps"])}
    assert steps[-1] == 2 * plan["settings"]["steps"]


def test_a_batch_that_is_lost_is_given_out_again(tmp_path, plan):
    jnst.sweep(plan, tmp_path / "here")
    lost = []

    def lose(order):
        if len(lost) < 2 and order.task.points[0].config.style_layers == ("relu2_1",):
            lost.append(order)
            raise RuntimeError("the machine is gone")

    with pytest.warns(WorkerWarning, match=r"lost \(the machine is gone\); its 3 points"):
        jnst.sweep(plan, tmp_path / "there", executor=Here(lose))
    assert untimed(tmp_path / "there") == untimed(tmp_path / "here")


def test_a_batch_that_is_always_lost_has_failed(tmp_path, plan):
    def lose(order):
        if order.task.points[0].config.style_layers == ("relu2_1",):
            raise RuntimeError("the machine is gone")

    with pytest.warns(WorkerWarning):
        points = jnst.sweep(plan, tmp_path, executor=Here(lose))
    errors = [point.row["error"] for point in points]
    assert errors.count("lost 3 times with its worker") == 3 and errors.count(None) == 9


def test_a_worker_with_another_version_leaves_the_batches_to_others(tmp_path, plan, monkeypatch):
    jnst.sweep(plan, tmp_path / "here")
    real, calls = workers.versions, []

    def every_other(order):
        calls.append(order)
        old = ("0.0.1", real()[1])
        monkeypatch.setattr(workers, "versions", lambda: old if len(calls) % 2 else real())

    with pytest.warns(WorkerWarning, match=r"has jnst 0\.0\.1, the sweep was begun with"):
        jnst.sweep(plan, tmp_path / "there", executor=Here(every_other))
    assert untimed(tmp_path / "there") == untimed(tmp_path / "here")


def full_disk(*_, **__):
    raise OSError(28, "No space left on device")


class TwoWorkers(Executor):
    """One of another version, which gets each task for which it is free, and one that works."""

    def __init__(self):
        self._pools = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
        self._other = None

    def submit(self, function, /, order):
        if self._other is None or self._other.done():
            other = order._replace(versions=("0.0.1", jax.__version__))
            self._other = self._pools[0].submit(function, other)
            return self._other
        return self._pools[1].submit(function, order)

    def shutdown(self, wait=True, *, cancel_futures=False):
        for pool in self._pools:
            pool.shutdown()


def test_what_a_worker_refuses_goes_to_another_that_is_free(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 600.0)  # ends with the sweep
    with TwoWorkers() as executor, pytest.warns(WorkerWarning, match=": has jnst .*, the sweep"):
        points = jnst.sweep(plan, tmp_path, executor=executor, batch_size=1)
    assert [point.row["error"] for point in points] == [None] * 12


@pytest.mark.parametrize("lacks", ["version", "network", "picture", "memory", "disk"])
def test_what_no_worker_can_do_is_left(tmp_path, plan, monkeypatch, pictures, lacks):
    def begin(order):
        match lacks:
            case "version":
                monkeypatch.setattr(workers, "versions", lambda: ("0.0.1", "0.1"))
            case "network":
                monkeypatch.setattr(workers, "load_network", lambda _: network)
            case "picture":
                jnst.save_image(pictures[1], np.zeros((30, 30, 3)))
            case "memory":
                monkeypatch.setattr("jnst.runs.footprint.free_memory", lambda *_: 1000)
            case "disk":
                monkeypatch.setattr("jnst.sweeps.records.write_json", full_disk)

    workers._network.cache_clear()
    network = jnst.load_network(plan["networks"]).replace(digest="another")
    said = {
        "version": r"has jnst 0\.0\.1",
        "network": "another than the sweep was begun with",
        "picture": "has been replaced since the sweep began",
        "memory": "GB are free",
        "disk": f"{tmp_path / 'sweep'}: no space left on device",
    }[lacks]
    nobody = "no worker takes the 12 points that are left"
    with (
        pytest.warns(WorkerWarning, match=said),
        pytest.raises(jnst.SweepError, match=nobody),
    ):
        jnst.sweep(plan, tmp_path / "sweep", executor=Here(begin))
    assert jnst.read_sweep(tmp_path / "sweep") == []


def test_a_point_that_no_worker_can_run_holds_up_no_other(tmp_path, plan, monkeypatch):
    """What its worker wrote without a report is in the table."""
    plan["grid"]["style_layers"] = LAYERS[:1]
    prepare = tasks.job_of

    def job_of(point):
        if point.config.style_weight == 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return prepare(point)

    monkeypatch.setattr(tasks, "job_of", job_of)
    with (
        pytest.warns(WorkerWarning, match="RESOURCE_EXHAUSTED"),
        pytest.raises(jnst.SweepError, match="no worker takes"),
    ):
        jnst.sweep(plan, tmp_path, executor=Here())
    assert [float(row["style_weight"]) for row in table(tmp_path)] == [10, 30]


def test_an_own_loss_of_the_program_itself_is_refused(tmp_path, plan, forgotten):
    def distance(features, weights, target, layer):
        return features.sum()

    distance.__module__ = "__main__"
    mean = jnst.StyleLoss(lambda features, weights: features, distance, unit=lambda target: 1.0)
    jnst.register_style_loss("own_mean", mean)
    plan["settings"]["style_loss"] = "own_mean"
    with pytest.raises(jnst.SweepError, match="own_mean is of the program that is run"):
        jnst.sweep(plan, tmp_path / "sweep", executor=Here())


def test_an_executor_that_is_broken_is_told(tmp_path, plan):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(jnst.SweepError, match=r"executor is broken .*the same command continues"):
        jnst.sweep(plan, tmp_path, executor=executor)


def test_futures_that_another_cancels_are_of_a_broken_executor(tmp_path, plan):
    def cancel(order):
        if order.task.points[0].config.style_layers == ("relu2_1",):
            raise CancelledError

    with pytest.raises(jnst.SweepError, match="the executor is broken"):
        jnst.sweep(plan, tmp_path / "sweep", executor=Here(cancel))
    assert len(jnst.sweep(plan, tmp_path / "sweep")) == 12


def test_a_sweep_that_is_ended_leaves_checkpoints(tmp_path, plan):
    plan["settings"] |= {"steps": 3000, "optimizer": "adam"}
    plan["grid"]["style_layers"] = LAYERS[:1]
    with ThreadPoolExecutor(1) as executor:
        running = jnst.open_sweep(plan, tmp_path).run(executor)
        for progress in running:
            if progress.workers:
                break
        running.close()
    assert progress.workers[0].worker.endswith(f":{os.getpid()}")
    names = {path.suffix for path in (tmp_path / "batches").iterdir()}
    assert ".npz" in names and ".json" not in names
    assert jnst.read_sweep(tmp_path) == []


def test_workers_of_an_earlier_run_end(tmp_path, plan):
    """As those of a caller that was killed, when the same command has begun again."""
    orders = []
    jnst.sweep(plan, tmp_path, executor=Here(orders.append))
    for point in jnst.read_sweep(tmp_path):
        point.path.unlink()
    workers.begin_run(tmp_path, "another")
    assert workers.work(orders[0]) == workers.Report(stopped=True)
    workers.begin_run(tmp_path, orders[0].run)
    assert len(workers.work(orders[0]).records) == 3


def test_a_worker_that_is_taken_away_leaves_a_checkpoint(tmp_path, plan):
    """Each signal of a scheduler ends a task, which is given out again and goes on."""
    plan["settings"] |= {"steps": 30, "optimizer": "adam"}
    plan["grid"]["style_layers"] = LAYERS[:1]
    jnst.sweep(plan, tmp_path / "here")
    steps, left = [], [signal.SIGTERM, signal.SIGUSR2]
    run_task = workers.run_task

    def signaled(task, network, **options):
        running = run_task(task, network, **options)
        step = next(running)
        steps.append(step.step)
        if left:
            signal.raise_signal(left.pop())
        yield step
        return (yield from running)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "run_task", signaled)
        jnst.sweep(plan, tmp_path / "there", executor=Here())
    assert len(steps) == 3 and steps == sorted(set(steps))
    assert untimed(tmp_path / "there") == untimed(tmp_path / "here")


class Pending:
    """A job of an engine that is full."""

    state, canceled = "PENDING", False

    def done(self):
        return False

    def cancel(self, check):
        self.canceled = True


def test_jobs_that_are_cancelled_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(Submitted, "POLL", 0.01)
    job = Pending()
    executor = Submitted(SimpleNamespace(submit=lambda function: job))
    future = executor.submit(len)
    assert future.cancel() and job.canceled
    assert not wait([future], timeout=60).not_done
    executor.shutdown()


def test_a_scheduler_that_takes_no_more_keeps_nothing(tmp_path, plan):
    class Full(Executor):
        def submit(self, function, /, order):
            if given:
                raise RuntimeError("MaxSubmitJobs")
            given.append(Future())
            return given[0]

    given = []
    with pytest.raises(jnst.SweepError, match=r"executor is broken \(MaxSubmitJobs\)"):
        jnst.sweep(plan, tmp_path, executor=Full())
    assert given[0].cancelled()


def test_a_sweep_on_dask_that_is_ended_leaves_no_worker_at_work(tmp_path, plan, dask):
    plan["settings"] |= {"steps": 100_000, "optimizer": "adam"}
    plan["grid"]["style_layers"] = LAYERS[:1]
    with jnst.open_executor(dask) as executor:
        running = jnst.open_sweep(plan, tmp_path).run(executor)
        for progress in running:
            if progress.workers:
                break
        running.close()
        names = {path.suffix for path in (tmp_path / "batches").iterdir()}
    assert ".npz" in names and ".json" not in names


NEIGHBOR = """
import jax.numpy as jnp

def mean(features, weights):
    return features.mean((0, 1))

def distance(features, weights, target, layer):
    return jnp.mean((mean(features, weights) - target) ** 2)
"""

OWN = """
import multiprocessing, os, signal
from pathlib import Path
import jnst
from neighbor import distance, mean

jnst.register_style_loss("own_mean", jnst.StyleLoss(mean, distance, unit=lambda target: 1.0))
deaths = Path(__file__).with_name("deaths")
if multiprocessing.parent_process() and len(list(deaths.iterdir())) < 2:
    (deaths / str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def forgotten():
    """Plugins are forgotten after the test."""
    yield
    loaded.clear()
    sys.modules.pop("neighbor", None)


def test_processes_that_are_killed_are_replaced_and_know_own_losses(
    tmp_path, plan, call, forgotten
):
    """The first two processes are killed as they import the plugin that registers the loss."""
    (tmp_path / "deaths").mkdir()
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "neighbor.py").write_text(NEIGHBOR)
    plan["settings"]["style_loss"] = "own_mean"
    plan["grid"] = {"style_weight": [1.0, 30.0], "style_layers": [["relu1_1"]]}
    (tmp_path / "plan.toml").write_text(toml(plan))
    status, out, err = call(
        *("sweep", "plan.toml", "-o", "sweep", "--plugin", "own.py", "--executor", "processes:1")
    )
    assert (status, out) == (0, [])
    assert len(list((tmp_path / "deaths").iterdir())) == 2
    assert len(err) == 1 and "a worker was lost" in err[0]
    rows = table(tmp_path / "sweep")
    assert [row["style_loss"] for row in rows] == ["own_mean"] * 2
    assert [row["error"] for row in rows] == [""] * 2


CALLER = """
import sys
sys.path.insert(0, sys.argv[2])
from jnst.sweeps.executors import Processes
from support.in_processes import wait_for_the_end
if __name__ == "__main__":
    Processes(1).submit(wait_for_the_end, sys.argv[1]).result()
"""


def test_processes_end_with_a_caller_that_is_killed(tmp_path):
    for name in ("begun", "ended"):
        os.mkfifo(tmp_path / name)  # reading waits for who writes
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    tests = str(Path(__file__).parents[1])
    caller = subprocess.Popen([sys.executable, script, tmp_path, tests])
    assert (tmp_path / "begun").read_text() == "begun"
    caller.kill()
    caller.wait()
    assert (tmp_path / "ended").read_text() == "ended"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has it")
def test_processes_share_the_machine(monkeypatch):
    def shares():
        for place in range(2):
            with executors._process(place, 2) as pool:
                yield pool.submit(cores_and_devices).result()

    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    count = len(os.sched_getaffinity(0))
    assert sum(cores for cores, _ in shares()) == max(count, 2)
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert list(shares()) == [(count, "3"), (count, "5")]
    with pytest.raises(
        jnst.SweepError, match=r"'processes:3'; .* there are 2: processes:2 is accepted"
    ):
        jnst.open_executor("processes:3")


def test_names_of_executors_are_checked(tmp_path, plan, call):
    for name in ("processes:0", "processes:02", "processes", "dask:host", "ray", ""):
        with pytest.raises(jnst.SweepError, match="processes:N, dask://HOST:PORT and slurm are"):
            jnst.open_executor(name)
    with pytest.raises(jnst.SweepError, match="executor slurm: "):
        jnst.open_executor("slurm", tmp_path, {"partitoin": "gpu"})
    assert not (tmp_path / ".slurm").exists()
    (tmp_path / "plan.toml").write_text(toml(plan))
    status, out, err = call("sweep", "plan.toml", "-o", "sweep", "--executor", "ray", quiet=False)
    assert (status, out) == (2, [])
    assert err == ["jnst: executor is 'ray'; processes:N, dask://HOST:PORT and slurm are accepted"]
