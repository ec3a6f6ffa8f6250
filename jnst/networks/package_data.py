"""The data files of the package."""

import importlib.resources
from pathlib import Path


def data_file(name: str) -> Path:
    """The path of a file in weights/, which is installed as `jnst.weights`."""
    try:
        return Path(str(importlib.resources.files("jnst.weights"))) / name
    except ModuleNotFoundError:  # a checkout that is not installed
        return Path(__file__).parents[2] / "weights" / name
