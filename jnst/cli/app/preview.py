"""The page of `jnst stylize --preview`, which shows the run of a command."""

import contextlib
import html
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from jnst.cli.app.runs import BETWEEN, View, Way
from jnst.cli.app.server import serving
from jnst.cli.app.view import before_and_after, canvas, slider
from jnst.cli.commands import say, uninterrupted
from jnst.runs.results import Result

PATIENCE = 3.0
"""Seconds that a finished command waits for its pages to show the end."""

FETCHING = 1.0
"""Seconds that a page has to load the pictures of its slider, after the last view."""


@contextlib.contextmanager
def previewing(name: str, *, quiet: bool) -> Iterator[Callable[[Result], None]]:
    """A context with a page that shows a run; gives the function that shows a result on it."""
    preview = Preview(name)
    with serving(preview.build, port=None, browser=True) as address:
        if not quiet:
            say(f"the preview is at {address}")
        try:
            yield preview.show
        finally:
            with uninterrupted():
                preview.end()


class Preview:
    """The current view of a run, for any number of open pages."""

    def __init__(self, name: str):
        self._name = name
        self._view = View("the run begins")
        self._way: Way | None = None
        self._news = threading.Condition()
        self._pages = 0

    def show(self, result: Result) -> None:
        """Show a result on all pages."""
        self._way = self._way or Way(result)
        self._tell(self._way(result))

    def end(self) -> None:
        """Show the end of the run on all pages, and wait until they have it."""
        view, line = self._view, "the run has ended before its first step"
        if view.result is not None:
            steps, whole = view.result.steps, view.result.planned_steps
            line = f"the run has ended at step {steps} of {whole}"
        self._tell(View(line, view.share, view.result, running=False))
        with self._news:
            seen = self._pages
            self._news.wait_for(lambda: not self._pages, PATIENCE)
        if seen:
            time.sleep(FETCHING)

    def views(self) -> Iterator[View]:
        """Yield each new view for one page, until the run has ended."""
        view = None
        with self._news:
            self._pages += 1
        try:
            while view is None or view.running:
                with self._news:
                    self._news.wait_for(lambda: self._view is not view, BETWEEN)  # noqa: B023
                    if self._view is view:
                        continue
                    view = self._view
                yield view
                time.sleep(BETWEEN if view.running else 0)
        finally:
            with self._news:
                self._pages -= 1
                self._news.notify_all()

    def build(self, _: Path) -> gr.Blocks:
        """The page."""

        def follow() -> Iterator[list[Any]]:
            for view in self.views():
                yield [canvas(view), before_and_after(view)]

        with gr.Blocks(title="jnst", analytics_enabled=False, fill_width=True) as page:
            gr.HTML(f"<h1>{html.escape(self._name)}</h1>", padding=False)
            places = [gr.HTML(canvas(self._view), elem_id="view", padding=False), slider()]
            page.load(
                follow,
                None,
                places,
                concurrency_limit=None,
                show_progress="hidden",
                api_visibility="private",
            )
        return page

    def _tell(self, view: View) -> None:
        with self._news:
            self._view = view
            self._news.notify_all()
