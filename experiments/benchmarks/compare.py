"""jnst against PyTorch: the same objective, network and pictures, in turn, on one machine.

    python experiments/benchmarks/compare.py photo.jpg painting.jpg -o FOLDER

Every measurement is a process of its own, of jnst and PyTorch in turn, so that what else the
machine does hits both; every round goes through all of them, and medians are taken over rounds.
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

from measures import Report
from plot import plot_losses
from processes import HERE, BenchmarkError, last_line, run_worker, worker_command
from rich.console import Console
from rich.table import Table
from rows import ROWS, Job, Line, Runs, loss_curves
from worker import CHUNK

EMBEDDED = HERE.parents[1] / "weights" / "embedded.h5"

TOLERANCE = 0.01
"""Of the first losses, relative: the same image under the same objective."""

BUSY = 0.05
"""Share of the machine that other processes may have before a line says so."""


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--torch-python", default=sys.executable, help="a Python with PyTorch; unset: this one"
    )
    parser.add_argument("--network", default=EMBEDDED, help="a canonical .h5 file")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loss-rounds", type=int, default=1, help="of the row loss, which is long")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 512, 1024], help="of step, pixels, floor"
    )
    parser.add_argument(
        "--size", type=int, default=512, help="of loss, memory, start; batch takes half of it"
    )
    parser.add_argument("--steps", type=int, default=15, help="of a run whose steps are timed")
    parser.add_argument("--gradients", type=int, default=200, help="of the row loss")
    options = parser.parse_args(arguments)
    if options.steps < 2 * CHUNK:
        parser.error(
            f"--steps is {options.steps}; the first {CHUNK} are not counted, 10 are needed"
        )
    if "pixels" in options.only and len(set(options.sizes)) < 2:
        parser.error("the row pixels needs two --sizes")
    return options


def check_modules(options: argparse.Namespace) -> None:
    """What hours of measuring would end with, were it not there.

    Raises:
        BenchmarkError: PyTorch or matplotlib is missing.
    """
    command = [options.torch_python, "-c", "import torch, h5py, numpy, PIL"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BenchmarkError(f"{options.torch_python}: {error.strerror}", 2) from None
    if tried.returncode:
        reason = last_line(tried.stderr)
        raise BenchmarkError(
            f"{options.torch_python} has no PyTorch ({reason}); "
            "pip install '.[benchmarks]', or name another Python by --torch-python",
            2,
        )
    if "loss" in options.only and importlib.util.find_spec("matplotlib") is None:
        raise BenchmarkError(
            "matplotlib is missing, which draws the row loss; pip install '.[benchmarks]'", 2
        )


def schedule(jobs: Sequence[Job], options: argparse.Namespace) -> Iterator[tuple[int, Job]]:
    """Round and run; round 0 is not counted.

    It has each kind of process once, for what is read from the disk only the first time, and so
    that JAX's cache is full.
    """
    kinds: dict[tuple[str, str], Job] = {}
    for job in jobs:
        kinds.setdefault((job.worker, job.optimizer if job.cached else ""), job)
    for job in kinds.values():
        yield 0, dataclasses.replace(job, steps=1)
    for number in range(1, max(options.rounds, options.loss_rounds) + 1):
        for job in jobs:
            if number <= (options.loss_rounds if job.long else options.rounds):
                yield number, job


def check_same(job: Job, report: Report, first: dict[int, Report]) -> None:
    """Hold a report against the first one of its size.

    Raises:
        BenchmarkError: the size of the image differs, or its loss before the first step.
    """
    other = first.setdefault(job.size, report)
    if report["shape"] != other["shape"]:
        raise BenchmarkError(
            f"the picture of {describe(job)} is {report['shape']}, of another run {other['shape']}"
        )
    full_size = report["size"][0] == other["size"][0]
    if not full_size or job.precision == "bfloat16":
        return
    loss, expected = report["loss"][0], other["loss"][0]
    if abs(loss - expected) > TOLERANCE * expected:
        raise BenchmarkError(
            f"the first loss of {describe(job)} is {loss:.6g}, of another run {expected:.6g}: "
            "a picture that is not plain sRGB?"
        )


def measure(jobs: Sequence[Job], options: argparse.Namespace, results: dict[str, Any]) -> Runs:
    """Run everything; `results` is written with all raw numbers after each run."""
    reports: dict[Job, list[Report]] = {job: [] for job in jobs}
    first: dict[int, Report] = {}
    for number, job in schedule(jobs, options):
        started = time.perf_counter()
        report = run_worker(job, options)
        check_same(job, report, first)
        show(f"round {number}: {describe(job)}, {time.perf_counter() - started:.0f} s")
        if report["others"] > BUSY:
            show(f"other processes had {report['others']:.0%} of the machine: times are not sound")
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


def describe(job: Job) -> str:
    """A run in a few words."""
    words = [job.worker, job.optimizer, f"{job.size} px,", f"{job.steps} steps", job.precision]
    return " ".join([*words, *job.options, *(["cached"] if job.cached else [])])


def show(text: str) -> None:
    """How far it is, for a person."""
    print(text, file=sys.stderr, flush=True)


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """FOLDER/results.json."""
    text = json.dumps(results, indent=1, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", "utf-8")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    if (table := Path("/proc/cpuinfo")).exists():
        names = [line for line in table.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    return {"system": platform.platform(), "processor": model, "cores": os.cpu_count()}


def cell(value: Any) -> str:
    """A value of a table."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def print_table(title: str, lines: Sequence[Line]) -> None:
    """A title, and the lines under the names of their values."""
    table = Table(*lines[0], box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in lines:
        table.add_row(*map(cell, line.values()))
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    console.print(title, table, "", sep="\n")


def compare(options: argparse.Namespace) -> None:
    """Measure, print the tables, and write the results.

    Raises:
        BenchmarkError: something is missing, a worker failed, or they did not do the same.
    """
    check_modules(options)
    options.output.mkdir(parents=True, exist_ok=True)
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
    for name, lines in results["rows"].items():
        print_table(f"{name}: {ROWS[name].title}", lines)
    if "loss" in selected:
        curves = loss_curves(runs, options)
        plot_losses(options.output / "loss.png", {name: each[0] for name, each in curves.items()})
    print(options.output / "results.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 if something is missing, 1 for a worker that failed."""
    options = read_arguments(arguments)
    try:
        compare(options)
    except BenchmarkError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
