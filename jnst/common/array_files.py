"""Arrays with a label, as one file that is there whole or not at all."""

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
"""What a file that is cut off or changed makes numpy and zipfile raise."""


def save_arrays(path: str | os.PathLike[str], label: Any, arrays: Mapping[str, Any]) -> None:
    """Write named arrays and a label, which is plain values, atomically."""
    text = np.frombuffer(json.dumps(label).encode(), np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, label=text, **arrays)


def load_arrays(path: str | os.PathLike[str]) -> tuple[Any, dict[str, np.ndarray]]:
    """The label and the arrays of a file.

    Raises:
        one of `DAMAGED`: it is no such file.
    """
    with np.load(Path(path), allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(bytes(arrays.pop("label"))), arrays


def state_versions() -> dict[str, str]:
    """The versions of what decides how a state is laid out, and how it goes on."""
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "optax")}
    return {"jnst": __version__} | packages
