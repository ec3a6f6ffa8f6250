"""L-BFGS at one gradient an iteration: unit steps, and a step back when the loss rises."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float

SHRINK = 0.25
SMALLEST_STEP = SHRINK**4


class LBFGSState(NamedTuple):
    """All of it is in the coordinates of `precondition`, from where the parameters were at first.

    `memory.params` and `memory.updates` are the last accepted point and its gradient; the next one
    to be evaluated is `step` times `direction` before it. `precondition` is fitted to the first
    finite gradient; until then its arrays are 0.
    """

    memory: optax.ScaleByLBFGSState
    value: Float[Array, ""]
    direction: optax.Updates
    step: Float[Array, ""]
    precondition: Partial


def _identity(updates: optax.Updates) -> optax.Updates:
    return updates


def _no_precondition(gradient: optax.Updates, params: Any) -> Partial:
    return Partial(_identity)


def lbfgs(
    memory_size: int = 20,
    *,
    fit_precondition: Callable[[optax.Updates, Any], Partial] = _no_precondition,
) -> optax.GradientTransformationExtraArgs:
    """L-BFGS (Liu and Nocedal 1989) that spends one gradient an iteration.

    The direction is that of `optax.scale_by_lbfgs` over `memory_size` pairs and the step is 1; the
    first is a gradient step of length at most 1. A point whose loss or gradient is not finite, or
    whose loss is above that of the last accepted point, is taken back: the next point lies on the
    same line, at a quarter of the step. Curvature that is negative or lost in rounding, a direction
    that is not finite, or four such quarters in a row make it forget its pairs and begin again with
    a gradient step.

    `fit_precondition` makes of the first finite gradient, and the parameters there, a symmetric
    linear map P: what is moved is z, where the parameters are P z from their start, as if the first
    guess of the inverse Hessian were P P. P is a `jax.tree_util.Partial`, always of the same
    function (not of a new lambda each time) and of arrays of the same shapes, which are part of the
    state; with arrays of 0, too, it must map 0 to 0.

    `update` needs the extra argument `value`, the loss at the parameters, which the updates before
    must have led to: nothing is clamped. The updates lead to the next point where a gradient is
    wanted, which may prove worse: the best point seen is the caller's to keep. Under `vmap` each
    item has its own step.
    """
    scale = optax.scale_by_lbfgs(memory_size)

    def init(params: optax.Params) -> LBFGSState:
        return _start(scale, fit_precondition, params)

    def update(
        updates: optax.Updates,
        state: LBFGSState,
        params: optax.Params | None = None,
        *,
        value: Float[Array, ""],
        **_: Any,
    ) -> tuple[optax.Updates, LBFGSState]:
        finite = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(updates))
        first = finite & jnp.isinf(state.value)
        precondition = jax.lax.cond(
            first, fit_precondition, lambda *_: state.precondition, updates, params
        )
        gradient, point = precondition(updates), _next_point(state)

        state = jax.lax.cond(
            finite & (value <= state.value),
            lambda state: _accept(
                scale, state._replace(value=value, precondition=precondition), gradient, point
            ),
            lambda state: _reject(scale, state),
            state,
        )
        return precondition(optax.tree.sub(_next_point(state), point)), state

    return optax.GradientTransformationExtraArgs(init, update)


def _start(
    scale: optax.GradientTransformation,
    fit_precondition: Callable[[optax.Updates, Any], Partial],
    params: optax.Params,
) -> LBFGSState:
    """The state before the first gradient."""
    origin, dtype = optax.tree.zeros_like(params), optax.tree.dtype(params, "highest")
    memory = scale.init(origin)
    return LBFGSState(
        memory._replace(weights_memory=memory.weights_memory.astype(dtype)),
        value=jnp.asarray(jnp.inf, dtype),
        direction=origin,
        step=jnp.ones((), dtype),
        precondition=optax.tree.zeros_like(jax.eval_shape(fit_precondition, params, params)),
    )


def _accept(
    scale: optax.GradientTransformation,
    state: LBFGSState,
    gradient: optax.Updates,
    point: optax.Params,
) -> LBFGSState:
    """Remember a point with its gradient, and go on from it with a step of 1."""
    change = optax.tree.sub(point, state.memory.params)
    bend = optax.tree.sub(gradient, state.memory.updates)
    memory = jax.lax.cond(_is_curved(change, bend), lambda memory: memory, _forget, state.memory)
    direction, memory = scale.update(gradient, memory, point)
    state = state._replace(memory=memory, direction=direction, step=jnp.ones_like(state.step))
    usable = jnp.isfinite(optax.tree.norm(direction))
    return jax.lax.cond(usable, lambda state: state, partial(_restart, scale), state)


def _reject(scale: optax.GradientTransformation, state: LBFGSState) -> LBFGSState:
    """Go back to the last accepted point, and from there on by a shorter step."""
    state = state._replace(step=state.step * SHRINK)
    # With no pair to forget, the same gradient step would come again: shorten it further.
    stuck = (state.step < SMALLEST_STEP) & (state.memory.count > 1)
    return jax.lax.cond(stuck, partial(_restart, scale), lambda state: state, state)


def _restart(scale: optax.GradientTransformation, state: LBFGSState) -> LBFGSState:
    """Begin again with a gradient step from the last accepted point."""
    memory = _forget(state.memory)
    direction, memory = scale.update(memory.updates, memory, memory.params)
    return state._replace(memory=memory, direction=direction, step=jnp.ones_like(state.step))


def _next_point(state: LBFGSState) -> optax.Params:
    return optax.tree.add_scale(state.memory.params, -state.step, state.direction)


def _is_curved(change: optax.Updates, bend: optax.Updates) -> Array:
    """Whether s'y > eps |s| |y| for the step s and the change y of the gradient.

    Below that the product is rounding, and a division by it can overflow.
    """
    product = optax.tree.vdot(change, bend)
    limits = jnp.finfo(product.dtype)
    rounding = limits.eps * optax.tree.norm(change) * optax.tree.norm(bend)
    return product > jnp.maximum(rounding, limits.tiny)


def _forget(memory: optax.ScaleByLBFGSState) -> optax.ScaleByLBFGSState:
    return memory._replace(
        count=jnp.zeros_like(memory.count), weights_memory=jnp.zeros_like(memory.weights_memory)
    )
