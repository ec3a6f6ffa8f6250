"""Parsing of the command line, with one-line errors that suggest the nearest name."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jnst.cli.commands import fail
from jnst.common.validation import did_you_mean, shown


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line and name the command's own `--help`."""

    def error(self, message: str) -> NoReturn:
        sys.exit(fail(f"{message} (see {self.prog} --help)", status=2))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As `parse_args`: unknown arguments are an error of the command that got them."""
        options, unknown = super().parse_known_args(args, namespace)
        for argument in unknown:
            name, _, _ = argument.partition("=")
            if name.startswith("-"):
                nearest = did_you_mean(name, self._option_string_actions)
                self.error(f"unknown option {name}; {nearest}".removesuffix("; "))
        if unknown:
            self.error(f"{shown(unknown[0])} is one argument too many")
        return options, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction) and _is_file(value):
            raise argparse.ArgumentError(
                None, f"{value} is no command; did you mean '{self.prog} stylize {value} ...'?"
            )
        raise argparse.ArgumentError(action, _not_accepted(value, action.choices))


def _not_accepted(value: Any, choices: Iterable[Any]) -> str:
    names = list(map(str, choices))
    return (
        f"{shown(value)} is not accepted; {did_you_mean(value, names)}accepted: {', '.join(names)}"
    )


def _is_file(value: Any) -> bool:
    return Path(str(value)).suffix != "" or Path(str(value)).is_file()
