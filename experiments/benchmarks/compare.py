"""jnst against PyTorch: the same objective, network and pictures, in turn, on one machine.

    python experiments/benchmarks/compare.py photo.jpg painting.jpg -o FOLDER

Each measurement is a separate process; jnst and PyTorch take turns, so that other load on the
machine affects both. Each round repeats all measurements; results are medians over the rounds.
Writes FOLDER/results.json, with all raw numbers, and FOLDER/loss.png.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arguments import read_arguments
from measures import Report
from plot import plot_losses
from printing import print_table
from processes import BenchmarkError, last_line, run_worker, worker_command
from rows import ROWS, Job, Runs, loss_curves

from jnst.common.atomic import atomic_path

TOLERANCE = 0.01
"""Relative tolerance of the first losses, which have the same image and objective."""

BUSY = 0.02
"""Share of the machine used by other processes above which a line is printed."""


def check_start(options: argparse.Namespace) -> None:
    """Check everything that would otherwise fail after hours.

    Raises:
        BenchmarkError: a file, PyTorch or matplotlib is missing, or there are results already.
    """
    for path in (options.content, options.style, options.network):
        if not Path(path).is_file():
            raise BenchmarkError(f"there is no file {path}", 2)
    if (earlier := results_path(options.output)).exists():
        raise BenchmarkError(f"{earlier} is there already; name another folder", 2)
    command = [options.torch_python, "-c", "import torch, h5py, numpy, PIL"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BenchmarkError(f"{options.torch_python}: {error.strerror}", 2) from None
    if tried.returncode:
        reason = last_line(tried.stderr)
        raise BenchmarkError(
            f"{options.torch_python} lacks what PyTorch's side needs ({reason}); "
            "pip install '.[benchmarks]', or name another Python by --torch-python",
            2,
        )
    if "loss" in options.only and importlib.util.find_spec("matplotlib") is None:
        raise BenchmarkError(
            "matplotlib is missing, which draws the row loss; pip install '.[benchmarks]'", 2
        )


def schedule(jobs: Sequence[Job], options: argparse.Namespace) -> Iterator[tuple[int, Job]]:
    """Yield the round and the run of each process; round 0 is not counted.

    Round 0 has each kind of process once, so that files are in the cache of the disk and programs
    in the cache of JAX.
    """
    kinds: dict[tuple[str, str], Job] = {}
    for job in jobs:
        compiled = "--compile" in job.options  # which needs a compiler of C++
        kinds.setdefault((job.worker, job.optimizer if job.cached else "", compiled), job)
    for job in kinds.values():
        yield 0, dataclasses.replace(job, steps=1)
    for number in range(1, max(options.rounds, options.loss_rounds) + 1):
        for job in jobs:
            if number <= (options.loss_rounds if job.long else options.rounds):
                yield number, job


def check_same(job: Job, report: Report, first: dict[int, Report]) -> None:
    """Compare a report with the first one of its size.

    Raises:
        BenchmarkError: the size of the image or its first loss differs, or that loss is not finite.
    """
    other = first.setdefault(job.size, report)
    if report["shape"] != other["shape"]:
        raise BenchmarkError(
            f"the picture of {job} is {report['shape']}, of another run {other['shape']}"
        )
    full_size = report["size"][0] == other["size"][0]
    if not full_size or job.precision == "bfloat16":
        return
    loss, expected = report["loss"][0], other["loss"][0]
    if loss is None or expected is None:
        raise BenchmarkError(f"the first loss of {job}, or of another run, is not finite")
    if abs(loss - expected) > TOLERANCE * expected:
        raise BenchmarkError(
            f"the first loss of {job} is {loss:.6g}, of another run {expected:.6g}: "
            "a picture that is not plain sRGB?"
        )


def measure(jobs: Sequence[Job], options: argparse.Namespace, results: dict[str, Any]) -> Runs:
    """Run everything; all raw numbers are written to `results` after each run."""
    reports: dict[Job, list[Report]] = {job: [] for job in jobs}
    first: dict[int, Report] = {}
    for number, job in schedule(jobs, options):
        started = time.perf_counter()
        report = run_worker(job, options)
        check_same(job, report, first)
        show(f"round {number}: {job}, {time.perf_counter() - started:.0f} s")
        if report["others"] > BUSY:
            show(f"other processes had {report['others']:.0%} of the machine")
        if number:
            reports[job].append(report)
        results["runs"].append(
            {
                "round": number,
                "job": dataclasses.asdict(job),
                "command": worker_command(job, options),
                "report": report,
            }
        )
        write_results(options.output, results)
    return reports


def show(text: str) -> None:
    """Print the progress."""
    print(text, file=sys.stderr, flush=True)


def results_path(folder: Path) -> Path:
    """The file with all raw numbers."""
    return folder / "results.json"


def make_folder(folder: Path) -> None:
    """Create the folder of the results if it does not exist.

    Raises:
        BenchmarkError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(f"{folder}: {error.strerror}", 2) from None


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write FOLDER/results.json."""
    text = json.dumps(results, indent=1, allow_nan=False)
    with atomic_path(results_path(folder)) as path:
        path.write_text(text + "\n", "utf-8")


def machine() -> dict[str, Any]:
    """A description of the machine."""
    model = platform.processor() or platform.machine()
    if (table := Path("/proc/cpuinfo")).exists():
        names = [line for line in table.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    return {"system": platform.platform(), "processor": model, "cores": os.cpu_count()}


def print_unsound(runs: Runs) -> None:
    """Print a line if other processes used much of the machine."""
    shares = [report["others"] for reports in runs.values() for report in reports]
    if busy := [share for share in shares if share > BUSY]:
        print(
            f"NOT SOUND: in {len(busy)} of {len(shares)} runs other processes had more than "
            f"{BUSY:.0%} of the machine, up to {max(busy):.0%}",
            end="\n\n",
        )


def compare(options: argparse.Namespace) -> None:
    """Measure, print the tables, and write the results.

    Raises:
        BenchmarkError: something is missing, a worker failed, or the workers' losses differ.
    """
    check_start(options)
    make_folder(options.output)
    selected = {name: row for name, row in ROWS.items() if name in options.only}
    jobs = list(dict.fromkeys(job for row in selected.values() for job in row.jobs(options)))
    results: dict[str, Any] = {
        "command": sys.argv,
        "options": {name: str(value) for name, value in vars(options).items()},
        "machine": machine(),
        "runs": [],
    }
    runs = measure(jobs, options, results)
    results["versions"] = {
        job.worker: reports[0]["versions"] | {"device": reports[0]["device"]}
        for job, reports in runs.items()
    }
    results["rows"] = {name: row.lines(runs, options) for name, row in selected.items()}
    write_results(options.output, results)
    print(json.dumps(results["machine"] | results["versions"]), end="\n\n")
    print_unsound(runs)
    for name, lines in results["rows"].items():
        print_table(f"{name}: {ROWS[name].title}", lines)
    if "loss" in selected:
        curves = loss_curves(runs, options)
        plot_losses(options.output / "loss.png", {name: each[0] for name, each in curves.items()})
    print(results_path(options.output))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 if something is missing, 1 if a worker failed."""
    options = read_arguments(arguments, __doc__)
    try:
        compare(options)
    except BenchmarkError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
