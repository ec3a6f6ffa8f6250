"""The HTML of a run: the picture so far, its progress, and before and after."""

import base64
import html
import io

import gradio as gr
import numpy as np
from PIL import Image

from jnst.cli.app.runs import View
from jnst.images.pixels import to_uint8
from jnst.images.resizing import fit_size, resize_image

LARGEST_SIDE = 1024
"""Longer side in pixels of a picture on the page; the file has all pixels."""


def canvas(view: View | None) -> str:
    """The progress of a run, and its picture so far until the slider shows it."""
    if view is None:
        return '<div class="canvas"><p class="hint">The picture will be here.</p></div>'
    parts = []
    if view.running and view.result:
        file = io.BytesIO()
        Image.fromarray(shown(view.result.image)).save(file, "JPEG", quality=90)
        data = base64.b64encode(file.getvalue()).decode()
        parts.append(f'<img alt="the picture so far" src="data:image/jpeg;base64,{data}">')
    if view.running:
        done = f"{100 * view.share:.1f}"
        bar = f'<div class="bar" role="progressbar" aria-label="progress" aria-valuenow="{done}">'
        parts.append(f'{bar}<div style="width: {done}%"></div></div>')
    line = f'<p role="status">{html.escape(view.line)}</p>'
    parts.append(problem(view.line) if view.failed else line)
    return f'<div class="canvas">{"".join(parts)}</div>'


def problem(text: str) -> str:
    """An error message as HTML."""
    return f'<p role="alert">{html.escape(text)}</p>'


def before_and_after(view: View | None) -> "gr.ImageSlider":
    """The slider of content and result; hidden until the run has ended."""
    if view is None or view.running or view.result is None or not view.result.pictures:
        return gr.ImageSlider(value=None, visible=False)
    image = view.result.image
    content = resize_image(view.result.pictures[0], image.shape[:2])
    return gr.ImageSlider(value=(shown(content), shown(image)), visible=True)


def shown(image: np.ndarray) -> np.ndarray:
    """The image as uint8, with a longer side of at most `LARGEST_SIDE`."""
    if max(image.shape) > LARGEST_SIDE:
        image = resize_image(image, fit_size(image.shape[:2], LARGEST_SIDE))
    return to_uint8(image)


def slider() -> "gr.ImageSlider":
    """The component that `before_and_after` updates, hidden at first."""
    return gr.ImageSlider(
        label="Before and after",
        visible=False,
        interactive=False,
        format="png",
        buttons=["fullscreen"],
        elem_id="slider",
    )
