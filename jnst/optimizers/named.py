"""The optimizers by name."""

import functools
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jnst.common.validation import check_choice
from jnst.optimizers.lbfgs import lbfgs
from jnst.optimizers.preconditioner import fit_smoothing
from jnst.settings.choices import Optimizer, Schedule

Transformation: TypeAlias = optax.GradientTransformation
"""An optimizer, for modules that do not know optax."""


class LBFGSMemory(NamedTuple):
    """How many pairs L-BFGS keeps at most, and in which type, that of the image if None."""

    size: int = 20
    type: Literal["bfloat16"] | None = None


FULL_MEMORY = LBFGSMemory()


Rate: TypeAlias = float | Float[Array, ""] | Schedule


def named_optimizer(
    name: Optimizer,
    *,
    precondition: bool = True,
    learning_rate: Schedule | None = None,
    memory: LBFGSMemory = FULL_MEMORY,
) -> optax.GradientTransformation:
    """The optimizer of that name; its learning rate is set by `init`, so that it is never static.

    "lbfgs" is `jnst.optimizers.lbfgs.lbfgs`, whose steps have no rate, preconditioned by
    `fit_smoothing` if `precondition`: for an image whose large shapes are still to change. `memory`
    says how many pairs it keeps, and as what. "adam" is `optax.adam` with rate 0.02 and b2 = 0.99;
    "sgd" is `optax.sgd` with rate 1. Both have a `decay` of the rate, what it is multiplied by
    every 100 steps, and take a schedule as `learning_rate`. The same arguments give the same
    object.
    """
    check_choice("optimizer", name, Optimizer)
    if name != "lbfgs":
        precondition, memory = False, FULL_MEMORY
    return _named_optimizer(name, precondition, learning_rate, memory)


DEFAULT_RATES: Mapping[str, float] = {"adam": 0.02, "sgd": 1.0}
"""The learning rate of an optimizer for which none is given."""


@functools.lru_cache(64)
def _named_optimizer(
    name: Optimizer, precondition: bool, schedule: Schedule | None, memory: LBFGSMemory
) -> optax.GradientTransformation:
    match name:
        case "lbfgs":
            make = partial(lbfgs, memory.size, memory_type=memory.type)
            return make(fit_precondition=fit_smoothing) if precondition else make()
        case "adam":
            return optax.inject_hyperparams(_decaying_adam)(
                learning_rate=schedule or DEFAULT_RATES[name], decay=1.0
            )
        case "sgd":
            return optax.inject_hyperparams(_decaying_sgd)(
                learning_rate=schedule or DEFAULT_RATES[name], decay=1.0
            )


def _decaying_adam(learning_rate: Rate, decay: Rate) -> optax.GradientTransformationExtraArgs:
    return optax.chain(optax.adam(learning_rate, b2=0.99), _decaying(decay))


def _decaying_sgd(learning_rate: Rate, decay: Rate) -> optax.GradientTransformationExtraArgs:
    return optax.chain(optax.sgd(learning_rate), _decaying(decay))


def _decaying(decay: Rate) -> optax.GradientTransformation:
    rate = jnp.asarray(decay)
    return optax.scale_by_schedule(lambda count: rate ** (count.astype(rate.dtype) / 100))
