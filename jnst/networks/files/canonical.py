"""The canonical file format of networks."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from jaxtyping import Float

from jnst.common.atomic import atomic_path
from jnst.common.validation import check_choice
from jnst.networks.files.containers import IDENTITY, dequantize
from jnst.networks.files.formats import begin_digest, tensor_names
from jnst.networks.layers import Pooling
from jnst.networks.vgg import Network, check_complete

Storage = Literal["float32", "float16", "int8"]


def write_network(
    path: str | os.PathLike[str], network: Network, *, storage: Storage = "float32"
) -> None:
    """Write the canonical file, atomically.

    HDF5 with `conv1_1/kernel` (HWIO) and `conv1_1/bias` for all convolutions and the attributes
    `mean`, `pooling`, `name`, `source`, `licence`, `preset`, `digest`. `storage` "int8" keeps a
    kernel as round(kernel / scale) with the attribute `scale` = max |kernel| / 127, one per output
    channel.

    Raises:
        ValueError: an unknown storage; a network from `prepare_network`.
        OSError: the file cannot be written; one that was there before stays.
    """
    check_choice("storage", storage, Storage)
    identity = {key: getattr(network, key) for key in ("name", "source", "license", "preset")}
    mean = np.asarray(network.mean, np.float32)
    write_tensors(path, mean, network.pooling, _tensors(network), identity, storage=storage)


def write_tensors(
    path: str | os.PathLike[str],
    mean: Float[np.ndarray, "3"],
    pooling: Pooling,
    tensors: Iterable[tuple[str, np.ndarray]],
    identity: Mapping[str, str],
    *,
    storage: Storage = "float32",
) -> None:
    """As `write_network`, for an iterator of float32 tensors in the order of `tensor_names`."""
    digest = begin_digest(mean, pooling)
    with atomic_path(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        said = {IDENTITY[key]: value for key, value in identity.items()}
        file.attrs.update({"mean": mean, "pooling": pooling, **said})
        for key, tensor in tensors:
            if key.endswith("bias"):
                file[key] = tensor
            elif storage == "int8":
                scale = np.maximum(np.abs(tensor).max((0, 1, 2)), np.finfo(np.float32).tiny) / 127
                stored = np.rint(tensor / scale).astype(np.int8)
                file[key] = stored
                file[key].attrs["scale"] = scale
                tensor = dequantize(stored, scale)
            else:
                file[key] = tensor.astype(storage, copy=False)
                tensor = np.asarray(file[key], np.float32) if storage == "float16" else tensor
            digest.update(tensor.data)
            del tensor  # free it before the next one is read
        file.attrs["digest"] = digest.hexdigest()


def check_output(path: Path) -> None:
    """ValueError unless `path` is an .h5 file in an existing folder."""
    if path.suffix.lower() not in (".h5", ".hdf5") or path.is_dir():
        raise ValueError(f"{path}: a canonical file is an .h5 file")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")


def network_digest(network: Network) -> str:
    """SHA-256 of the mean, the pooling and the tensors in float32, whatever the file format.

    Raises:
        ValueError: a network from `prepare_network`.
    """
    digest = begin_digest(np.asarray(network.mean, np.float32), network.pooling)
    for _, tensor in _tensors(network):
        digest.update(tensor.data)
    return digest.hexdigest()


def _tensors(network: Network) -> Iterable[tuple[str, np.ndarray]]:
    check_complete(network)
    for key in tensor_names(network.architecture):
        layer, kind = key.split("/")
        yield key, np.asarray(network.params[layer][kind], np.float32, order="C")
