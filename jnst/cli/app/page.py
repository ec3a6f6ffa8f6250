"""The page of the app: two pictures, ten options, and the result."""

import functools
from pathlib import Path
from typing import Any

import gradio as gr

from jnst.cli.app.controls import add_controls
from jnst.cli.app.events import Places, chosen, drawn, leaves, loaded, opened, runs, stops, unloaded
from jnst.cli.app.runs import Studio
from jnst.cli.app.settings import DEFAULT
from jnst.cli.app.view import canvas, slider


def build(folder: Path) -> gr.Blocks:
    """The page; uploads and downloads are in `folder`."""
    studio = Studio(folder)
    event: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Blocks(title="jnst", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown("# jnst\nA photo in the manner of a painting.")
        base, files = gr.State(DEFAULT), [gr.State(None), gr.State(None)]
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                with gr.Row():
                    pictures = [_picture("content", "Photo"), _picture("style", "Painting")]
                example = gr.Button("Take the demo's pictures", size="sm", elem_id="demo")
                controls = add_controls()
                start, stop, notice = controls.start, controls.stop, controls.notice
                with gr.Accordion("The settings of an earlier result", open=False, elem_id="past"):
                    recipe = gr.File(
                        label="A picture that jnst wrote", height=130, elem_id="recipe"
                    )
            with gr.Column(scale=6, min_width=320):
                view, slide = gr.HTML(canvas(None), elem_id="view", padding=False), slider()
                download = gr.DownloadButton(
                    "Download, with the recipe inside", visible=False, elem_id="download"
                )
                with gr.Accordion(
                    "The same by command and in Python", visible=False, elem_id="same"
                ) as same:
                    command, python = _text("Command", "shell"), _text("Python", "python")

        for picture, file in zip(pictures, files, strict=True):
            open_it = functools.partial(opened, folder)
            picture.upload(open_it, picture, [file, picture, notice], preprocess=False, **event)
            picture.clear(lambda: None, None, file, **event)
        draw = functools.partial(drawn, folder)
        seen = {**event, "show_progress": "minimal"}  # it takes seconds
        example.click(draw, None, [*files, *pictures, notice], **seen)
        settings = [base, notice, controls.network, *controls.settings]
        recipe.upload(loaded, recipe, settings, **event)
        recipe.clear(unloaded, None, settings, **event)
        network = controls.network
        network.input(
            chosen, [base, network, *controls.settings], [notice, base, *controls.settings], **event
        )
        places = Places(notice, view, slide, download, start, stop, same, command, python)
        start.click(
            runs(studio, places),
            [*files, base, controls.network, *controls.settings],
            list(places),
            concurrency_limit=None,  # who waits is told so, by the studio
            **event,
        )
        stop.click(stops(studio), None, stop, queue=False, **event)
        page.unload(leaves(studio))
    return page


def _picture(name: str, label: str) -> gr.Image:
    return gr.Image(
        label=label,
        sources=["upload", "clipboard"],
        height=200,
        min_width=140,
        format="png",
        buttons=[],
        elem_id=name,
    )


def _text(label: str, language: Any) -> gr.Code:
    return gr.Code(
        label=label,
        language=language,
        interactive=False,
        wrap_lines=True,
        show_line_numbers=False,
        lines=1,
        elem_id=label.lower(),
    )
