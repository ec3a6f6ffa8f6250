"""What decoders warn of and log is kept inside, in the thread that decodes and nowhere else."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

_LOGGERS = ("tifffile", "PIL.TiffImagePlugin")

_decoding = ContextVar("_decoding", default=False)


class _Here:
    """In the place of a regular expression: it matches in a thread that decodes."""

    def match(self, _text: str) -> bool:
        return _decoding.get()


class _NotHere(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        return not _decoding.get()


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Within it this thread's warnings and the decoders' records are passed over.

    `warnings.catch_warnings` exchanges the filters of the whole process and, of two threads that
    overlap, leaves those of the first. Here each adds an entry and takes it away again.
    """
    entry = ("ignore", _Here(), Warning, None, 0)
    silence = _NotHere()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    filters = warnings.filters
    token = _decoding.set(True)
    try:
        for logger in loggers:
            logger.addFilter(silence)
        filters.insert(0, entry)  # type: ignore[attr-defined]
        yield
    finally:
        # Others may have exchanged the list meanwhile, for a copy with the entry.
        for kept in (filters, warnings.filters):
            with contextlib.suppress(ValueError):
                kept.remove(entry)  # type: ignore[attr-defined]
        for logger in loggers:
            logger.removeFilter(silence)
        _decoding.reset(token)
