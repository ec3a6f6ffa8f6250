"""`--checkpoint-every` and `--resume`: a run that was killed goes on where it was."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jnst.cli.commands import leaving_at_once

if TYPE_CHECKING:
    from jnst.runs.resuming import CheckpointFile

SUFFIX = ".checkpoint"


class Resumed(Exception):  # it is a request
    """`--resume OUTPUT` was given."""

    def __init__(self, output: str):
        self.output = output


class _Resume(argparse.Action):
    """Ends the parsing: what else a command needs is in the checkpoint."""

    def __call__(self, _parser: Any, _namespace: Any, values: Any, _option: Any = None) -> None:
        raise Resumed(values)


def add_resuming(group: Any) -> None:
    """Declare `--checkpoint-every` and `--resume`."""
    group.add_argument(
        "--checkpoint-every",
        type=int,
        metavar="N",
        help=f"write OUTPUT{SUFFIX}, from which a killed run goes on, about every N steps; 0: only "
        "when the run is interrupted; unset: from 20 seconds on, in little of the time",
    )
    group.add_argument(
        "--resume",
        action=_Resume,
        metavar="OUTPUT",
        help=f"go on with the run that has left OUTPUT{SUFFIX}, to the same picture; takes nothing "
        "else but --quiet",
    )


def parsed(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, stack: ExitStack
) -> argparse.Namespace:
    """The options, or those of the run that is resumed, in its folder until `stack` is closed.

    Raises:
        ValueError: there is no such run, or it is of another command; other arguments were given.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser.parse_args(given)
    except Resumed as resumed:
        options = _resumed(parser, given, resumed.output, stack)
    else:
        options.arguments, options.resumed = given, None
    return options


def _resumed(
    parser: argparse.ArgumentParser, given: Sequence[str], output: str, stack: ExitStack
) -> argparse.Namespace:
    with leaving_at_once("interrupted"):
        from jnst.runs.resuming import checkpoint_note  # with JAX, which no other option needs

    others = [word for word in given[1:] if word not in ("--quiet", "--resume", output)]
    if [word for word in others if word != f"--resume={output}"]:
        raise ValueError("--resume takes the output of an unfinished run, and nothing but --quiet")
    note = checkpoint_note(f"{output}{SUFFIX}")
    if not isinstance(note, dict) or note.get("arguments", [""])[0] != given[0]:
        raise ValueError(f"{output}{SUFFIX}: is not of jnst {given[0]}")
    path = os.path.abspath(f"{output}{SUFFIX}")
    stack.enter_context(contextlib.chdir(note["folder"]))
    options = parser.parse_args(note["arguments"])
    options.arguments, options.resumed = note["arguments"], path
    options.quiet |= "--quiet" in given
    return options


def checkpoint_of(options: argparse.Namespace, output: Path) -> "CheckpointFile":
    """The checkpoint of the run that writes `output`, with the command in it."""
    from jnst.common.validation import whole_number
    from jnst.runs.resuming import CheckpointFile

    if options.checkpoint_every is not None:
        whole_number("--checkpoint-every", options.checkpoint_every, minimum=0)
    path = os.path.abspath(f"{output}{SUFFIX}")
    if options.resumed not in (None, path):
        raise ValueError(f"{options.resumed}: was {path}; move it back to go on with its run")
    arguments = list(options.arguments)
    if options.output is None:
        arguments.insert(1, f"--output={output}")
    return CheckpointFile(
        path,
        every=options.checkpoint_every,
        note={"arguments": arguments, "folder": os.getcwd()},
        keep=True,
        must_go_on=options.resumed is not None,
    )
