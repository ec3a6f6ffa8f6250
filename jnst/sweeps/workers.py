"""What a worker of an executor does: a task, from files that it finds, in its own memory."""

import errno
import functools
import importlib
import os
import platform
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst.common.errors import NotEnoughMemoryError, one_line, reason
from jnst.common.plugins import load_plugin
from jnst.common.version import __version__
from jnst.images.files import ImageError
from jnst.networks.loading import load_network
from jnst.networks.vgg import Network
from jnst.objective.style_losses import fingerprint
from jnst.settings.style_loss_names import registered
from jnst.sweeps.folder import SweepError, read_json, write_json
from jnst.sweeps.tasks import BATCHES, ReplacedError, Task, TaskStep, run_task

SECONDS_BETWEEN_SIGNS = 5.0
"""Between two signs of life of a worker."""

PAUSE = 3.0
"""Seconds that a worker that refuses a task is busy for its engine, which gives it to another."""

RUN = "run"
"""The file that says which run of a sweep its workers are to work for; of another they end."""

REFUSED = ".refused"
"""How the names of the files end in which workers say what they refuse."""

ELSEWHERE = (OSError, MemoryError, NotEnoughMemoryError, ReplacedError, ImageError)
"""Failures that another worker may not have."""


class OwnLoss(NamedTuple):
    """A style loss that a program registers: its name, its fingerprint, its module and its file."""

    name: str
    fingerprint: str
    module: str
    file: str


class Order(NamedTuple):
    """A task, which run of the sweep gives it out, and what its results depend on.

    `plugins` are imported if the module of a loss does not register it.
    """

    task: Task
    run: str
    versions: tuple[str, str]
    losses: tuple[OwnLoss, ...]
    plugins: tuple[str, ...] = ()


class Report(NamedTuple):
    """What became of an order: the records, without histories; or why this worker has none.

    `refusal` says what the worker lacks; `stopped` is that it was ended, and has left a checkpoint.
    """

    records: tuple[dict[str, Any], ...] = ()
    refusal: str = ""
    stopped: bool = False


class Sign(NamedTuple):
    """What a worker is doing: the task that it has, by name, and where in it it is."""

    worker: str
    task: str
    at: TaskStep


class Refusal(NamedTuple):
    """A task that a worker refuses, by name, and why; no two have the same `id`."""

    id: str
    task: str
    reason: str


class RefusedError(Exception):
    """An order that this worker cannot take; the message says why."""


def versions() -> tuple[str, str]:
    """Those of jnst and of JAX: others make other pictures."""
    return __version__, jax.__version__


def own_losses(names: set[str]) -> tuple[OwnLoss, ...]:
    """The registered ones among some style losses, as another process finds them.

    Raises:
        SweepError: one is of the program itself, which no worker may run again.
    """
    found = []
    for name in sorted(names & registered.keys()):
        module = sys.modules[registered[name].distance.__module__]
        if module.__name__ == "__main__":
            raise SweepError(
                f"style loss {name} is of the program that is run; workers can import a module"
            )
        file = os.path.abspath(getattr(module, "__file__", None) or "")
        found.append(OwnLoss(name, fingerprint(name), module.__name__, file))
    return tuple(found)


def work(order: Order) -> Report:
    """Run a task on this machine, and say what became of it. Its points are written from here."""
    try:
        _check(order)
        return _run(order, _network(order.task.network, order.task.digest))
    except (RefusedError, *ELSEWHERE) as error:
        refusal = f"{platform.node()}: {_reason(error, order.task.folder)}"
        _pause(order, refusal)
        return Report(refusal=refusal)


def _reason(error: Exception, folder: str) -> str:
    """Why a task is refused, in one line; the same for all files of a folder without room."""
    if isinstance(error, OSError):
        full = error.errno == errno.ENOSPC
        return reason(OSError(error.errno, error.strerror, folder) if full else error)
    return one_line(error)


def _pause(order: Order, refusal: str) -> None:
    """Tell a refusal, and keep the place at which the engine would give this worker the same."""
    batches, end = Path(order.task.folder) / BATCHES, time.monotonic() + PAUSE
    path = batches / f"{secrets.token_hex(4)}{REFUSED}"
    with suppress(OSError):  # it is in the report too
        write_json(path, [order.run, order.task.name, refusal])
    while time.monotonic() < end and read_json(batches / RUN) == order.run:
        time.sleep(0.2)
    with suppress(OSError):
        path.unlink()


def _run(order: Order, network: Network) -> Report:
    task, last = order.task, -SECONDS_BETWEEN_SIGNS
    worker = f"{platform.node()}:{os.getpid()}"
    batches = Path(task.folder) / BATCHES
    sign = batches / f"{task.name}.json"
    at = TaskStep(len(task.points), 0, task.points[0].config.steps)
    os.makedirs(batches, exist_ok=True)
    with end_asked_for() as asked:
        running = run_task(task, network, passed_on=ELSEWHERE)
        try:
            while True:
                if time.monotonic() - last >= SECONDS_BETWEEN_SIGNS:
                    write_json(sign, [order.run, worker, *at])
                    last = time.monotonic()
                if asked.is_set() or read_json(batches / RUN) != order.run:
                    return Report(stopped=True)
                at = next(running)
        except StopIteration as ended:
            records = tuple(record | {"history": None} for record in ended.value)
            return Report(records)
        finally:
            running.close()
            sign.unlink(missing_ok=True)


def signs(folder: Path, run: str) -> list[Sign]:
    """What the workers of a run of a sweep are doing, as they said last."""
    seen = []
    for path in sorted((folder / BATCHES).glob("*.json")):
        match read_json(path):
            case [said, str(worker), int(points), int(step), int(steps)] if said == run:
                seen.append(Sign(worker, path.stem, TaskStep(points, step, steps)))
    return seen


def refusals(folder: Path, run: str) -> list[Refusal]:
    """What the workers of a run of a sweep refuse, as long as they pause."""
    seen = []
    for path in (folder / BATCHES).glob(f"*{REFUSED}"):
        match read_json(path):
            case [said, str(task), str(why)] if said == run:
                seen.append(Refusal(path.stem, task, why))
    return seen


def begin_run(folder: Path, run: str) -> None:
    """Have workers work for this run; those of another one leave a checkpoint and end."""
    (folder / BATCHES).mkdir(exist_ok=True)
    write_json(folder / BATCHES / RUN, run)


def end_run(folder: Path) -> None:
    """Have all workers leave a checkpoint and end, each after the step in hand."""
    (folder / BATCHES / RUN).unlink(missing_ok=True)


def _check(order: Order) -> None:
    """RefusedError unless this process would make the same pictures as the one who asks."""
    for name, here, there in zip(("jnst", "JAX"), versions(), order.versions, strict=True):
        if here != there:
            raise RefusedError(f"has {name} {here}, the sweep was begun with {there}")
    for loss in order.losses:
        if loss.name not in registered:
            _import(loss, order.plugins)
        if loss.name not in registered or fingerprint(loss.name) != loss.fingerprint:
            raise RefusedError(f"style loss {loss.name} is not there, or is another")


def _import(loss: OwnLoss, plugins: Sequence[str]) -> None:
    """Import the module of a loss, by name or from its file, and plugins until one registers it."""
    try:
        try:
            importlib.import_module(loss.module)
        except ImportError:
            load_plugin(loss.file)
        for plugin in plugins:
            if loss.name not in registered:
                load_plugin(plugin)
    except ValueError as error:
        raise RefusedError(f"style loss {loss.name}: {error}") from None


@functools.lru_cache(maxsize=2)
def _network(name: str, digest: str) -> Network:
    """The network of a sweep; RefusedError if it is not there, or another."""
    try:
        network = load_network(name)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    if network.digest != digest:
        raise RefusedError(f"network {name} is another than the sweep was begun with")
    return network


@contextmanager
def end_asked_for() -> Iterator[threading.Event]:
    """An event that is set by the signals with which schedulers take a machine away.

    They are SIGTERM, and SIGUSR2, which submitit has Slurm send. Only a main thread gets signals.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]
    before = [signal.signal(number, lambda *_: asked.set()) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)  # None: it was not Python's
