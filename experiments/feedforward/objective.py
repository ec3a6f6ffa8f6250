"""The loss that the network is trained with: jnst's own, of each image in a batch."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.training.train_state import TrainState
from jaxtyping import Array, Float, Int

import jnst

Photographs = Float[Array, "n h w 3"]
Styles = Int[Array, " n"]


class Training(TrainState):
    """A network in training, and the moving average of its parameters, which paints.

    With one photograph a step the parameters go up and down; their average does less so (Polyak and
    Juditsky 1992).
    """

    average: Any


def style_targets(
    network: jnst.Network, styles: Sequence[Float[Array, "_h _w 3"]], config: jnst.Config
) -> jnst.Targets:
    """The targets of every style, stacked. `mean_loss` puts in the content of each photograph."""
    black = jnp.zeros((config.size, config.size, 3))
    return jnst.stack([jnst.make_targets(network, black, each, config) for each in styles])


def mean_loss(
    params: Any, state: TrainState, problem: jnst.Problem, photographs: Photographs, styles: Styles
) -> Float[Array, ""]:
    """The mean of `jnst.total_loss` over what the network makes of photographs, one style each.

    `problem` has the targets of all styles, from `style_targets`.
    """
    network, targets, weights = problem.network, problem.targets, problem.weights
    layout = targets.layout
    count = jax.tree.leaves(targets.style)[0].shape[0]

    def loss(photograph: Float[Array, "h w 3"], style: Int[Array, ""]) -> Float[Array, ""]:
        content = jnst.extract_features(
            network, photograph, layout.content_layers, pooling=layout.pooling
        )
        own = jax.tree.map(lambda leaf: leaf[style], targets).replace(content=content)
        image = state.apply_fn(params, photograph, jax.nn.one_hot(style, count))
        return jnst.total_loss(network, image, own, weights)[0]

    return jax.vmap(loss)(photographs, styles).mean()


@jax.jit
def train_step(
    state: Training, problem: jnst.Problem, photographs: Photographs, styles: Styles
) -> tuple[Training, Float[Array, ""]]:
    """One step of the optimizer, and the loss before it.

    average <- (1 - s) average + s params, with s = max(0.01, 9 / (10 + steps))
    """
    loss, gradients = jax.value_and_grad(mean_loss)(
        state.params, state, problem, photographs, styles
    )
    state = state.apply_gradients(grads=gradients)
    share = jnp.maximum(0.01, 9 / (10 + state.step))
    average = optax.incremental_update(state.params, state.average, share)
    return state.replace(average=average), loss


@functools.cache
def optimizer(learning_rate: float) -> optax.GradientTransformation:
    """Adam, as in the papers, with gradients of limited length: the first ones are long."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(learning_rate))
