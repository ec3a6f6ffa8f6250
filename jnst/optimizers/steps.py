"""The optimization of an image: its state, the optimizers by name, and one pure step."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from jnst.common.brief import brief
from jnst.common.validation import check_choice
from jnst.networks.feature_network import FeatureNetwork
from jnst.objective.margin import add_margin, remove_margin
from jnst.objective.targets import Targets
from jnst.objective.total import total_loss
from jnst.optimizers.lbfgs import lbfgs
from jnst.optimizers.preconditioner import fit_smoothing
from jnst.settings.choices import Optimizer, Pixels, Schedule
from jnst.settings.terms import Terms

RATES = {"learning_rate": "learning_rate", "decay": "learning_rate_decay"}
"""The settings by the names that optimizers have them under."""

SIGMOID_RANGE = (0.01, 0.99)
"""Where logits start: at 0 and 1 they would be infinite."""


class Average(struct.PyTreeNode):
    """A running average with a share `decay` of the past: `total` / `weight`, as in Adam."""

    total: Float[Array, "*n h w 3"]
    weight: Float[Array, "*n"]
    decay: Float[Array, "*n"]

    def __repr__(self) -> str:
        return brief(self)

    def add(self, image: Float[Array, "h w 3"]) -> "Average":
        """The average with one image more."""
        total, weight = (
            self.decay * past + (1 - self.decay) * now
            for past, now in ((self.total, image), (self.weight, 1))
        )
        return Average(total, weight, self.decay)


class State(struct.PyTreeNode):
    """What the next step needs: where the loss is evaluated next, and the images so far.

    `variable` is what the optimizer moves: the image, or its logit. Under `run_batch` all has a
    leading axis, the items.
    """

    variable: Float[Array, "*n h w 3"]
    optimizer_state: optax.OptState
    best_image: Float[Array, "*n h w 3"]
    best_loss: Float[Array, "*n"]
    average: Average | None

    def __repr__(self) -> str:
        return brief(self)

    @property
    def result(self) -> Float[Array, "*n h w 3"]:
        """The average of the images; without averaging, or before the first, the best image."""
        if self.average is None:
            return self.best_image
        weight = self.average.weight[..., None, None, None]
        return jnp.where(
            weight > 0, self.average.total / jnp.where(weight > 0, weight, 1), self.best_image
        )

    @property
    def diverged(self) -> Bool[Array, "*n"]:
        """Whether no step is left to take: the next image is not finite, or no loss has been."""
        finite = jnp.isfinite(self.variable).all((-3, -2, -1))
        return ~(finite & jnp.isfinite(self.best_loss))


class Info(struct.PyTreeNode):
    """What a reader wants to know of a step; the values are those before the image moved.

    `evaluations` counts those of the loss: 1, and those of an optax line search.
    """

    loss: Float[Array, ""]
    terms: Terms
    gradient_norm: Float[Array, ""]
    finite: Bool[Array, ""]
    evaluations: Int[Array, ""]

    def __repr__(self) -> str:
        return brief(self)


Step = Callable[[State, FeatureNetwork, Targets, Terms], tuple[State, Info]]
Transformation: TypeAlias = optax.GradientTransformation


def named_optimizer(
    name: Optimizer, *, precondition: bool = True, learning_rate: Schedule | None = None
) -> optax.GradientTransformation:
    """The optimizer of that name; its learning rate is set by `init`, so that it is never static.

    "lbfgs" is `jnst.optimizers.lbfgs.lbfgs`, whose steps have no rate, preconditioned by
    `fit_smoothing` if `precondition`: for an image whose large shapes are still to change. "adam"
    is `optax.adam` with rate 0.02 and b2 = 0.99; "sgd" is `optax.sgd` with rate 1. Both have a
    `decay` of the rate, what it is multiplied by every 100 steps, and take a schedule as
    `learning_rate`. The same arguments give the same object.
    """
    check_choice("optimizer", name, Optimizer)
    return _named_optimizer(name, precondition and name == "lbfgs", learning_rate)


@functools.lru_cache(64)
def _named_optimizer(
    name: Optimizer, precondition: bool, schedule: Schedule | None
) -> optax.GradientTransformation:
    match name:
        case "lbfgs":
            return lbfgs(fit_precondition=fit_smoothing) if precondition else lbfgs()
        case "adam":
            return optax.inject_hyperparams(_decaying_adam)(
                learning_rate=schedule or 0.02, decay=1.0
            )
        case "sgd":
            return optax.inject_hyperparams(_decaying_sgd)(learning_rate=schedule or 1.0, decay=1.0)


def _decaying_adam(learning_rate: float, decay: float) -> optax.GradientTransformationExtraArgs:
    return optax.chain(optax.adam(learning_rate, b2=0.99), _decaying(decay))


def _decaying_sgd(learning_rate: float, decay: float) -> optax.GradientTransformationExtraArgs:
    return optax.chain(optax.sgd(learning_rate), _decaying(decay))


def _decaying(decay: float) -> optax.GradientTransformation:
    rate = jnp.asarray(decay)
    return optax.scale_by_schedule(lambda count: rate ** (count.astype(rate.dtype) / 100))


def resize_moments(state: State, begin: State, margin: int) -> State:
    """`begin`, with Adam's memory of another size: its moments resized linearly.

    Coarse to fine (Crowson 2021, style-transfer-pytorch). The gradient of a mean over positions
    falls as their number rises, and the moments are scaled so; as they were, Adam's steps would be
    too small for as long as it remembers (Starry Night, 256 px, 150 steps: 1.37 in loss, scaled
    0.76; 400 steps: 0.64 and 0.51, 0.53 without memory). The `margin` of both images is no part
    of the picture: it gets the reflection of the moments inside, as in `add_margin`.
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


def init(
    optimizer: optax.GradientTransformation,
    image: Float[Array, "h w 3"],
    *,
    learning_rate: float | None = None,
    learning_rate_decay: float = 1,
    pixels: Pixels = "free",
    averaging: float = 0,
) -> State:
    """The state before the first step from `image`, sRGB in [0, 1], whose type it has.

    `pixels` must be the one that the steps are made with; `averaging` in [0, 1) is the share of the
    past in `State.average`, which is not kept at 0.

    Raises:
        ValueError: an image of whole numbers; a learning rate for an optimizer that does not keep
            its own in its state.
    """
    image = jnp.asarray(image)
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image is of {image.dtype}; floats in [0, 1] are accepted")
    scalar = functools.partial(jnp.asarray, dtype=image.dtype)
    variable = image
    if pixels == "sigmoid":
        variable = jax.scipy.special.logit(jnp.clip(image, *SIGMOID_RANGE))
    optimizer_state = optimizer.init(variable)
    rates = {"learning_rate": learning_rate}
    if learning_rate_decay != 1:
        rates["decay"] = learning_rate_decay
    given = {name: scalar(rate) for name, rate in rates.items() if rate is not None}
    for name, rate in given.items():
        try:
            optimizer_state = optax.tree.set(optimizer_state, **{name: rate})
        except KeyError:
            raise ValueError(
                f"this optimizer takes no {RATES[name]}; adam, sgd, and what "
                "optax.inject_hyperparams makes do"
            ) from None
    state = State(
        variable,
        optimizer_state,
        image,
        scalar(jnp.inf),
        Average(jnp.zeros_like(image), scalar(0), scalar(averaging)) if averaging else None,
    )
    # `run` donates the state: no two leaves, and nothing of the caller's, may share a buffer.
    return jax.tree.map(jnp.copy, state)


def make_step(optimizer: optax.GradientTransformation, *, pixels: Pixels = "free") -> Step:
    """The pure function `step(state, network, targets, weights) -> (state, info)`.

    One gradient of `total_loss` an iteration (more if `optimizer` is an optax line search, which is
    given what it needs). `best_image` is the image of the lowest finite loss so far. `pixels`:
    "free" lets values leave [0, 1], "projected" brings them back after every step, "sigmoid" moves
    the logit of the image.
    """
    optimizer = optax.with_extra_args_support(optimizer)

    def step(
        state: State, network: FeatureNetwork, targets: Targets, weights: Terms
    ) -> tuple[State, Info]:
        def objective(variable: Float[Array, "h w 3"]) -> tuple[Float[Array, ""], Terms]:
            image = jax.nn.sigmoid(variable) if pixels == "sigmoid" else variable
            return total_loss(network, image, targets, weights)

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
