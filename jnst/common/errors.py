"""Exceptions and warnings of jnst."""

import os
from typing import Any

import numpy as np
from jaxtyping import Float


class NetworkError(ValueError):
    """A network that is missing, damaged, cannot be fetched, or is not what it should be."""


class FetchError(NetworkError):
    """A network that cannot be fetched; further lines of the message say what to do instead."""


class NotEnoughMemoryError(ValueError):
    """A run that needs more memory than is free."""


class WorkerWarning(UserWarning):
    """Something about a worker that a sweep goes on without."""


class CheckpointWarning(UserWarning):
    """Something about a checkpoint that a run goes on without."""


class NetworkWarning(UserWarning):
    """Something about a network was guessed."""


class DivergedError(RuntimeError):
    """The loss or its gradient is not finite at `step`; `image` is the best image before it.

    `result` is the `Result` with that image, if `jnst.stylize` or a similar function raised this.
    """

    def __init__(self, step: int, image: Float[np.ndarray, "h w 3"], result: Any = None):
        super().__init__(
            f"the loss or its gradient is not finite at step {step}; "
            "a smaller learning rate or smaller weights may help"
        )
        self.step, self.image, self.result = step, image, result

    def __reduce__(self) -> tuple:
        return type(self), (self.step, self.image, self.result)


def reason(error: BaseException) -> str:
    """What an error says; for an OSError, the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{file}{error.strerror[:1].lower()}{error.strerror[1:]}"
    return str(error)


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that Python or the device has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
