"""The optimisation of an image: `init`, `make_step`, and `run`, which scans compiled chunks."""

import functools
from collections.abc import Callable, Iterator
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from jnst.config import Optimizer, Terms
from jnst.lbfgs import lbfgs
from jnst.objective import Targets, total_loss
from jnst.vgg import Network


class State(struct.PyTreeNode):
    """What the next step needs: where the loss is evaluated next, and the best image so far."""

    image: Float[Array, "h w 3"]
    optimizer_state: optax.OptState
    best_image: Float[Array, "h w 3"]
    best_loss: Float[Array, ""]


class Info(struct.PyTreeNode):
    """What a reader wants to know of a step; the values are those before the image moved.

    `evaluations` counts those of the loss: 1, and those of an optax line search.
    """

    loss: Float[Array, ""]
    terms: Terms
    gradient_norm: Float[Array, ""]
    finite: Bool[Array, ""]
    evaluations: Int[Array, ""]


class DivergedError(RuntimeError):
    """The loss or its gradient stopped being finite at `step`; `image` is the best one before."""

    def __init__(self, step: int, image: Float[np.ndarray, "h w 3"]):
        super().__init__(
            f"the loss or its gradient is not finite at step {step}; "
            "a smaller learning rate or smaller weights may help"
        )
        self.step, self.image = step, image

    def __reduce__(self) -> tuple:
        return type(self), (self.step, self.image)


@functools.cache
def named_optimizer(name: Optimizer) -> optax.GradientTransformation:
    """The optimizer of that name; its learning rate is set by `init`, so that it is never static.

    "lbfgs" is `jnst.lbfgs.lbfgs`, whose steps have no rate; "adam" is `optax.adam` with rate 0.02
    and b2 = 0.99; "sgd" is `optax.sgd` with rate 1.
    """
    match name:
        case "lbfgs":
            return lbfgs()
        case "adam":
            return optax.inject_hyperparams(optax.adam)(learning_rate=0.02, b2=0.99)
        case "sgd":
            return optax.inject_hyperparams(optax.sgd)(learning_rate=1.0)
    raise ValueError(f"optimizer is {name!r}; accepted: {', '.join(get_args(Optimizer))}")


def init(
    optimizer: optax.GradientTransformation,
    image: Float[Array, "h w 3"],
    *,
    learning_rate: float | None = None,
) -> State:
    """The state before the first step from `image`, sRGB in [0, 1].

    Raises:
        ValueError: a learning rate for an optimizer that does not keep its own in its state.
    """
    image = jnp.asarray(image, jnp.float32)
    optimizer_state = optimizer.init(image)
    if learning_rate is not None:
        try:
            rate = jnp.float32(learning_rate)
            optimizer_state = optax.tree.set(optimizer_state, learning_rate=rate)
        except KeyError:
            raise ValueError("this optimizer takes no learning_rate; adam and sgd do") from None
    state = State(image, optimizer_state, image, jnp.float32(jnp.inf))
    # `run` donates the state: no two leaves, and nothing of the caller's, may share a buffer.
    return jax.tree.map(jnp.copy, state)


def make_step(
    optimizer: optax.GradientTransformation,
) -> Callable[[State, Network, Targets, Terms], tuple[State, Info]]:
    """The pure function `step(state, network, targets, weights) -> (state, info)`.

    One gradient of `total_loss` an iteration (more if `optimizer` is an optax line search, which is
    given what it needs). `best_image` is the image of the lowest finite loss so far.
    """
    optimizer = optax.with_extra_args_support(optimizer)

    def step(
        state: State, network: Network, targets: Targets, weights: Terms
    ) -> tuple[State, Info]:
        def objective(image: Float[Array, "h w 3"]) -> tuple[Float[Array, ""], Terms]:
            return total_loss(network, image, targets, weights)

        (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.image)
        gradient_norm = optax.tree.norm(gradient)
        finite = jnp.isfinite(loss) & jnp.isfinite(gradient_norm)
        better = finite & (loss < state.best_loss)
        updates, optimizer_state = optimizer.update(
            gradient,
            state.optimizer_state,
            state.image,
            value=loss,
            grad=gradient,
            value_fn=lambda image: objective(image)[0],
        )
        state = State(
            optax.apply_updates(state.image, updates),
            optimizer_state,
            jnp.where(better, state.image, state.best_image),
            jnp.where(better, loss, state.best_loss),
        )
        searched = optax.tree.get(optimizer_state, "num_linesearch_steps", 0)
        return state, Info(loss, terms, gradient_norm, finite, jnp.int32(1 + searched))

    return step


def run(
    optimizer: optax.GradientTransformation,
    state: State,
    network: Network,
    targets: Targets,
    weights: Terms,
    *,
    steps: int,
    chunk: int = 5,
) -> Iterator[tuple[State, Info]]:
    """Take `steps` steps, `chunk` to a dispatch, and yield the state and the Info of each chunk.

    The fields of Info get a leading axis, one entry a step. The state is donated: use the one
    yielded last, before asking for the next. Only `optimizer`, `chunk` and shapes are static: pass
    the same optimizer object again, with what is to vary in `optax.inject_hyperparams`.

    Raises:
        DivergedError: the optimisation cannot go on, because the next image is not finite or
            because no loss has been finite yet.
    """
    for done in range(0, steps, chunk):
        count = min(chunk, steps - done)
        state, info = _run_chunk(
            optimizer, chunk, state, network.arrays_only(), targets, weights, count
        )
        info = jax.tree.map(lambda values: np.asarray(values)[:count], info)  # noqa: B023
        last = done + count == steps
        if not np.isfinite(state.best_loss) or not (last or jnp.isfinite(state.image).all()):
            step = done + int(np.argmin(np.append(info.finite, False)))
            raise DivergedError(step, np.array(state.best_image))
        yield state, info


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _run_chunk(
    optimizer: optax.GradientTransformation,
    chunk: int,
    state: State,
    network: Network,
    targets: Targets,
    weights: Terms,
    count: Int[Array, ""],
) -> tuple[State, Info]:
    step = make_step(optimizer)
    _, info = jax.eval_shape(step, state, network, targets, weights)

    def body(state: State, index: Int[Array, ""]) -> tuple[State, Info]:
        # The last chunk of a run is shorter: skipping steps at run time spares a compilation.
        return jax.lax.cond(
            index < count,
            lambda state: step(state, network, targets, weights),
            lambda state: (state, optax.tree.zeros_like(info)),
            state,
        )

    return jax.lax.scan(body, state, jnp.arange(chunk))
