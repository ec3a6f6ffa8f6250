"""A trained network in a folder: its settings, and orbax's checkpoints of its training."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import objective
import orbax.checkpoint as ocp
from image_transformation import ImageTransformation, Shares
from jaxtyping import Array, Float
from objective import Training

import jnst

Image = Float[Array, "h w 3"]


class Settings(NamedTuple):
    """What the network was trained for. All of it must be the same when training goes on."""

    styles: Sequence[str]
    network: str
    style_loss: str
    size: int
    channels: int
    learning_rate: float

    def config(self, network: jnst.Network) -> jnst.Config:
        """The settings of the loss: the network's preset, without a margin."""
        return jnst.preset(network.preset, size=self.size, style_loss=(self.style_loss,), margin=0)


@functools.cache
def _transformation(styles: int, channels: int) -> ImageTransformation:
    """The same object for the same settings, so that what is compiled for it is found again."""
    return ImageTransformation(styles, channels)


def new_state(settings: Settings) -> Training:
    """A network that gives back the photograph, and its optimizer."""
    transformation = _transformation(len(settings.styles), settings.channels)
    image, shares = jnp.zeros((64, 64, 3)), jnp.zeros(len(settings.styles))
    params = jax.jit(transformation.init)(jax.random.key(0), image, shares)
    return Training.create(
        apply_fn=transformation.apply,
        params=params,
        tx=objective.optimizer(settings.learning_rate),
        average=params,
    )


def paint(state: Training, photograph: Image, shares: Shares) -> Image:
    """A photograph in a mixture of styles, in [0, 1]. Compiled once for each size."""
    return _paint(state.apply_fn, state.average, photograph, shares)


@functools.partial(jax.jit, static_argnums=0)
def _paint(apply: Callable[..., Image], params: Any, photograph: Image, shares: Shares) -> Image:
    return apply(params, photograph, shares).clip(0, 1)


def open_checkpoints(folder: Path) -> ocp.CheckpointManager:
    """The last two checkpoints of a training."""
    options = ocp.CheckpointManagerOptions(max_to_keep=2)
    return ocp.CheckpointManager((folder / "checkpoints").absolute(), options=options)


def restore(checkpoints: ocp.CheckpointManager, state: Training) -> Training:
    """The last checkpoint, or the state as it is if there is none."""
    step = checkpoints.latest_step()
    if step is None:
        return state
    return checkpoints.restore(step, args=ocp.args.StandardRestore(state))


def read_settings(folder: Path) -> Settings:
    """The settings of a folder that training has written.

    Raises:
        ValueError: there are none.
    """
    if not (folder / "settings.json").exists():
        raise ValueError(f"{folder} has no trained network; train.py makes one")
    return Settings(**json.loads((folder / "settings.json").read_text()))


def check_settings(folder: Path, settings: Settings) -> None:
    """Of a training that goes on the settings have to be the same.

    Raises:
        ValueError: they are others.
    """
    if not (folder / "settings.json").exists():
        return
    before = read_settings(folder)
    for name, value, earlier in zip(settings._fields, settings, before, strict=True):
        if value != earlier:
            raise ValueError(f"{name} is {value}; the network in {folder} has {earlier}")


def write_settings(folder: Path, settings: Settings) -> None:
    """Write the settings of a training into its folder."""
    write_text(folder / "settings.json", json.dumps(settings._asdict(), indent=2))


def write_text(path: Path, text: str) -> None:
    """Write a file that is never there in part."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text)
    unfinished.replace(path)


def load(folder: Path, settings: Settings) -> Training:
    """A trained network.

    Raises:
        ValueError: no step of its training has been kept.
    """
    with open_checkpoints(folder) as checkpoints:
        if checkpoints.latest_step() is None:
            raise ValueError(f"{folder} has no trained network; train.py makes one")
        return restore(checkpoints, new_state(settings))
