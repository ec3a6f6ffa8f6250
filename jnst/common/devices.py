"""Several devices, of one process or of many."""

from typing import Any, Literal, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh

from jnst.common.validation import shown

Tree = TypeVar("Tree")

AXIS = "devices"


def device_mesh(count: int | Literal["all"] = "all") -> Mesh:
    """A mesh of JAX's first `count` devices, or of all that all processes have.

    Raises:
        ValueError: there are not so many.
    """
    devices = jax.devices()
    number = len(devices) if count == "all" else count
    if not 1 <= number <= len(devices):
        raise ValueError(f"{shown(count)} devices are asked for; JAX has {len(devices)}")
    return Mesh(np.array(devices[:number]), (AXIS,), axis_types=(AxisType.Auto,))


def check_mesh(mesh: Any) -> Mesh:
    """The mesh, whose arrays XLA may place; ValueError unless it is one of one axis."""
    if not isinstance(mesh, Mesh):
        raise ValueError(f"mesh is {shown(mesh)}; a jax.sharding.Mesh of one axis is accepted")
    if len(mesh.axis_names) != 1:
        axes = ", ".join(map(str, mesh.axis_names))
        raise ValueError(f"mesh has the axes {axes}; one axis is accepted")
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,))


def on_host(tree: Tree) -> Tree:
    """Arrays as numpy's, whole in every process."""
    if jax.process_count() > 1:
        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def agreed(number: int) -> int:
    """The number that the first process has: all must run the same programs."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))
