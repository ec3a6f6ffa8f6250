"""The types of settings that accept a few names."""

from collections.abc import Callable
from typing import Any, Literal, Protocol, runtime_checkable

Color = Literal["style", "luminance", "recombine", "cholesky", "pca", "symmetric", "histogram"]
Convention = Literal["relative", "paper", "code", "johnson"]
Optimizer = Literal["lbfgs", "adam", "sgd"]
Pixels = Literal["free", "projected", "sigmoid"]
Propagation = Literal["simple", "all", "inside"]
TileUntil = Literal["pool1", "pool2", "pool3", "pool4", "all"]
Variation = Literal["l2", "l1", "nine_point"]

Schedule = Callable[[Any], Any]
"""An optax schedule: the learning rate as a function of the step number."""


@runtime_checkable
class Transformation(Protocol):
    """An optax optimizer, without importing optax."""

    @property
    def init(self) -> Callable[..., Any]: ...

    @property
    def update(self) -> Callable[..., Any]: ...
