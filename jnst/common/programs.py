"""The cache of compiled programs on disk."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

MOST_BYTES = 2**28


@contextlib.contextmanager
def kept_programs(folder: Path) -> Iterator[None]:
    """A context in which JAX caches compiled programs in `folder`.

    Above `MOST_BYTES` the least recently used ones are removed. If the user set
    `JAX_COMPILATION_CACHE_DIR`, that folder and JAX's own settings are used instead. Damaged and
    unwritable files are ignored; the program is then compiled again.
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
    compilation_cache.reset_cache()  # JAX opens the cache once, at the first compilation
