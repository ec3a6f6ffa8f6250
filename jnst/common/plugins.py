"""Modules of the user's own, imported by name or from a file."""

import contextlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path

loaded: list[str] = []
"""The plugins of this process, in the order of their import, files by absolute paths."""


def load_plugin(name: str) -> None:
    """Import a .py file, or a module, also one in the current folder.

    Raises:
        ValueError: it cannot be imported; the message says why.
    """
    path = Path(name)
    folder = str(path.absolute().parent) if path.suffix == ".py" else os.getcwd()
    sys.path.insert(0, folder)  # the module may import its neighbors
    try:
        if path.suffix == ".py":
            spec = importlib.util.spec_from_file_location(f"jnst_plugin_{path.stem}", path)
            module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules[module.__name__] = module
            try:
                spec.loader.exec_module(module)  # type: ignore[union-attr]
            except BaseException:
                del sys.modules[module.__name__]
                raise
        else:
            importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever the user's own program raises
        raise ValueError(
            f"plugin {name} cannot be imported ({type(error).__name__}: {error})"
        ) from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
    plugin = str(path.absolute()) if path.suffix == ".py" else name
    if plugin not in loaded:
        loaded.append(plugin)
