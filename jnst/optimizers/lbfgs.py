"""L-BFGS at one gradient an iteration: unit steps, and a step back when the loss rises."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int

SHRINK = 0.25
SMALLEST_STEP = SHRINK**4


class LBFGSState(NamedTuple):
    """All of it is in the coordinates of `precondition`, from where the parameters were at first.

    `params`, `gradient` and `value` are those of the last accepted point; the next one to be
    evaluated is `step` times `direction` before it. `points` is the number of points that were
    accepted since `pairs` were last empty. `precondition` is fitted to the first finite gradient;
    until then its arrays are 0.
    """

    params: optax.Params
    gradient: optax.Updates
    value: Float[Array, ""]
    direction: optax.Updates
    step: Float[Array, ""]
    pairs: "Pairs"
    points: Int[Array, ""]
    precondition: Partial


class Pairs(NamedTuple):
    """The last steps s and the changes y of the gradient over them, each stacked.

    In bfloat16 they are kept as their bits, uint16: of numbers in bfloat16 XLA's CPU compiler makes
    float32, all at once. `inverses` are 1 / s'y, or 0 where there is no pair.
    """

    steps: optax.Updates
    changes: optax.Updates
    inverses: Float[Array, " m"]


def _identity(updates: optax.Updates) -> optax.Updates:
    return updates


def _no_precondition(gradient: optax.Updates, params: Any) -> Partial:
    return Partial(_identity)


def lbfgs(
    memory_size: int = 20,
    *,
    memory_type: Literal["bfloat16"] | None = None,
    fit_precondition: Callable[[optax.Updates, Any], Partial] = _no_precondition,
) -> optax.GradientTransformationExtraArgs:
    """L-BFGS (Liu and Nocedal 1989) that spends one gradient an iteration.

    The direction is that of the last `memory_size` pairs of a step and its change of the gradient
    (Nocedal and Wright 2006, algorithm 7.4) and the step is 1; the first is a gradient step of
    length at most 1. Pairs are kept in the type of the parameters, or in bfloat16, which
    halves what is nearly all of the memory. A point whose loss or gradient is not finite, or
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

    def init(params: optax.Params) -> LBFGSState:
        return _start(memory_size, memory_type, fit_precondition, params)

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
        moved = _moved(state, finite & (value <= state.value), gradient, point, value)
        return (
            precondition(optax.tree.sub(_next_point(moved), point)),
            moved._replace(precondition=precondition),
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _start(
    memory_size: int,
    memory_type: Literal["bfloat16"] | None,
    fit_precondition: Callable[[optax.Updates, Any], Partial],
    params: optax.Params,
) -> LBFGSState:
    """The state before the first gradient."""
    origin, dtype = optax.tree.zeros_like(params), optax.tree.dtype(params, "highest")
    stack = jax.tree.map(
        lambda leaf: jnp.zeros(
            (memory_size, *leaf.shape), jnp.uint16 if memory_type else leaf.dtype
        ),
        params,
    )
    return LBFGSState(
        params=origin,
        gradient=origin,
        value=jnp.asarray(jnp.inf, dtype),
        direction=origin,
        step=jnp.ones((), dtype),
        pairs=Pairs(stack, stack, jnp.zeros(memory_size, dtype)),
        points=jnp.int32(0),
        precondition=optax.tree.zeros_like(jax.eval_shape(fit_precondition, params, params)),
    )


def _moved(
    state: LBFGSState,
    accepted: Bool[Array, ""],
    gradient: optax.Updates,
    point: optax.Params,
    value: Float[Array, ""],
) -> LBFGSState:
    """The state after a point, accepted or not.

    By selections alone: a branch of `cond` would return copies of the pairs.
    """
    pairs, scale = _remember(state, accepted, gradient, point)
    gradient, point = optax.tree.where(accepted, (gradient, point), (state.gradient, state.params))
    direction = _direction(pairs, state.points, scale, gradient)
    usable = jnp.isfinite(optax.tree.norm(direction))
    step = jnp.where(accepted, 1, state.step * SHRINK)
    # With no pair to forget, the same gradient step would come again: shorten it further.
    stuck = ~accepted & (step < SMALLEST_STEP) & (state.points > 1)
    restart = stuck | (accepted & ~((scale > 0) & usable))
    direction = optax.tree.where(
        restart,
        _gradient_step(gradient),
        optax.tree.where(accepted, direction, state.direction),
    )
    points = jnp.where(accepted, state.points + 1, state.points)
    return state._replace(
        params=point,
        gradient=gradient,
        value=jnp.where(accepted, value, state.value).astype(state.value.dtype),
        direction=direction,
        step=jnp.where(restart, 1, step).astype(state.step.dtype),
        pairs=pairs._replace(inverses=jnp.where(restart, 0, pairs.inverses)),
        points=jnp.where(restart, 1, points),
    )


def _remember(
    state: LBFGSState, accepted: Bool[Array, ""], gradient: optax.Updates, point: optax.Params
) -> tuple[Pairs, Float[Array, ""]]:
    """The pairs with the one that leads to an accepted point in the oldest place, and s'y / y'y.

    Both numbers of a pair are 0 if its curvature is negative, or so small that s'y is rounding and
    a division by it can overflow: s'y <= eps |s| |y|. Of another point zeros are put in that place,
    which the next pair replaces. The pairs are not read here: XLA would copy all of them.
    """
    pairs, place = state.pairs, _newest(state)
    kept = accepted & (state.points > 0)

    def stored(new: Array, stack: Array) -> Array:
        new = jnp.where(kept, new, 0)
        if stack.dtype != jnp.uint16:
            return new
        return jax.lax.bitcast_convert_type(new.astype(jnp.bfloat16), jnp.uint16)

    step = jax.tree.map(stored, optax.tree.sub(point, state.params), pairs.steps)
    change = jax.tree.map(stored, optax.tree.sub(gradient, state.gradient), pairs.changes)

    def put(stack: Array, entry: Array) -> Array:
        return jax.lax.dynamic_update_index_in_dim(stack, entry, place, 0)

    steps = jax.tree.map(put, pairs.steps, step)
    changes = jax.tree.map(put, pairs.changes, change)
    step, change = jax.tree.map(_numbers, (step, change), (gradient, gradient))
    product, square = _dot(step, change), optax.tree.norm(change, squared=True)
    limits = jnp.finfo(product.dtype)
    rounding = limits.eps * optax.tree.norm(step) * jnp.sqrt(square)
    curved = product > jnp.maximum(rounding, limits.tiny)
    inverse, ratio = (
        jnp.where(curved, top / jnp.where(curved, bottom, 1), 0)
        for top, bottom in ((1, product), (product, square))
    )
    inverses = pairs.inverses.at[place].set(inverse)
    return Pairs(steps, changes, inverses), ratio


def _direction(
    pairs: Pairs, points: Int[Array, ""], scale: Float[Array, ""], gradient: optax.Updates
) -> optax.Updates:
    """The gradient times the inverse Hessian as the pairs tell it, from `scale` times 1 on."""
    size = len(pairs.inverses)
    places = (points + jnp.arange(size)) % size  # from the oldest to the newest

    def back(vector: optax.Updates, place: Int[Array, ""]) -> tuple[optax.Updates, Array]:
        step, change = _pair(pairs, place, vector)
        amount = pairs.inverses[place] * _dot(step, vector)
        return optax.tree.add_scale(vector, -amount, change), amount

    def forth(vector: optax.Updates, given: tuple[Array, Array]) -> tuple[optax.Updates, None]:
        place, amount = given
        step, change = _pair(pairs, place, vector)
        amount = amount - pairs.inverses[place] * _dot(change, vector)
        return optax.tree.add_scale(vector, amount, step), None

    vector, amounts = jax.lax.scan(back, gradient, places, reverse=True)
    vector, _ = jax.lax.scan(forth, optax.tree.scale(scale, vector), (places, amounts))
    return vector


def _dot(first: optax.Updates, second: optax.Updates) -> Float[Array, ""]:
    """As `optax.tree.vdot`, which makes each leaf flat: devices that share it would gather it."""
    products = jax.tree.map(lambda one, other: jnp.tensordot(one, other, one.ndim), first, second)
    return jax.tree.reduce(jnp.add, products)


def _gradient_step(gradient: optax.Updates) -> optax.Updates:
    """A step of length at most 1."""
    return optax.tree.scale(1 / jnp.maximum(optax.tree.norm(gradient), 1), gradient)


def _next_point(state: LBFGSState) -> optax.Params:
    return optax.tree.add_scale(state.params, -state.step, state.direction)


def _newest(state: LBFGSState) -> Int[Array, ""]:
    """Where the pair of the next accepted point goes."""
    return (state.points - 1) % len(state.pairs.inverses)


def _pair(
    pairs: Pairs, place: Int[Array, ""], like: optax.Updates
) -> tuple[optax.Updates, optax.Updates]:
    """The step and the change of one place, in the type of `like`."""

    def taken(stacks: optax.Updates) -> optax.Updates:
        return jax.tree.map(lambda stack, leaf: _numbers(stack[place], leaf), stacks, like)

    return taken(pairs.steps), taken(pairs.changes)


def _numbers(kept: Array, like: Array) -> Array:
    """What is kept of a step or a change, in the type of `like`."""
    if kept.dtype == jnp.uint16:
        kept = jax.lax.bitcast_convert_type(kept, jnp.bfloat16)
    return kept.astype(like.dtype)
