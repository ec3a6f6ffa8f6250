"""The errors of networks and of runs that have a name."""

from typing import Any

import numpy as np
from jaxtyping import Float


class NetworkError(ValueError):
    """A network that is missing, damaged, cannot be fetched, or is not what it should be."""


class FetchError(NetworkError):
    """A network that cannot be fetched; the lines of its message say what else can be done."""


class NetworkWarning(UserWarning):
    """Something about a network was guessed."""


class DivergedError(RuntimeError):
    """The loss or its gradient stopped being finite at `step`; `image` is the best one before.

    Of `jnst.stylize` and the like `result` is the `Result` with that image.
    """

    def __init__(self, step: int, image: Float[np.ndarray, "h w 3"], result: Any = None):
        super().__init__(
            f"the loss or its gradient is not finite at step {step}; "
            "a smaller learning rate or smaller weights may help"
        )
        self.step, self.image, self.result = step, image, result

    def __reduce__(self) -> tuple:
        return type(self), (self.step, self.image, self.result)
