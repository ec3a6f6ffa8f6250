"""One picture on all devices of all processes, each of which holds some of its rows.

    python picture.py CONTENT STYLE OUTPUT --size 4096

Start it once in each process. On a machine with several GPUs that is one process; under Slurm,
Open MPI and on a TPU pod JAX finds the others by itself; anywhere else say where the first one is:

    python picture.py CONTENT STYLE OUTPUT --address HOST:PORT --processes 2 --process 0

All processes come to the same picture, within rounding that of one device. The first one writes it.
"""

import argparse
from pathlib import Path

import jax

import jnst


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--network", default="embedded")
    parser.add_argument("--many", action="store_true", help="more than one process")
    parser.add_argument("--address", help="of the first process, HOST:PORT")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--process", type=int, help="the number of this one, from 0 on")
    options = parser.parse_args()

    if options.many or options.address:
        jax.distributed.initialize(options.address, options.processes, options.process)
    mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    result = jnst.stylize(
        options.content,
        options.style,
        size=options.size,
        steps=options.steps,
        network=options.network,
        mesh=mesh,
        progress=jax.process_index() == 0,
    )
    if jax.process_index() == 0:
        result.save(options.output)


if __name__ == "__main__":
    main()
