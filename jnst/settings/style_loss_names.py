"""The names of the style losses: built-in and registered ones."""

from typing import Any, Literal, get_args

BuiltIn = Literal[
    "gram",
    "balanced_gram",
    "mean_variance",
    "covariance",
    "gram_mean_deviation",
    "wasserstein",
    "sliced_wasserstein",
    "histogram",
    "patches",
    "contextual",
]
"""See `jnst.losses` for the formulas and the papers."""

registered: dict[str, Any] = {}
"""Losses that the user registered, by name: see `jnst.register_style_loss`."""


def style_loss_names() -> tuple[str, ...]:
    """The names of all style losses."""
    return (*get_args(BuiltIn), *registered)
