"""`jnst app`: jnst as a page in the browser."""

import argparse
import importlib
import threading
from typing import Any

from jnst.cli.app.server import check_gradio, serving
from jnst.cli.commands import (
    add_command,
    add_compilation_cache,
    fail,
    interrupted_status,
    leaving_at_once,
    say,
)


def add_app_command(commands: Any) -> None:
    """Declare `jnst app`."""
    command = add_command(
        commands,
        "app",
        app_command,
        begin=_begin,
        interrupted="interrupted before the app had started",
    )
    command.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="the port of the page; unset: the first free one from 7860 on",
    )
    command.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address and open no browser",
    )
    add_compilation_cache(command)


def app_command(options: argparse.Namespace) -> int:
    """`jnst app`: a page in the browser, for use without the command line."""
    with leaving_at_once(options.interrupted):
        build = importlib.import_module("jnst.cli.app.page").build
    try:
        with serving(build, port=options.port, browser=options.browser) as address:
            say(f"the app is at {address} (Ctrl-C ends it)")
            threading.Event().wait()
    except KeyboardInterrupt:
        return fail("the app has ended", interrupted_status())
    return 0


def _begin() -> None:
    check_gradio()
    say("starting the app")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; 1 to 65535 is accepted")
    return int(text)
