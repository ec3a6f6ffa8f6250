"""Hides warnings and log records of decoders, only in the thread that decodes."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

_LOGGERS = ("tifffile", "PIL.TiffImagePlugin")

_decoding = ContextVar("_decoding", default=False)


class _Here:
    """Stands in for a regular expression of a warnings filter; matches in a thread that decodes."""

    def match(self, _text: str) -> bool:
        return _decoding.get()


class _NotHere(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        return not _decoding.get()


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """A context in which warnings of this thread and log records of decoders are ignored.

    `warnings.catch_warnings` replaces the filters of the whole process, which is wrong when two
    threads overlap. This context adds a filter and removes it again.
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
