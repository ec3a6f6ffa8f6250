"""The command, as `jnst` and as `python -m jnst`: what is there before the rest is imported."""

import os
import signal
from typing import Any, NoReturn


def script() -> NoReturn:
    """The command; one that is interrupted while it is imported ends in one line too."""
    default = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    if default:  # it is ignored under nohup
        signal.signal(signal.SIGINT, _leave)
    from jnst.cli.main import script

    if default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    script()


def _leave(*_: Any) -> NoReturn:
    """At once: modules of C that are being imported make other errors of an exception."""
    os.write(2, b"jnst: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    script()
