"""`--devices`: several devices for one picture, or for a batch."""

import argparse
from typing import TYPE_CHECKING, Any

from jnst.cli.commands import leaving_at_once
from jnst.common.validation import shown

if TYPE_CHECKING:
    from jax.sharding import Mesh


def add_devices(group: Any, what: str) -> None:
    """Declare `--devices`; `what` is what they share."""
    group.add_argument(
        "--devices",
        type=_devices,
        metavar="N|all",
        help=f"GPUs, or other devices of JAX, that share {what}; unset: one",
    )


def mesh_of(options: argparse.Namespace) -> "Mesh | None":
    """The devices of a run; None if it has the first alone.

    Raises:
        ValueError: there are not so many.
    """
    if options.devices is None:
        return None
    with leaving_at_once(options.interrupted):
        from jnst.common.devices import device_mesh  # with JAX

    return device_mesh(options.devices)


def _devices(text: str) -> int | str:
    if text == "all":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is no number of devices; from 1 on, or all, is accepted"
        )
    return int(text)
