"""What a level does to fit into memory."""

import math
from collections.abc import Sequence

import jax
from jax.stages import Compiled

from jnst.common.devices import agreed
from jnst.common.heap import return_freed_memory
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.vgg import Network, has_usual_widths
from jnst.optimizers.loop import compiled_batch
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.runs.footprint import FIXED, WHOLE, Fit, bytes_of_run, free_memory, possible_fits
from jnst.runs.jobs import Job
from jnst.runs.levels import level_optimizer
from jnst.runs.problems import begin_states, level_problem

ROOM = 0.7
"""Of the free memory may be needed by the estimate: below it, the compiler need not be asked."""

UNSURE = 1.5
"""Times the free memory: what the estimate says to need more is not compiled."""

SHARE = 0.8
"""Of the free memory is given to a program: compiling it, its allocator and pictures need some."""


def fit_level(
    network: FeatureNetwork, jobs: Sequence[Job], index: int, sharing: Sharing = ONE_DEVICE
) -> Fit:
    """The fastest way in which a level of some jobs fits into the memory that is free.

    `network` is from `prepared_for`. Where the estimate is close, the compiler is asked
    (`memory_analysis`). If nothing fits, the smallest is tried. Devices that share the rows of a
    picture take it in no tiles.
    """
    fits = _possible_fits(network, jobs[0])
    if len(fits) == 1 or not has_usual_widths(network):
        return fits[0]
    if sharing.rows is not None:
        fits = list(dict.fromkeys(fit._replace(tiles=None) for fit in fits))
    return fits[agreed(_first_that_fits(network, jobs, index, fits, sharing))]


def compile_level(network: FeatureNetwork, jobs: Sequence[Job], index: int) -> None:
    """Compile the program of a level that fits for certain; a run on one device then finds it."""
    fits = _possible_fits(network, jobs[0])
    if len(fits) > 1 and has_usual_widths(network):
        free = free_memory(ONE_DEVICE.devices)
        if _estimate(jobs, index, fits[0]) > ROOM * free:
            return
    _compiled(network, jobs, index, fits[0])


def _possible_fits(network: FeatureNetwork, job: Job) -> list[Fit]:
    architecture = network.architecture if isinstance(network, Network) else None
    return possible_fits(job.config, architecture, own_terms=bool(job.extra_terms))


def _estimate(jobs: Sequence[Job], index: int, fit: Fit) -> float:
    job = jobs[0]
    styles = [style.shape[:2] for style in job.styles]
    each = bytes_of_run(job.levels[index].shape, styles, job.config, fit) - FIXED
    return FIXED + len(jobs) * each


def _first_that_fits(
    network: FeatureNetwork,
    jobs: Sequence[Job],
    index: int,
    fits: Sequence[Fit],
    sharing: Sharing,
) -> int:
    last = len(fits) - 1
    for number, fit in enumerate(fits):
        free = free_memory(sharing.devices)  # less, after a program has been compiled
        estimate = _estimate(jobs, index, fit)
        if estimate <= ROOM * free:
            return number
        if number == last or estimate > UNSURE * free:
            continue
        if _count(network, jobs, index, fit) <= SHARE * free:
            return number
    jax.clear_caches()  # memory is scarce: what was compiled for other sizes holds some
    return_freed_memory()
    return last


def _count(network: FeatureNetwork, jobs: Sequence[Job], index: int, fit: Fit) -> float:
    """`bytes_of_level`; infinite if the compiler refuses the program."""
    try:
        return bytes_of_level(network, jobs, index, fit)
    except jax.errors.JaxRuntimeError:
        return math.inf
    finally:
        return_freed_memory()


def bytes_of_level(
    network: FeatureNetwork, jobs: Sequence[Job], index: int, fit: Fit = WHOLE
) -> int:
    """Bytes that the program of a level of some jobs needs, as its compiler counts them."""
    counted = _compiled(network, jobs, index, fit).memory_analysis()
    assert counted is not None  # no backend of ours
    return (
        counted.temp_size_in_bytes
        + counted.argument_size_in_bytes
        + counted.output_size_in_bytes
        - counted.alias_size_in_bytes
    )


def _compiled(network: FeatureNetwork, jobs: Sequence[Job], index: int, fit: Fit) -> Compiled:
    job = jobs[0]
    shape, images = job.levels[index].shape, [job.initial_image] * len(jobs)
    optimizer = level_optimizer(job.config, index, fit.lbfgs)
    state = jax.eval_shape(lambda: begin_states(jobs, images, shape, optimizer))
    problem = jax.eval_shape(
        lambda network: level_problem(network, jobs, shape, fit.tiles), network
    )
    return compiled_batch(optimizer, state, problem, pixels=job.config.pixels)
