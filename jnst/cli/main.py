"""The command `jnst`."""

import argparse
import contextlib
import errno
import importlib
import json
import os
import signal
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from jnst.cli.app.command import add_app_command
from jnst.cli.batches import add_many_commands
from jnst.cli.commands import (
    Formatter,
    add_command,
    fail,
    interrupted_status,
    interruptible,
    leaving_at_once,
    picture_path,
    say,
)
from jnst.cli.networks import add_network_commands
from jnst.cli.parser import Parser
from jnst.cli.pictures import add_run_commands
from jnst.cli.resuming import parsed
from jnst.cli.sweeps import add_sweep_commands
from jnst.cli.video import add_video_commands
from jnst.common.errors import (
    CheckpointWarning,
    DivergedError,
    FetchError,
    NetworkError,
    NetworkWarning,
    WorkerWarning,
    is_out_of_memory,
    reason,
)
from jnst.common.heap import use_one_arena
from jnst.common.plugins import load_plugin
from jnst.common.version import __version__
from jnst.networks.downloads import cache_folder
from jnst.runs.recipes import load_recipe
from jnst.settings.citations import citation
from jnst.settings.presets import NETWORKS, PRESETS, PURPOSES, preset

FIRST_FIELDS = (
    *("size", "steps", "levels", "optimizer", "convention", "content_weight", "style_weight"),
    *("tv_weight", "content_layers", "style_layers", "style_loss", "pooling", "margin"),
)
"""The settings that `jnst presets` lists for the default preset."""

EXAMPLES = """examples:
  jnst demo                                        no pictures needed
  jnst stylize photo.jpg painting.jpg -o out.png
  jnst stylize photo.jpg painting.jpg --strength clear --size 1024
  jnst stylize --help                              every option

Each command has --help. Python: import jnst; help(jnst.stylize)."""


def script() -> NoReturn:
    """Entry point of the installed command: run `main`, then end the process."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: no other file may get this number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    use_one_arena()
    status = main()
    if status > 128:
        # Threads of XLA may still run, and crash during a normal exit of Python.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    The exit status is 0, 2 for a refused input, 1 for a run that failed, and 128 + the number of
    the signal after an interrupt.
    """
    interrupted = "interrupted"
    try:
        with interruptible(), _warnings_in_one_line(), contextlib.ExitStack() as stack:
            options = parsed(_parser(), arguments, stack)
            interrupted = options.interrupted
            if options.begin:
                options.begin()
            if options.computes:
                with leaving_at_once(interrupted):
                    importlib.import_module("jnst.sweeps.runner")  # and all that computes
            if vars(options).get("executor"):
                _leave_accelerators()
            for plugin in vars(options).get("plugin") or ():
                load_plugin(plugin)
            if "compilation_cache" in vars(options) and (missing := _missing_device()):
                return fail(missing, status=2)
            with _programs(options):
                status = options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except BrokenPipeError:  # as when piped to head
        _drop_output()
        return 128 + signal.SIGPIPE
    except FetchError as error:
        for line in str(error).splitlines():
            say(line)
        return 2
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
            _drop_output()
        return fail(reason(error), status=2)
    except DivergedError as error:
        return fail(str(error), status=1)
    except (MemoryError, RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            return fail("not enough memory; smaller pictures need less", status=1)
        if (missing := _missing_device()) is None:
            raise
        return fail(missing, status=2)
    except KeyboardInterrupt as interrupt:
        return fail(str(interrupt) or interrupted, interrupted_status())


def _leave_accelerators() -> None:
    """Compute on the CPU, before JAX takes most of the memory of a GPU that workers are to have."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def _programs(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    if vars(options).get("compilation_cache"):
        from jnst.common.programs import kept_programs

        with contextlib.suppress(NetworkError):  # there is no cache folder
            return kept_programs(cache_folder() / "programs")
    return contextlib.nullcontext()


def _missing_device() -> str | None:
    """A message if JAX finds no device, else None."""
    import jax

    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:
        asked, why = os.environ.get("JAX_PLATFORMS", ""), f" ({error})" if str(error) else ""
        return f"JAX finds no device; JAX_PLATFORMS is {asked!r}{why}"
    return None


def _drop_output() -> None:
    """Redirect standard output to nowhere: Python flushes it at exit and would fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def presets_command(_: argparse.Namespace) -> int:
    """`jnst presets`: list the presets, and how each differs from the default."""
    print("\n\n".join(map(_block, PRESETS)))
    return 0


def _block(name: str) -> str:
    """The text for a preset: what differs from the default, in at most 100 columns."""
    config, default = preset(name).plain(), preset("fast").plain()
    lines = [f"{name}  (--preset {name}, network {NETWORKS[name]})", f"  {PURPOSES[name]}"]
    values = [
        f"{field} {_brief_value(value)}"
        for field, value in config.items()
        if value != default[field] or (name == "fast" and field in FIRST_FIELDS)
    ]
    text = ", ".join(values)
    return "\n".join(
        [*lines, textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  ")]
    )


def _brief_value(value: Any) -> str:
    """A setting as text: numbers with four digits, long lists of names by their ends."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, tuple):
        return str(value)
    parts = list(map(_brief_value, value))
    if len(parts) > 3 and all(isinstance(each, str) for each in value):
        parts = [parts[0], "...", parts[-1]]
    return " ".join(parts)


def show_command(options: argparse.Namespace) -> int:
    """`jnst show`: print the recipe inside a result as JSON, or the papers behind it."""
    recipe = load_recipe(options.picture)
    if options.bibtex:
        print(citation(recipe["config"], network=recipe["network"].get("name", "")))
    else:
        print(json.dumps(recipe, indent=2))
    return 0


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings(record=False):
        show = warnings.showwarning

        def print_warning(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, NetworkWarning | CheckpointWarning | WorkerWarning):
                say(str(message))
            else:
                show(message, category, *place, **more)

        for told in (NetworkWarning, CheckpointWarning, WorkerWarning):
            warnings.simplefilter("always", told)
        warnings.showwarning = print_warning
        yield


def _parser() -> Parser:
    parser = Parser(
        prog="jnst",
        usage="jnst COMMAND [options] ...",
        description="Neural style transfer: photo.jpg in the style of painting.jpg.",
        epilog=EXAMPLES,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jnst {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog="jnst")

    add_run_commands(commands)
    add_app_command(commands)
    add_many_commands(commands)
    add_video_commands(commands)
    add_sweep_commands(commands)
    add_command(commands, "presets", presets_command, computes=False)
    command = add_command(commands, "show", show_command, computes=False)
    command.add_argument("picture", type=picture_path, help="a picture that jnst wrote")
    command.add_argument(
        "--bibtex", action="store_true", help="the papers behind the recipe, in its place"
    )
    add_network_commands(commands)
    return parser
