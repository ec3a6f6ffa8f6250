"""Compiled programs are kept for the next start of the command."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

MOST_BYTES = 2**28


@contextlib.contextmanager
def kept_programs(folder: Path) -> Iterator[None]:
    """Within it JAX keeps what it compiles in a folder, and takes it from there.

    What was not used for longest goes when there are more than `MOST_BYTES`. A folder that the user
    gave to JAX (`JAX_COMPILATION_CACHE_DIR`) is used in its place, and as JAX is told to. Files
    that are damaged, or cannot be written, are passed over: all they cost is time.
    """
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_compilation_cache_max_size": MOST_BYTES,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    if before["jax_compilation_cache_dir"] is not None:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
        _configure(settings)
        try:
            yield
        finally:
            _configure(before)


def _configure(settings: dict[str, object]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # it is opened once, at the first compilation
