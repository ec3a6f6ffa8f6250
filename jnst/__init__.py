"""Neural style transfer as it should be in JAX."""

import ast
import importlib.resources
from typing import Any

_PUBLIC = importlib.resources.files(__name__) / "__init__.pyi"


def _modules() -> dict[str, str]:
    """Of each public name, the module that it is in: as the stub imports it, for type checkers."""
    imports = ast.parse(_PUBLIC.read_text(encoding="utf-8")).body
    return {
        alias.name: f"{node.module}.{alias.name}" if node.module == "jnst" else str(node.module)
        for node in imports
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


_MODULES = _modules()

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """A public name, whose module is imported when it is first asked for: JAX takes a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name])
    value = module if _MODULES[name] == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
