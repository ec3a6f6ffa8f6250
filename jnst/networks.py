"""Networks on disk: the canonical file, and the one that the package carries."""

import hashlib
import importlib.resources
import os
from pathlib import Path
from typing import Literal

import h5py
import jax.numpy as jnp
import numpy as np

from jnst.atomic import atomic_path
from jnst.checks import check_choice
from jnst.vgg import CONVOLUTIONS, Network

Storage = Literal["float32", "float16", "int8"]

EMBEDDED = "embedded.h5"


class NetworkError(ValueError):
    """A network file that is missing, damaged, or not a VGG-19 in canonical form."""


def load_network(name: str | os.PathLike[str]) -> Network:
    """The network of that name ("embedded") or in that canonical HDF5 file, in float32.

    Raises:
        NetworkError: there is no such file, it cannot be read, or a tensor is missing, misshapen
            or not finite.
    """
    if name == "embedded":
        return read_network(_embedded_path())
    return read_network(Path(name))


def _embedded_path() -> Path:
    try:
        return Path(str(importlib.resources.files("jnst.zoo"))) / EMBEDDED
    except ModuleNotFoundError:  # an uninstalled checkout, which Python prefers in its own folder
        return Path(__file__).parent.parent / "weights" / EMBEDDED


def read_network(path: Path) -> Network:
    """Read a canonical file: see `write_network`. Raises NetworkError."""
    if not path.is_file():
        raise NetworkError(f"{path}: no such file; 'embedded' or a canonical .h5 is accepted")
    try:
        with h5py.File(path, "r") as file:
            params = {
                name: {
                    "kernel": _read_tensor(file, f"{name}/kernel", shape),
                    "bias": _read_tensor(file, f"{name}/bias", shape[-1:]),
                }
                for name, shape in CONVOLUTIONS.items()
            }
            mean = np.asarray(file.attrs["mean"], np.float32)
            identity = {key: str(file.attrs.get(key, "")) for key in ("name", "source", "licence")}
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise NetworkError(f"{path}: not a canonical network file ({error})") from None
    if mean.shape != (3,) or not np.isfinite(mean).all():
        raise NetworkError(f"{path}: mean is {mean}; three finite numbers are accepted")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Network(params, jnp.asarray(mean), digest=digest, **identity)


def write_network(
    path: str | os.PathLike[str], network: Network, *, storage: Storage = "float32"
) -> None:
    """Write the canonical file, atomically.

    HDF5 with `conv1_1/kernel` (HWIO) and `conv1_1/bias` for all sixteen convolutions and the
    attributes `mean`, `name`, `source`, `licence`. `storage` "int8" keeps a kernel as
    round(kernel / scale) with the attribute `scale` = max |kernel| / 127, one per output channel.
    """
    check_choice("storage", storage, Storage)
    with atomic_path(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["mean"] = np.asarray(network.mean, np.float32)
        for key in ("name", "source", "licence"):
            file.attrs[key] = getattr(network, key)
        for name in CONVOLUTIONS:
            kernel = np.asarray(network.params[name]["kernel"], np.float32)
            group = file.create_group(name)
            if storage == "int8":
                scale = np.maximum(np.abs(kernel).max((0, 1, 2)), np.finfo(np.float32).tiny) / 127
                kernel = np.rint(kernel / scale)
            dataset = group.create_dataset("kernel", data=kernel.astype(storage))
            if storage == "int8":
                dataset.attrs["scale"] = scale
            group["bias"] = np.asarray(network.params[name]["bias"], np.float32)


def _read_tensor(file: h5py.File, key: str, shape: tuple[int, ...]) -> jnp.ndarray:
    dataset = file.get(key)
    if not isinstance(dataset, h5py.Dataset):
        raise NetworkError(f"{key} is missing")
    if dataset.shape != shape:
        raise NetworkError(f"{key} has shape {dataset.shape}; VGG-19 has {shape}")
    tensor = np.asarray(dataset, np.float32) * np.asarray(dataset.attrs.get("scale", 1), np.float32)
    if tensor.shape != shape or not np.isfinite(tensor).all():
        raise NetworkError(f"{key} is not finite")
    return jnp.asarray(tensor)
