"""The devices that are given for a run."""

from typing import Any

import jax

from jnst.common.devices import check_mesh
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.vgg import Network
from jnst.optimizers.sharing import ONE_DEVICE, SharedItems, SharedRows, Sharing
from jnst.settings.config import Config


def shared_rows(mesh: Any, config: Config, network: Any, checkpoint: Any) -> Sharing:
    """How the devices of a mesh share a picture; without one, the first has it.

    Raises:
        ValueError: it is no mesh of one axis; a setting, a network or a checkpoint that is not
            accepted with it.
    """
    if mesh is None:
        return ONE_DEVICE
    if isinstance(network, FeatureNetwork) and not isinstance(network, Network):
        kind = type(network).__name__
        raise ValueError(f"mesh is for VGG networks; for a network of {kind} None is accepted")
    if isinstance(config.tile, int):
        raise ValueError(
            f"tile is {config.tile}; the devices of a mesh take a picture in no tiles: 'auto' or "
            "None is accepted with it"
        )
    if checkpoint is not None and jax.process_count() > 1:
        raise ValueError(
            f"checkpoint is for one process, and there are {jax.process_count()}; None is accepted"
        )
    return SharedRows(check_mesh(mesh))


def shared_items(mesh: Any) -> Sharing:
    """How the devices of a mesh share a batch; without one, the first has it.

    Raises:
        ValueError: it is no mesh of one axis.
    """
    return ONE_DEVICE if mesh is None else SharedItems(check_mesh(mesh))
