"""Named arrays and a label in one file, written atomically."""

import importlib.metadata
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jnst.common.atomic import atomic_path
from jnst.common.version import __version__

DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, MemoryError),
    *(NotImplementedError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""The exceptions that numpy and zipfile raise on a damaged file."""


def save_arrays(path: str | os.PathLike[str], label: Any, arrays: Mapping[str, Any]) -> None:
    """Write named arrays and a label (anything JSON can hold), atomically."""
    text = np.frombuffer(json.dumps(label).encode(), np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, label=text, **arrays)


def load_arrays(path: str | os.PathLike[str]) -> tuple[Any, dict[str, np.ndarray]]:
    """The label and the arrays of a file.

    Raises:
        one of `DAMAGED`: the file is missing, damaged or of another kind.
    """
    with np.load(Path(path), allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(bytes(arrays.pop("label"))), arrays


def load_label(path: str | os.PathLike[str]) -> Any:
    """The label of a file, without its arrays; raises what `load_arrays` raises."""
    with np.load(Path(path), allow_pickle=False) as file:
        return json.loads(bytes(file["label"]))


def state_versions() -> dict[str, str]:
    """Versions of the packages that a saved optimizer state depends on."""
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "optax")}
    return {"jnst": __version__} | packages
