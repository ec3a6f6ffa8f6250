"""One pure step of an optimization."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jnst.objective.problem import Problem
from jnst.objective.total import total_loss
from jnst.optimizers.state import Info, State
from jnst.settings.choices import Pixels
from jnst.settings.terms import Terms

Step: TypeAlias = Callable[[State, Problem], tuple[State, Info]]


def make_step(optimizer: optax.GradientTransformation, *, pixels: Pixels = "free") -> Step:
    """The pure function `step(state, problem) -> (state, info)`.

    One gradient of `total_loss` an iteration (more if `optimizer` is an optax line search, which is
    given what it needs). `best_image` is the image of the lowest finite loss so far. `pixels`:
    "free" lets values leave [0, 1], "projected" brings them back after every step, "sigmoid" moves
    the logit of the image.
    """
    optimizer = optax.with_extra_args_support(optimizer)

    def step(state: State, problem: Problem) -> tuple[State, Info]:
        def objective(variable: Float[Array, "h w 3"]) -> tuple[Float[Array, ""], Terms]:
            image = jax.nn.sigmoid(variable) if pixels == "sigmoid" else variable
            return total_loss(problem.network, image, problem.targets, problem.weights)

        (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.variable)
        image = jax.nn.sigmoid(state.variable) if pixels == "sigmoid" else state.variable
        gradient_norm = optax.tree.norm(gradient)
        finite = jnp.isfinite(loss) & jnp.isfinite(gradient_norm)
        better = finite & (loss < state.best_loss)
        with jax.numpy_dtype_promotion("standard"):  # which optax needs
            updates, optimizer_state = optimizer.update(
                gradient,
                state.optimizer_state,
                state.variable,
                value=loss,
                grad=gradient,
                value_fn=lambda variable: objective(variable)[0],
            )
        variable = optax.apply_updates(state.variable, updates)
        if pixels == "projected":
            variable = jnp.clip(variable, 0, 1)
        average = state.average
        if average is not None:
            average = optax.tree.where(finite, average.add(image), average)
        state = State(
            variable,
            optimizer_state,
            jnp.where(better, image, state.best_image),
            jnp.where(better, loss, state.best_loss),
            average,
        )
        searched = optax.tree.get(optimizer_state, "num_linesearch_steps", 0)
        return state, Info(loss, terms, gradient_norm, finite, jnp.int32(1 + searched))

    return step
