"""What an optimizer remembers of one size of the image, for the next size."""

import math
from typing import Any

import jax
import optax
from jaxtyping import Array

from jnst.objective.margin import add_margin, remove_margin
from jnst.optimizers.state import State


def resize_moments(state: State, begin: State, margin: int) -> State:
    """`begin`, with Adam's memory of another size: its moments resized linearly.

    Coarse to fine (Crowson 2021, style-transfer-pytorch). The gradient of a mean over positions
    falls as their number rises, and the moments are scaled so: unscaled, they would make Adam's
    steps too small. The `margin` of both images is no part of the picture: it gets the reflection
    of the moments inside, as in `add_margin`.
    """
    height, width, channels = begin.variable.shape
    shape = height - 2 * margin, width - 2 * margin, channels
    fewer = remove_margin(state.variable, margin).size / math.prod(shape)

    def resized(moment: str, power: int) -> Array:
        inner = remove_margin(optax.tree.get(state.optimizer_state, moment), margin)
        return add_margin(fewer**power * jax.image.resize(inner, shape, "linear"), margin)

    memory = optax.tree.set(state.optimizer_state, mu=resized("mu", 1), nu=resized("nu", 2))
    return begin.replace(optimizer_state=memory)


def carry_schedules(state: State, begin: State) -> State:
    """`begin`, where the schedules of its optimizer go on counting from `state`."""

    def is_schedule(part: Any) -> bool:
        return isinstance(part, optax.ScaleByScheduleState) or hasattr(part, "hyperparams_states")

    def carry(before: Any, now: Any) -> Any:
        if isinstance(now, optax.ScaleByScheduleState):
            return before
        if not is_schedule(now):
            return now
        return now._replace(
            count=before.count,
            hyperparams_states=before.hyperparams_states,
            inner_state=carried(before.inner_state, now.inner_state),
        )

    def carried(before: Any, now: Any) -> Any:
        return jax.tree.map(carry, before, now, is_leaf=is_schedule)

    return begin.replace(optimizer_state=carried(state.optimizer_state, begin.optimizer_state))
