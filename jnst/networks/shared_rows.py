"""Maps whose rows are shared by devices.

XLA computes convolutions and pooling on equal shares of rows, and passes the rows at their borders
on. Shares are equal at every layer if the height is a multiple of the deepest layer's stride for
each device: the image is padded to it, and what is below its true rows is kept zero, as the padding
of a convolution is. So no map changes.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float


def pad_rows(maps: Float[Array, "h w c"], step: int, mesh: Mesh) -> Float[Array, "_h w c"]:
    """Maps with rows of zeros below them, up to a multiple of `step` for each device of the mesh.

    From there on the devices share the rows.
    """
    more = -len(maps) % (step * mesh.size)
    padded = jnp.pad(maps, ((0, more), (0, 0), (0, 0)))
    sharding = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    return jax.lax.with_sharding_constraint(padded, sharding)


def clear_below(maps: Float[Array, "h w c"], rows: int) -> Float[Array, "h w c"]:
    """Maps with zeros below the first `rows`."""
    if len(maps) == rows:
        return maps
    return jnp.where((jnp.arange(len(maps)) < rows)[:, None, None], maps, 0)
