"""The rows of the comparison: the runs that each needs, and its table."""

import argparse
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from measures import (
    Curve,
    Report,
    curve,
    first_reached,
    log_slope,
    loss_after,
    median,
    pixels,
    ratio,
    step_seconds,
)

MEMORY_STEPS = 25
"""Enough steps to fill the history of L-BFGS."""

BATCHES = {"cpu": (1, 4, 8), "cuda": (1, 2, 4, 8, 16)}
"""Pictures in one program, by device."""

LEVELS = 3

PRECISIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "float32": {"jnst": ("--matmul-precision", "highest"), "torch": ()},
    "tf32": {"jnst": ("--matmul-precision", "tensorfloat32"), "torch": ("--tf32",)},
    "bfloat16": {
        "jnst": ("--matmul-precision", "tensorfloat32", "--set", "precision=bfloat16"),
        "torch": ("--tf32", "--dtype", "bfloat16"),
    },
}
"""Options of the workers for each precision on a GPU; a CPU has only float32."""


VARIANTS: dict[str, tuple[str, ...]] = {
    "eager": (),
    "channels_last": ("--channels-last",),
    "compiled": ("--compile",),
    "compiled, channels_last": ("--compile", "--channels-last"),
}
"""Options of PyTorch's worker for each of its own ways to be faster."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One process of a worker; rows that need the same one share it.

    `cached`: compiled programs are in the persistent cache of JAX. `long`: it has its own number of
    rounds.
    """

    worker: str
    size: int
    optimizer: str
    steps: int
    options: tuple[str, ...] = ()
    precision: str = "float32"
    cached: bool = False
    long: bool = False

    def __str__(self) -> str:
        """The run in a few words."""
        words = [self.worker, self.optimizer, f"{self.size} px,", f"{self.steps} steps"]
        return " ".join([*words, self.precision, *self.options, *["cached"] * self.cached])


Runs = Mapping[Job, Sequence[Report]]
Line = dict[str, Any]


class Row(NamedTuple):
    """One table: the runs that it needs, in order, and its lines, all with the same columns."""

    title: str
    jobs: Callable[[argparse.Namespace], list[Job]]
    lines: Callable[[Runs, argparse.Namespace], list[Line]]


def milliseconds(runs: Runs, job: Job) -> float:
    """The median time of a step."""
    return 1e3 * step_seconds(runs[job])


def step_job(
    worker: str, size: int, optimizer: str, options: argparse.Namespace, precision: str = "float32"
) -> Job:
    """The run whose steps are timed; jnst first times a matrix product too."""
    more = ("--matrix-rate",) if worker == "jnst" else ()
    return Job(worker, size, optimizer, options.steps, more, precision)


def step_cases(options: argparse.Namespace) -> list[tuple[int, str, str]]:
    """Size, optimizer and precision of each line of `step`."""
    precisions = list(PRECISIONS) if options.device == "cuda" else ["float32"]
    return list(itertools.product(options.sizes, ("adam", "lbfgs"), precisions))


def step_jobs(options: argparse.Namespace) -> list[Job]:
    return [
        step_job(worker, size, optimizer, options, precision)
        for size, optimizer, precision in step_cases(options)
        for worker in ("jnst", "torch")
    ]


def step_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    lines = []
    for size, optimizer, precision in step_cases(options):
        jnst, torch, adam = (
            milliseconds(runs, step_job(worker, size, name, options, precision))
            for worker, name in (("jnst", optimizer), ("torch", optimizer), ("jnst", "adam"))
        )
        lines.append(
            {
                "size": size,
                "optimizer": optimizer,
                "precision": precision,
                "jnst ms": jnst,
                "PyTorch ms": torch,
                "jnst / PyTorch": jnst / torch,
                "jnst / its Adam": jnst / adam,
            }
        )
    return lines


def variant_job(variant: str, size: int, options: argparse.Namespace, precision: str) -> Job:
    job = step_job("torch", size, "adam", options, precision)
    return dataclasses.replace(job, options=VARIANTS[variant])


def adam_cases(options: argparse.Namespace) -> list[tuple[int, str]]:
    """Size and precision of each case of `step` with Adam."""
    return [(size, each) for size, name, each in step_cases(options) if name == "adam"]


def variants_jobs(options: argparse.Namespace) -> list[Job]:
    return [
        job
        for size, precision in adam_cases(options)
        for job in (
            step_job("jnst", size, "adam", options, precision),
            *(variant_job(variant, size, options, precision) for variant in VARIANTS),
        )
    ]


def variants_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    lines = []
    for size, precision in adam_cases(options):
        jnst = milliseconds(runs, step_job("jnst", size, "adam", options, precision))
        times = {
            variant: milliseconds(runs, variant_job(variant, size, options, precision))
            for variant in VARIANTS
        }
        line: Line = {"size": size, "precision": precision, "jnst ms": jnst}
        line |= {f"PyTorch ms, {variant}": value for variant, value in times.items()}
        lines.append(line | {"jnst / PyTorch's best": jnst / min(times.values())})
    return lines


def adam_jobs(options: argparse.Namespace) -> list[Job]:
    return [
        step_job(worker, size, "adam", options)
        for size in options.sizes
        for worker in ("jnst", "torch")
    ]


def pixels_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    lines = []
    for worker, name in (("jnst", "jnst"), ("torch", "PyTorch")):
        jobs = [step_job(worker, size, "adam", options) for size in sorted(set(options.sizes))]
        times = [milliseconds(runs, job) for job in jobs]
        areas = [pixels(runs[job][0]) for job in jobs]
        *_, smaller, larger = jobs
        lines.append(
            {
                "framework": name,
                "slope": log_slope(areas, times),
                "sizes": f"{larger.size} / {smaller.size}",
                "time": times[-1] / times[-2],
                "pixels": areas[-1] / areas[-2],
            }
        )
    return lines


def floor_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    lines = []
    for size in options.sizes:
        jnst, torch = (step_job(worker, size, "adam", options) for worker in ("jnst", "torch"))
        rate = median([report["operations_a_second"] for report in runs[jnst]])
        operations = runs[jnst][0]["operations"]
        floor = 1e3 * operations / rate
        lines.append(
            {
                "size": size,
                "10^9 operations": operations / 1e9,
                "10^9 a second": rate / 1e9,
                "floor ms": floor,
                "floor / jnst": floor / milliseconds(runs, jnst),
                "floor / PyTorch": floor / milliseconds(runs, torch),
            }
        )
    return lines


def loss_jobs_by_name(options: argparse.Namespace) -> dict[str, Job]:
    """The runs whose losses are drawn."""
    levels = ("--levels", str(LEVELS))
    wolfe = ("--line-search", "strong_wolfe")
    cases = {
        "jnst L-BFGS": ("jnst", "lbfgs", ()),
        "PyTorch L-BFGS": ("torch", "lbfgs", ()),
        "jnst Adam": ("jnst", "adam", ()),
        "PyTorch Adam": ("torch", "adam", ()),
        "jnst L-BFGS, coarse to fine": ("jnst", "lbfgs", levels),
        "PyTorch L-BFGS, strong Wolfe": ("torch", "lbfgs", wolfe),
    }
    return {
        name: Job(worker, options.size, optimizer, options.gradients, more, long=True)
        for name, (worker, optimizer, more) in cases.items()
    }


def loss_jobs(options: argparse.Namespace) -> list[Job]:
    return list(loss_jobs_by_name(options).values())


def loss_curves(runs: Runs, options: argparse.Namespace) -> dict[str, list[Curve]]:
    """One curve a round, by the name of the run."""
    named = loss_jobs_by_name(options).items()
    return {name: [curve(report) for report in runs[job]] for name, job in named}


def loss_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    curves = loss_curves(runs, options)
    target = max(float(each.loss[-1]) for each in curves["PyTorch L-BFGS"])
    quarters = sorted({max(1, options.gradients * part // 4) for part in (1, 2, 3, 4)})

    def to_target(name: str, clock: str) -> float | None:
        return median(
            [first_reached(getattr(each, clock), each.loss, target) for each in curves[name]]
        )

    lines = []
    for name, job in loss_jobs_by_name(options).items():
        rounds = curves[name]
        sizes = sorted(set(runs[job][0]["size"]))
        line: Line = {"run": name, "px": ", ".join(map(str, sizes))}
        for count in quarters:
            line[f"loss after {count}"] = median([loss_after(each, count) for each in rounds])
        line["gradients to target"] = to_target(name, "gradients")
        for clock in ("cold", "warm"):
            seconds = to_target(name, clock)
            line |= {
                f"s, {clock}": median([getattr(each, clock)[-1] for each in rounds]),
                f"s to target, {clock}": seconds,
                f"/ PyTorch L-BFGS, {clock}": ratio(seconds, to_target("PyTorch L-BFGS", clock)),
            }
        lines.append(line)
    return lines


def memory_jobs_of(optimizer: str, options: argparse.Namespace) -> tuple[Job, Job, Job]:
    """Runs of jnst, of PyTorch, and of jnst with cached programs: compiling takes memory too."""
    jnst = Job("jnst", options.size, optimizer, MEMORY_STEPS)
    torch = dataclasses.replace(jnst, worker="torch")
    return jnst, torch, dataclasses.replace(jnst, cached=True)


def memory_jobs(options: argparse.Namespace) -> list[Job]:
    return [job for optimizer in ("adam", "lbfgs") for job in memory_jobs_of(optimizer, options)]


def memory_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    lines = []
    for optimizer in ("adam", "lbfgs"):
        jnst, torch, cached = (
            median([each["peak_memory"] / 1e6 for each in runs[job]])
            for job in memory_jobs_of(optimizer, options)
        )
        for name, value in (("no", jnst), ("yes", cached)):
            line = {"optimizer": optimizer, "programs in cache": name, "jnst MB": value}
            line |= {"PyTorch MB": torch, "jnst / PyTorch": ratio(value, torch)}
            lines.append(line)
    return lines


def start_jobs_by_name(options: argparse.Namespace) -> dict[str, Job]:
    """Runs of one step; programs do not depend on the number of steps."""
    return {
        "jnst": Job("jnst", options.size, "lbfgs", 1),
        "PyTorch": Job("torch", options.size, "lbfgs", 1),
        "jnst, programs in JAX's cache": Job("jnst", options.size, "lbfgs", 1, cached=True),
    }


def start_jobs(options: argparse.Namespace) -> list[Job]:
    return list(start_jobs_by_name(options).values())


def start_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    seconds = {
        name: median(
            [each["called_at"] - each["started_at"] + each["seconds"][0] for each in runs[job]]
        )
        for name, job in start_jobs_by_name(options).items()
    }
    return [
        {"run": name, "s": value, "/ PyTorch": ratio(value, seconds["PyTorch"])}
        for name, value in seconds.items()
    ]


def batch_job(count: int, options: argparse.Namespace) -> Job:
    return Job("jnst", options.size // 2, "adam", options.steps, ("--batch", str(count)))


def batch_jobs(options: argparse.Namespace) -> list[Job]:
    first, *others = (batch_job(count, options) for count in BATCHES[options.device])
    return [first, step_job("torch", options.size // 2, "adam", options), *others]


def batch_lines(runs: Runs, options: argparse.Namespace) -> list[Line]:
    torch = milliseconds(runs, step_job("torch", options.size // 2, "adam", options))
    lines = []
    for count in BATCHES[options.device]:
        jnst = milliseconds(runs, batch_job(count, options)) / count
        line = {"pictures": count, "jnst ms a picture": jnst, "PyTorch ms, one": torch}
        lines.append(line | {"jnst / PyTorch": jnst / torch})
    return lines


ROWS = {
    "step": Row("milliseconds a step", step_jobs, step_lines),
    "variants": Row(
        "milliseconds a step of Adam, with PyTorch's own ways to be faster",
        variants_jobs,
        variants_lines,
    ),
    "pixels": Row(
        "how the time of a step of Adam grows with pixels: its power, and at two sizes",
        adam_jobs,
        pixels_lines,
    ),
    "floor": Row(
        "the time of direct convolution's operations at the rate of a matrix product, over a step "
        "of Adam; above 1 where the convolutions need fewer operations (Winograd)",
        adam_jobs,
        floor_lines,
    ),
    "loss": Row(
        "lowest loss after so many gradients, and the time to the target, which is what PyTorch's "
        "L-BFGS ends with; cold: with reading, targets and compilation, warm: without",
        loss_jobs,
        loss_lines,
    ),
    "memory": Row("peak memory", memory_jobs, memory_lines),
    "start": Row(
        "from the start of the process to the end of the first step", start_jobs, start_lines
    ),
    "batch": Row("milliseconds a picture and step, Adam", batch_jobs, batch_lines),
}
