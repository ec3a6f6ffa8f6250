"""One run of jnst with the objective of the comparison; prints one JSON object.

    python jnst_worker.py photo.jpg painting.jpg --network embedded.h5

`--set NAME=VALUE` changes any field of `jnst.Config`. The device is JAX's default: set
JAX_PLATFORMS for another.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from worker import (
    CONTENT_WEIGHT,
    LEARNING_RATE,
    STYLE_WEIGHT,
    Clock,
    parser,
    peak_resident_memory,
    print_report,
)

import jnst
from jnst.common.heap import use_one_arena
from jnst.sweeps.flops import operations, operations_a_second

MATRIX_SIZE = 2048


def setting(text: str) -> tuple[str, Any]:
    """Parse NAME=VALUE; a VALUE that is not JSON is text."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def make_config(options: argparse.Namespace) -> jnst.Config:
    """The objective of the comparison, with the default layers of jnst and average pooling."""
    config = jnst.Config(
        size=options.size,
        steps=options.steps,
        levels=options.levels,
        optimizer=options.optimizer,
        learning_rate=LEARNING_RATE if options.optimizer == "adam" else None,
        content_weight=CONTENT_WEIGHT,
        style_weight=STYLE_WEIGHT,
        tv_weight=0,
        pooling="average",
        margin=0,
    )
    return config.replace(**dict(options.set))


def results(options: argparse.Namespace, config: jnst.Config) -> Iterator[jnst.Result]:
    """Yield the result after each chunk; for a batch, that of its first picture."""
    if options.batch is None:
        steps = jnst.stylize_steps(
            options.content, options.style, network=options.network, config=config
        )
        next(steps)  # the start
        yield from steps
        return
    weights = [STYLE_WEIGHT + item for item in range(options.batch)]
    for progress in jnst.stylize_batch_steps(
        options.content,
        options.style,
        network=options.network,
        config=[config.replace(style_weight=weight) for weight in weights],
        batch_size=options.batch,
    ):
        if not progress.finished:
            yield progress.results[0]


def peak_memory() -> int:
    """Peak memory in bytes: of the device, or of the process on a CPU."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use", peak_resident_memory())


def run(options: argparse.Namespace) -> None:
    """Take the steps, and print the report."""
    rate = operations_a_second(MATRIX_SIZE) if options.matrix_rate else None
    clock = Clock()
    config = make_config(options)
    for result in results(options, config):
        clock.chunk(result.steps - len(clock.seconds))
    shape = result.image.shape[:2]
    layers = config.content_layers + config.style_layers
    print_report(
        clock,
        shape,
        result.history.loss.tolist(),
        result.history.size.tolist(),
        peak_memory=peak_memory(),
        operations=2 * operations(layers, shape),
        operations_a_second=rate,
        device=jax.local_devices()[0].device_kind,
        versions={
            "python": platform.python_version(),
            "jnst": jnst.__version__,
            "jax": jax.__version__,
        },
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, and run."""
    arguments_of = parser(__doc__)
    arguments_of.add_argument("--levels", type=int, default=1, help="sizes from coarse to fine")
    arguments_of.add_argument("--batch", type=int, help="pictures in one program")
    arguments_of.add_argument(
        "--set", type=setting, action="append", default=[], metavar="NAME=VALUE"
    )
    arguments_of.add_argument(
        "--matrix-rate",
        action="store_true",
        help="measure operations a second of a matrix product before the steps",
    )
    arguments_of.add_argument(
        "--matmul-precision", help="of jax.default_matmul_precision: highest, tensorfloat32"
    )
    options = arguments_of.parse_args(arguments)
    use_one_arena()  # as the command does
    with jax.default_matmul_precision(options.matmul_precision):
        run(options)


if __name__ == "__main__":
    main()
