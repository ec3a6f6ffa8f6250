"""Which jobs share a batch: those of one program, as many as fit into memory."""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, TypeVar

from jnst.common.devices import agreed
from jnst.networks.feature_network import FeatureNetwork
from jnst.objective.extra_terms import functions_of
from jnst.objective.style_losses import named_style_loss
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.runs.fitting import bytes_of_level
from jnst.runs.footprint import free_memory
from jnst.runs.jobs import Job

MOST_ITEMS = 16
"""Of a batch that is chosen: more are no faster on a CPU, and leave nothing until they all end."""


SHARE_OF_MEMORY = 0.5

Value = TypeVar("Value")

BatchSize = int | Literal["auto"]


def program(job: Job) -> Hashable:
    """What jobs must share to be run in one compiled program."""
    config = job.config
    mixed = all(named_style_loss(loss).mix for loss in config.style_loss)
    return (
        job.levels,
        config.layout(),
        config.optimizer,
        config.pixels,
        config.averaging > 0,
        config.learning_rate if callable(config.learning_rate) else None,
        config.learning_rate is None and not isinstance(config.optimizer, str),
        functions_of(job.extra_terms),
        # A statistic that styles cannot be mixed in is as large as the style.
        None if mixed else tuple(style.shape for style in job.styles),
        None if mixed else tuple(mask is None for mask in job.style_masks),
    )


def group(keys: Iterator[Hashable]) -> list[list[int]]:
    """The numbers of equal keys together, in the order in which they first come."""
    groups: dict[Hashable, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def split(values: Sequence[Value], size: int) -> list[Sequence[Value]]:
    """Runs of `size`, the last of what is left."""
    return [values[first : first + size] for first in range(0, len(values), size)]


def fit_batch(
    network: FeatureNetwork,
    job: Job,
    count: int,
    batch_size: BatchSize = "auto",
    sharing: Sharing = ONE_DEVICE,
) -> int:
    """How many jobs of one program are run together, so that batches are of about one size.

    Devices that share a batch get equally many, at least one each.
    """
    devices = sharing.devices
    most = batch_size if batch_size != "auto" else _most_that_fit(network, job, count, devices)
    each = evenly(math.ceil(count / devices), max(1, most // devices))
    return agreed(each) * devices


def _most_that_fit(network: FeatureNetwork, job: Job, count: int, devices: int) -> int:
    count = evenly(count, MOST_ITEMS * devices)
    if count == 1:
        return 1
    needed = bytes_of_level(network, [job] * count, len(job.levels) - 1)
    return max(1, min(count, int(count * SHARE_OF_MEMORY * free_memory(devices) / needed)))


def evenly(count: int, most: int) -> int:
    """The size of batches of about one size, of at most so many."""
    return math.ceil(count / math.ceil(count / most))
