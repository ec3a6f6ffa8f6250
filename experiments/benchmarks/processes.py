"""Running a worker process: its command, environment and report."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
from measures import Report
from rows import PRECISIONS, Job

HERE = Path(__file__).parent


class BenchmarkError(Exception):
    """The comparison cannot continue; has a message for the user and an exit status."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


def worker_command(job: Job, options: argparse.Namespace) -> list[str]:
    """The command line of a worker."""
    python = {"jnst": sys.executable, "torch": options.torch_python}[job.worker]
    device = ["--device", options.device] if job.worker == "torch" else []
    # On a CPU this is the default of JAX.
    precision = PRECISIONS[job.precision][job.worker] if options.device == "cuda" else ()
    return [
        *(python, str(HERE / f"{job.worker}_worker.py"), options.content, options.style),
        *("--network", str(options.network), "--size", str(job.size)),
        *("--optimizer", job.optimizer, "--steps", str(job.steps)),
        *(*job.options, *precision, *device),
    ]


def worker_environment(job: Job, options: argparse.Namespace) -> dict[str, str]:
    """The environment of a worker: the device of JAX, and its cache of programs if any."""
    environment = {**os.environ, "JAX_PLATFORMS": options.device}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    if job.cached:
        environment["JAX_COMPILATION_CACHE_DIR"] = str((options.output / "cache").resolve())
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return environment


def run_worker(job: Job, options: argparse.Namespace) -> Report:
    """Run one process; the report also has its start time and the load by other processes.

    `others` is the share of all cores that other processes used. Such load affects PyTorch more
    than JAX, because threads of OpenMP wait for each other.

    Raises:
        BenchmarkError: it failed.
    """
    command, environment = worker_command(job, options), worker_environment(job, options)
    started_at, others = time.time(), _seconds_of_others()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        reason = f"{last_line(ended.stderr)} (exit status {ended.returncode})"
        raise BenchmarkError(f"{job}: {reason}; the command was {shlex.join(command)}")
    available = (time.time() - started_at) * (os.cpu_count() or 1)
    others = max(0, _seconds_of_others() - others) / available
    return json.loads(ended.stdout) | {"started_at": started_at, "others": others}


def last_line(text: str) -> str:
    """The last line of an output, which has the error of Python."""
    return (text.strip().splitlines() or ["no message"])[-1]


def _seconds_of_others() -> float:
    """CPU seconds since the start of the machine, without this process and its ended children."""
    machine, own = psutil.cpu_times(), os.times()
    return machine.user + machine.system - sum(own[:4])
