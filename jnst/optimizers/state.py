"""The state of an optimization, and what a reader wants to know of a step."""

import functools

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from jnst.common.brief import brief
from jnst.settings.choices import Pixels
from jnst.settings.terms import Terms

HYPERPARAMETERS = {"learning_rate": "learning_rate", "decay": "learning_rate_decay"}
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


def init(
    optimizer: optax.GradientTransformation,
    image: Float[Array, "h w 3"],
    *,
    learning_rate: float | Float[Array, ""] | None = None,
    learning_rate_decay: float | Float[Array, ""] = 1,
    pixels: Pixels = "free",
    averaging: float | Float[Array, ""] = 0,
) -> State:
    """The state before the first step from `image`, sRGB in [0, 1], whose type it has.

    `pixels` must be the one that the steps are made with. `averaging` in [0, 1) is the share of the
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
    if not _is(1, learning_rate_decay):
        rates["decay"] = learning_rate_decay
    given = {name: scalar(rate) for name, rate in rates.items() if rate is not None}
    for name, rate in given.items():
        try:
            optimizer_state = optax.tree.set(optimizer_state, **{name: rate})
        except KeyError:
            raise ValueError(
                f"this optimizer takes no {HYPERPARAMETERS[name]}; adam, sgd, and what "
                "optax.inject_hyperparams makes do"
            ) from None
    state = State(
        variable,
        optimizer_state,
        image,
        scalar(jnp.inf),
        None if _is(0, averaging) else Average(jnp.zeros_like(image), scalar(0), scalar(averaging)),
    )
    # `run` donates the state: no two leaves, and nothing of the caller's, may share a buffer.
    return jax.tree.map(jnp.copy, state)


def _is(number: float, value: float | Array) -> bool:
    """Whether a value is that number, for certain: one that is traced may be any."""
    return not isinstance(value, jax.core.Tracer) and bool(value == number)
