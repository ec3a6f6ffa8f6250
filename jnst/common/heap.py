"""Settings of glibc's malloc that make the process smaller."""

import contextlib
import ctypes


def return_freed_memory() -> None:
    """Return freed memory to the system; does nothing without glibc.

    A compilation frees much memory, which glibc would keep.
    """
    _call_c_library("malloc_trim", 0)


def use_one_arena() -> None:
    """Let all threads allocate from one arena; does nothing without glibc.

    Memory that a thread freed in its own arena cannot be used by other threads. The setting is for
    the whole process; call it at the start.
    """
    arena_max = -8  # M_ARENA_MAX of malloc.h
    _call_c_library("mallopt", arena_max, 1)


def _call_c_library(name: str, *arguments: int) -> None:
    """Call a function of the C library, if it has one of that name."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        getattr(ctypes.CDLL(None), name)(*arguments)
