"""Checkpoints: an unfinished batch as a file, from which it continues to the same result."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnst.common.array_files import DAMAGED, load_arrays, save_arrays, state_versions
from jnst.optimizers.named import LBFGSMemory
from jnst.optimizers.state import State
from jnst.runs.engine import Position, Snapshot
from jnst.runs.footprint import Fit
from jnst.runs.jobs import Job
from jnst.runs.levels import level_optimizer
from jnst.runs.problems import begin_states
from jnst.runs.results import History
from jnst.settings.tiles import Tiles

SECONDS_BETWEEN_CHECKPOINTS = 20.0
SHARE_OF_CHECKPOINTS = 0.05
"""Largest share of the time for writing a file again and again."""


class Checkpoint(NamedTuple):
    """A snapshot of a batch, and the seconds until then."""

    snapshot: Snapshot
    seconds: float


def save_checkpoint(
    path: str | os.PathLike[str], checkpoint: Checkpoint, names: Sequence[str], *, note: Any = None
) -> None:
    """Write a checkpoint of the jobs of these names, atomically, with anything JSON can hold."""
    position, histories = checkpoint.snapshot
    state = position.sharing.whole(position.state)
    label = {
        "names": list(names),
        "note": note,
        "seconds": checkpoint.seconds,
        "level": position.level,
        "fit": position.fit,
        "steps": position.steps,
        "diverged": position.diverged,
        "versions": state_versions(),
        "state": _places(state),
    }
    arrays: dict[str, Any] = {
        f"{kind}-{number}": _plain(leaf)
        for kind, tree in (
            ("image", position.images),
            ("state", state),
            ("history", histories),
        )
        for number, leaf in enumerate(jax.tree.leaves(tree))
    }
    save_arrays(path, label, arrays)


def load_checkpoint(
    path: str | os.PathLike[str], jobs: Sequence[Job], names: Sequence[str], *, size: int
) -> Checkpoint | None:
    """The checkpoint of these jobs, run as a batch of `size`; None if the file has none.

    Raises:
        MemoryError, jax.errors.JaxRuntimeError: there is no room for it.
    """
    try:
        return _read(*load_arrays(path), jobs, names, size)
    except (MemoryError, jax.errors.JaxRuntimeError):
        raise
    except DAMAGED:
        return None


def _read(
    label: Any,
    arrays: Mapping[str, np.ndarray],
    jobs: Sequence[Job],
    names: Sequence[str],
    size: int,
) -> Checkpoint | None:
    if label["names"] != list(names) or len(label["diverged"]) != size:
        return None
    if label["versions"] != state_versions():
        return None
    job = jobs[0]
    shape = job.levels[label["level"]].shape
    fit = _fit(*label["fit"])
    optimizer = level_optimizer(job.config, label["level"], fit.lbfgs)

    def restore(kind: str, like: Any) -> Any:
        leaves, structure = jax.tree.flatten(like)
        return jax.tree.unflatten(
            structure,
            [_typed(arrays[f"{kind}-{number}"], leaf) for number, leaf in enumerate(leaves)],
        )

    images = [job.initial_image] * size
    state = jax.eval_shape(lambda: begin_states([job] * size, images, shape, optimizer))
    if label["state"] != _places(state):
        return None
    position = Position(
        label["level"],
        fit,
        label["steps"],
        restore("image", (0,) * size),
        restore("state", state),
        tuple(label["diverged"]),
    )
    histories = restore("history", tuple(History.empty(each.weights()) for each in jobs))
    return Checkpoint(Snapshot(position, histories), label["seconds"])


def _plain(leaf: Any) -> np.ndarray:
    """The array, in a type that its file knows."""
    array = np.asarray(leaf)
    return array.view(np.uint16) if array.dtype == jnp.bfloat16 else array


def _typed(array: np.ndarray, like: Any) -> np.ndarray:
    return array.view(jnp.bfloat16) if getattr(like, "dtype", None) == jnp.bfloat16 else array


def _fit(tiles: list | None, lbfgs: list) -> Fit:
    return Fit(None if tiles is None else Tiles(*tiles), LBFGSMemory(*lbfgs))


def _places(state: State) -> list[list]:
    """The path, shape and type of each array of a state."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [
        [jax.tree_util.keystr(path), list(leaf.shape), str(leaf.dtype)] for path, leaf in leaves
    ]


class Saves:
    """Decides when a file is written again, so that writing takes little of the time.

    There are at least `seconds` in between; without any, those of checkpoints.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._least = SECONDS_BETWEEN_CHECKPOINTS if seconds is None else seconds
        self._last, self._pause = time.monotonic(), self._least

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._last >= self._pause

    def save(self, write: Callable[[], None]) -> None:
        """Write the file, and measure how long that takes."""
        begun = time.monotonic()
        write()
        self._last = time.monotonic()
        took = self._last - begun
        self._pause = max(self._least, took / SHARE_OF_CHECKPOINTS)
