"""Serving a page to this machine only."""

import contextlib
import importlib.util
import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio

HOST = "127.0.0.1"
STYLE = Path(__file__).parent / "assets" / "app.css"
FONT, MONOSPACED = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
"""Fonts of the machine: the page downloads none."""


def check_gradio() -> None:
    """Check, before any work starts, that Gradio is installed.

    Raises:
        ValueError: Gradio is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("the app needs Gradio: pip install 'jnst[app]'")


@contextlib.contextmanager
def serving(
    build: Callable[[Path], "gradio.Blocks"], *, port: int | None, browser: bool
) -> Iterator[str]:
    """A context that serves a page, gives its address, and opens the `browser` if there is one.

    `build` makes the page; its files are in a temporary folder. No other machine is contacted: no
    usage analytics, no share link, no check for updates, no web fonts.

    Raises:
        ValueError: Gradio is not installed, or the port is taken.
    """
    check_gradio()
    with (
        tempfile.TemporaryDirectory(prefix="jnst-app-", ignore_cleanup_errors=True) as folder,
        _environment(_settings(folder)),
    ):
        page = build(Path(folder))
        try:
            address = _launch(page, port)
            if browser and _has_screen():
                webbrowser.open(address)
            yield address
        finally:
            page.close(verbose=False)


def _launch(page: "gradio.Blocks", port: int | None) -> str:
    import gradio

    try:
        _, address, _ = page.launch(
            server_name=HOST,
            server_port=port,
            theme=gradio.themes.Default(font=FONT, font_mono=MONOSPACED),
            css=STYLE.read_text(encoding="utf-8"),
            share=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
        )
    except OSError:
        place = "every port from 7860 on" if port is None else f"port {port}"
        raise ValueError(f"{place} is taken on this machine; choose another with --port") from None
    return address


def _settings(folder: str) -> dict[str, str]:
    past = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    direct = ",".join(filter(None, [past, HOST]))
    return {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": folder,
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _has_screen() -> bool:
    """Whether there is a screen; without one `webbrowser` may open a text browser."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, names))
