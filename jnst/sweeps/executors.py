"""Executors by name: processes of this machine, Dask, Slurm. JAX is not imported here."""

import concurrent.futures
import contextlib
import importlib
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from jnst.common.errors import one_line
from jnst.sweeps.folder import SweepError

NAMES = "processes:N, dask://HOST:PORT and slurm"

SECONDS_TO_END = 30.0
"""That a process has to leave a checkpoint when its caller was killed."""


@contextlib.contextmanager
def opened_executor(
    given: Executor | str | None, folder: str | os.PathLike[str], slurm: Mapping[str, Any]
) -> Iterator[Executor | None]:
    """The executor that is given, or a new one of that name, which ends with the context."""
    if not isinstance(given, str):
        yield given
        return
    with open_executor(given, folder, slurm) as executor:
        yield executor


def open_executor(
    name: str, folder: str | os.PathLike[str] = ".", slurm: Mapping[str, Any] | None = None
) -> Executor:
    """The executor of a name.

    "processes:N": N processes of this machine, each with a GPU if there are GPUs, else with its
    share of the cores; they import the script that asks for them, which needs
    `if __name__ == "__main__":`, and is itself to leave the GPUs alone:
    `jax.config.update("jax_platforms", "cpu")`. "dask://HOST:PORT": the workers of a Dask scheduler
    (package `distributed`). "slurm": a job for each task (package `submitit`), with the options of
    `sbatch` that `slurm` has; its logs are in a hidden folder of `folder`.

    Raises:
        SweepError: another name, more processes than GPUs, a package that is not installed, a
            scheduler that does not answer, an option that is not accepted.
    """
    check_executor(name)
    kind, _, rest = name.partition(":")
    if kind == "processes":
        gpus = len(_gpus())
        if 0 < gpus < int(rest):  # each takes most of a GPU's memory
            raise SweepError(
                f"executor is {name!r}; each process has a GPU, and there are {gpus}: "
                f"processes:{gpus} is accepted, or JAX_PLATFORMS=cpu for the cores"
            )
        return Processes(int(rest))
    if kind == "dask":
        return _dask(f"tcp:{rest}")
    return _slurm(Path(folder) / ".slurm", slurm or {})


def check_executor(name: str) -> None:
    """SweepError unless there is an executor of that name."""
    if not re.fullmatch(r"processes:[1-9][0-9]*|dask://[^/]+:[0-9]+|slurm", name, re.ASCII):
        raise SweepError(f"executor is {name!r}; {NAMES} are accepted")


def _imported(package: str, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise SweepError(
            f"package {package} is not installed; pip install 'jnst[{extra}]' brings it"
        ) from None


def _dask(address: str) -> Executor:
    distributed = _imported("distributed", "cluster")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except OSError as error:
        raise SweepError(f"executor {address}: {one_line(error)}") from None
    return Cluster(client)


class Cluster(Executor):
    """The workers of a Dask scheduler, left with the executor whatever became of the scheduler."""

    def __init__(self, client: Any) -> None:
        self._client, self._executor = client, client.get_executor(pure=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """Have a worker call a function."""
        return self._executor.submit(function, *arguments, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the scheduler."""
        self._client.close(timeout=5)


def _slurm(logs: Path, options: Mapping[str, Any]) -> Executor:
    submitit = _imported("submitit", "slurm")
    try:
        engine = submitit.SlurmExecutor(logs)
        engine.update_parameters(**options)
    except Exception as error:  # no sbatch, an option that it does not know
        raise SweepError(f"executor slurm: {one_line(error)}") from None
    return Submitted(engine)


class Processes(Executor):
    """Processes of this machine, one task at a time each.

    A process that dies is replaced, and its task alone is lost (BrokenProcessPool). A process has
    one GPU of its own if there are any, else its share of the cores.
    """

    def __init__(self, count: int) -> None:
        self._tasks: SimpleQueue[tuple[Future, Callable[..., Any], tuple]] = SimpleQueue()
        self._closed, self._lock = threading.Event(), threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, args=(place, count), daemon=True)
            for place in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """Have a process call a function."""
        future: Future = Future()
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("the processes have been shut down")
            self._tasks.put((future, function, (arguments, options)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, each after the task that it has."""
        with self._lock:
            self._closed.set()
        if cancel_futures:
            with contextlib.suppress(Empty):
                while True:
                    self._tasks.get_nowait()[0].cancel()
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, place: int, count: int) -> None:
        pool = None
        while not (self._closed.is_set() and self._tasks.empty()):
            try:
                future, function, (arguments, options) = self._tasks.get(timeout=0.1)
            except Empty:
                continue
            if not future.set_running_or_notify_cancel():
                continue
            try:
                pool = pool or _process(place, count)
                future.set_result(pool.submit(function, *arguments, **options).result())
            except BaseException as error:
                if isinstance(error, BrokenProcessPool):
                    pool = None
                future.set_exception(error)
        if pool:
            pool.shutdown()


def _process(place: int, count: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, context, initializer=_begin_process, initargs=(place, count))


def _begin_process(place: int, count: int) -> None:
    """What a process is given of the machine, before it imports JAX."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller's, who tells its workers
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    if gpus := _gpus():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place]
    elif hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[place % len(cores) :: count])


def _end_with_the_caller() -> None:
    """Of a killed caller's queue no end is seen, for which a process would wait forever."""
    caller = multiprocessing.parent_process()
    assert caller is not None
    caller.join()
    os.kill(os.getpid(), signal.SIGTERM)  # leaves a checkpoint
    time.sleep(SECONDS_TO_END)
    os._exit(1)


def _gpus() -> list[str]:
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them; none if JAX uses the CPU."""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return list(filter(None, given.split(",")))
    # CUDA counts those that it sees from 0, whatever their numbers are on the machine.
    return list(map(str, range(len(list(Path("/dev").glob("nvidia[0-9]*"))))))


class Submitted(Executor):
    """An executor of `submitit`, each task a job, as one of `concurrent.futures`."""

    POLL = 1.0

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._futures: set[_JobFuture] = set()
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """Have a job call a function."""
        # Jobs that a job submits would take over its environment.
        with importlib.import_module("submitit.helpers").clean_env():
            future = _JobFuture(self._engine.submit(function, *arguments, **options))
        with self._lock:
            self._futures.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs, or cancel them."""
        with self._lock:
            futures = list(self._futures)
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            concurrent.futures.wait(futures)
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self.POLL):
            with self._lock:
                futures = list(self._futures)
            for future in futures:
                if future.cancelled() or future.take_result():
                    with self._lock:
                        self._futures.remove(future)


class _JobFuture(Future):
    """What becomes of a job of `submitit`."""

    def __init__(self, job: Any) -> None:
        super().__init__()
        self.job = job

    def take_result(self) -> bool:
        """Whether the job has ended, whose result this then has."""
        try:
            if not self.job.done():
                return False
        except OSError:  # a file system that does not answer is asked again
            return False
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # cancelled meanwhile
            try:
                self.set_result(self.job.result())
            except Exception as error:
                self.set_exception(error)
        return True

    def cancel(self) -> bool:
        """Cancel a job that has not begun."""
        if self.job.state not in ("PENDING", "UNKNOWN") or not super().cancel():
            return False
        self.set_running_or_notify_cancel()  # whoever waits for it learns of it
        self.job.cancel(check=False)  # it may have ended by now
        return True
