"""What the parts of the command share: how a command is declared, and where it prints."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A command that calls `run`; the first line of its docstring says what it does."""
    summary = (run.__doc__ or "").partition(": ")[2].partition("\n")[0]
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def printable(text: str) -> str:
    """Text of unknown origin in one line, without what would steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def terminal() -> Console:
    """Progress and reports for a person: on standard error, and nothing unless it is a terminal."""
    return Console(stderr=True, quiet=not sys.stderr.isatty(), highlight=False)
