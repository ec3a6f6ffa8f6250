"""How devices share a batch: by its items, by the rows of its only picture, or not at all."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from jnst.networks.feature_network import strides_of
from jnst.objective.problem import Problem
from jnst.optimizers.state import Info, State

Steps: TypeAlias = Callable[[State, Problem, Int[Array, ""]], tuple[State, Info]]


@dataclasses.dataclass(frozen=True)
class Sharing:
    """JAX's first device has all of a batch; the other ways are subclasses. Static under jit."""

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return 1

    @property
    def rows(self) -> Mesh | None:
        """The devices that share the rows of each picture."""
        return None

    def with_height(self, height: int) -> "Sharing":
        """The sharing of images of that height, with their margin."""
        return self

    def run(
        self, steps: Steps, state: State, problem: Problem, count: Int[Array, ""]
    ) -> tuple[State, Info]:
        """What `steps` returns; inside jit."""
        return steps(state, problem, count)

    def shared(self, state: State) -> State:
        """A state as its devices keep it; inside jit."""
        return state

    def whole(self, state: State) -> State:
        """A state as one device keeps it."""
        return state

    def place(self, state: State) -> State:
        """The state of one device, of arrays of any kind, on the devices."""
        return jax.tree.map(jnp.asarray, state)

    def place_problem(self, problem: Problem) -> Problem:
        """The problem of one device on the devices."""
        return problem


ONE_DEVICE = Sharing()


@dataclasses.dataclass(frozen=True)
class SharedItems(Sharing):
    """Each device has some of the items of a batch, and runs them alone."""

    mesh: Mesh

    @property
    def devices(self) -> int:
        return self.mesh.size

    def run(
        self, steps: Steps, state: State, problem: Problem, count: Int[Array, ""]
    ) -> tuple[State, Info]:
        """Each device takes the steps of its own items."""
        items, every = PartitionSpec(*self.mesh.axis_names), PartitionSpec()
        return jax.shard_map(
            steps,
            mesh=self.mesh,
            in_specs=(items, Problem(every, items, items), every),  # type: ignore[arg-type]
            out_specs=(items, PartitionSpec(None, *self.mesh.axis_names)),
            check_vma=False,
        )(state, problem, count)

    def shared(self, state: State) -> State:
        """The leading axis is divided among the devices."""
        return jax.lax.with_sharding_constraint(state, self._items())

    def place(self, state: State) -> State:
        """As `shared`."""
        return jax.device_put(state, self._items())

    def place_problem(self, problem: Problem) -> Problem:
        """All devices have the network, and the targets and weights of their items."""
        mine = jax.device_put((problem.targets, problem.weights), self._items())
        network = jax.device_put(problem.network, NamedSharding(self.mesh, PartitionSpec()))
        return Problem(network, *mine)

    def _items(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*self.mesh.axis_names))


@dataclasses.dataclass(frozen=True)
class SharedRows(Sharing):
    """Each device has some of the rows of the only picture of a batch, `height` with its margin.

    Images and stacks of them, (..., rows, columns, 3), are kept with rows of zeros below, so that
    all devices have equally many. XLA lets the devices compute together.
    """

    mesh: Mesh
    height: int = 0

    @property
    def devices(self) -> int:
        return self.mesh.size

    @property
    def rows(self) -> Mesh | None:
        return self.mesh

    def with_height(self, height: int) -> "SharedRows":
        return dataclasses.replace(self, height=height)

    def run(
        self, steps: Steps, state: State, problem: Problem, count: Int[Array, ""]
    ) -> tuple[State, Info]:
        """The steps see images and maps without the rows of zeros."""
        strides, targets = strides_of(problem.network), problem.targets
        content = {
            name: _first_rows(maps, self.height // strides[name])
            for name, maps in targets.content.items()
        }
        problem = problem.replace(targets=targets.replace(content=content))
        state, infos = steps(self.whole(state), problem, count)
        return self.shared(state), jax.lax.with_sharding_constraint(infos, self._every())

    def shared(self, state: State) -> State:
        """Images get rows of zeros, and are divided among the devices; these have all else."""
        shardings = jax.tree.map(self._sharding, state)
        return jax.lax.with_sharding_constraint(self._padded(state), shardings)

    def whole(self, state: State) -> State:
        """Images without the rows of zeros."""
        padded = self.height + -self.height % self.mesh.size
        return jax.tree.map(
            lambda leaf: _first_rows(leaf, self.height) if _is_image(leaf, padded) else leaf, state
        )

    def place(self, state: State) -> State:
        """As `shared`."""
        return jax.device_put(self._padded(state), jax.tree.map(self._sharding, state))

    def place_problem(self, problem: Problem) -> Problem:
        """The content's maps are divided among the devices; these have all else."""
        rows = NamedSharding(self.mesh, PartitionSpec(None, *self.mesh.axis_names))
        content = {
            name: jax.device_put(self._with_zeros(maps), rows)
            for name, maps in problem.targets.content.items()
        }
        others = problem.replace(targets=problem.targets.replace(content={}))
        others = jax.device_put(others, self._every())
        return others.replace(targets=others.targets.replace(content=content))

    def _padded(self, state: State) -> State:
        return jax.tree.map(
            lambda leaf: self._with_zeros(leaf) if _is_image(leaf, self.height) else leaf, state
        )

    def _with_zeros(self, leaf: Any) -> Any:
        more = -leaf.shape[-3] % self.mesh.size
        numpy = np if isinstance(leaf, np.ndarray) else jnp
        return numpy.pad(leaf, [(0, 0)] * (leaf.ndim - 3) + [(0, more), (0, 0), (0, 0)])

    def _sharding(self, leaf: Any) -> NamedSharding:
        """Where a leaf of the state of one device is kept."""
        if not _is_image(leaf, self.height):
            return self._every()
        axes = [None] * (leaf.ndim - 3) + [*self.mesh.axis_names]
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def _every(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec())


def _is_image(leaf: Any, rows: int) -> bool:
    """Whether it is an image of so many rows for each item, or a stack of images."""
    return leaf.ndim > 3 and leaf.shape[-3] == rows and leaf.shape[-1] == 3


def _first_rows(leaf: Any, rows: int) -> Any:
    return leaf[..., :rows, :, :]
