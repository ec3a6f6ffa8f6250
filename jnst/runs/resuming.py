"""A run of one picture that can be killed and gone on with."""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnst.common.array_files import DAMAGED, load_label
from jnst.common.errors import CheckpointWarning
from jnst.objective.style_losses import fingerprint
from jnst.runs.checkpoints import Checkpoint, Saves, load_checkpoint, save_checkpoint
from jnst.runs.engine import Snapshot
from jnst.runs.jobs import Job
from jnst.settings.style_loss_names import registered


class CheckpointFile:
    """The file of an unfinished run, from which the same run goes on to the same picture.

    It is written about every `every` steps; unset, from 20 seconds on and in at most a twentieth of
    the time; 0: only when the run is stopped. `note` is anything JSON can hold, kept with it. The
    file is removed at the end of the run, or, with `keep`, by the caller, who then has the picture.
    A file of another run is replaced; with `must_go_on` it is an error. An optimizer or a schedule
    of one's own is not told from another.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int | None = None,
        note: Any = None,
        keep: bool = False,
        must_go_on: bool = False,
    ):
        self.path, self.keep, self._must_go_on = Path(path), keep, must_go_on
        self._every, self._note = every, note
        self._saves, self._saved = Saves(), 0
        self._names: list[str] = []

    def begin(self, job: Job, network: Mapping[str, str]) -> Snapshot | None:
        """Where the run of this job was left; None if the file has none, or one of another run.

        Raises:
            ValueError: it has none, and must.
        """
        self._names = [_digest(job, network)]
        found = load_checkpoint(self.path, [job], self._names, size=1)
        if found is None and self._must_go_on:
            raise ValueError(
                f"{self.path}: is of other pictures or settings, of another network or version, or "
                "damaged; its run cannot be gone on with"
            )
        if found is None:
            if os.path.exists(self.path):
                _warn(f"{self.path}: is of another run, which this one replaces")
            return None
        self._saved = _steps(found.snapshot)
        return found.snapshot

    def offer(self, snapshot: Snapshot) -> None:
        """Write the snapshot if that is due."""
        if self._every is None:
            if self._saves.due():
                self._saves.save(lambda: self.save(snapshot))
        elif self._every and _steps(snapshot) // self._every > self._saved // self._every:
            self.save(snapshot)

    def save(self, snapshot: Snapshot) -> None:
        """Write the snapshot; a warning where there is no room for it."""
        try:
            save_checkpoint(self.path, Checkpoint(snapshot, 0.0), self._names, note=self._note)
            self._saved = _steps(snapshot)
        except OSError as error:
            _warn(
                f"{self.path}: no checkpoint can be written ({error.strerror}); a run that is "
                "killed begins again"
            )

    def remove(self) -> None:
        """Delete the file, which the run no longer needs."""
        with contextlib.suppress(OSError):  # it is not there, or its name is too long for one
            self.path.unlink()


def checkpoint_note(path: str | os.PathLike[str]) -> Any:
    """The note of a checkpoint file.

    Raises:
        ValueError: there is no such file, or it is no checkpoint.
    """
    try:
        return load_label(path)["note"]
    except FileNotFoundError:
        raise ValueError(f"{os.fspath(path)}: there is no unfinished run") from None
    except DAMAGED:
        raise ValueError(f"{os.fspath(path)}: is damaged, or no checkpoint") from None


def _warn(message: str) -> None:
    warnings.warn(message, CheckpointWarning, stacklevel=3)


def _steps(snapshot: Snapshot) -> int:
    return len(snapshot.histories[0].loss)


def _digest(job: Job, network: Mapping[str, str]) -> str:
    """What tells a run from any other: its pictures, settings and network."""
    pictures = job.content, job.styles, job.initial_image
    masks = job.content_masks, job.style_masks, job.previous
    digest = hashlib.sha256(str(jax.tree.structure((pictures, masks))).encode())
    for array in jax.tree.leaves((pictures, masks)):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    own = {name: fingerprint(name) for name in job.config.style_loss if name in registered}
    terms = {name: float(weight) for name, (weight, _) in job.extra_terms.items()}
    label = [job.config.plain(), dict(network), own, terms]
    digest.update(json.dumps(label, sort_keys=True).encode())
    return digest.hexdigest()
