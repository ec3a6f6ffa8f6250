"""Parsing of the command line, with one-line errors that suggest the nearest name."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jnst.cli.commands import fail
from jnst.common.validation import choice_of, did_you_mean, shown
from jnst.settings.config import setting_names

_SETTINGS = set(setting_names())


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line and name the command's own `--help`."""

    def error(self, message: str) -> NoReturn:
        sys.exit(fail(f"{message} (see {self.prog} --help)", status=2))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As `parse_args`: unknown arguments are an error of the command that got them."""
        given = sys.argv[1:] if args is None else list(args)
        options, unknown = super().parse_known_args(given, namespace)
        self._check_numbers(given)
        for argument in unknown:
            name, _, _ = argument.partition("=")
            if name.startswith("-"):
                nearest = did_you_mean(name, self._option_string_actions)
                self.error(f"unknown option {name}; {nearest}".removesuffix("; "))
        if unknown:
            self.error(f"{shown(unknown[0])} is one argument too many")
        return options, unknown

    def _check_numbers(self, given: Sequence[str]) -> None:
        """An error if several numbers follow an option that takes one."""
        for name, first, second in zip(given, given[1:], given[2:], strict=False):
            action = self._option_string_actions.get(name)
            if action is None or action.dest not in _SETTINGS or action.nargs:
                continue
            if _is_number(first) and _is_number(second) and not Path(second).is_file():
                self.error(
                    f"{name} takes one number, {second} is one too many; jnst sweep takes several: "
                    f"[grid] {action.dest} = [{first}, {second}] in its plan"
                )

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
    return f"{shown(value)} is not accepted; {choice_of(value, names)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_file(value: Any) -> bool:
    return Path(str(value)).suffix != "" or Path(str(value)).is_file()
