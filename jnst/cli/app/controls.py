"""The controls of the app, for the ten most important options."""

from typing import NamedTuple

import gradio as gr

from jnst.cli.app.settings import COLORS, CONTROLS, DEFAULT, STARTS, controls_of
from jnst.cli.options import STRENGTHS
from jnst.networks.loading import known_networks


class Controls(NamedTuple):
    """The components of the page; `settings` are in the order of `CONTROLS`."""

    settings: list[gr.components.Component]
    network: gr.Dropdown
    start: gr.Button
    stop: gr.Button
    notice: gr.HTML


def add_controls() -> Controls:
    """Add strength, size and the two buttons, and the other controls in a closed section."""
    value = dict(zip(CONTROLS, controls_of(DEFAULT), strict=True))
    settings: dict[str, gr.components.Component] = {}

    def number(name: str, label: str, info: str, *, whole: bool = False) -> gr.Number:
        settings[name] = field = gr.Number(
            value[name],
            label=label,
            info=info,
            precision=0 if whole else None,
            step=1 if whole else 0.1,
            elem_id=name,
            min_width=140,
        )
        return field

    with gr.Row():
        strength = gr.Radio(
            list(STRENGTHS),
            value=_in_words(value["style_weight"]),
            label="Strength",
            min_width=260,
            scale=2,
        )
        number("size", "Size", "pixels of the longer side", whole=True)
    notice = gr.HTML(elem_id="notice", padding=False)
    with gr.Row():
        start = gr.Button("Stylize", variant="primary", min_width=120, elem_id="stylize")
        stop = gr.Button("Stop", variant="stop", min_width=120, interactive=False, elem_id="stop")
    with gr.Accordion("More options", open=False, elem_id="more"):
        with gr.Row():
            weight = number("style_weight", "Style weight", "strength in numbers")
            number("steps", "Steps", "more take longer", whole=True)
        with gr.Row():
            number("style_scale", "Style scale", "size of the strokes")
            number("content_weight", "Content weight", "keeps the shapes")
        with gr.Row():
            number("tv_weight", "Smoothness", "0 is none, 1 much")
            number("seed", "Seed", "of the noise", whole=True)
        for name, label, choices in (
            ("color", "Colors", COLORS),
            ("init", "First image", STARTS),
        ):
            settings[name] = gr.Dropdown(
                [(text, choice) for choice, text in choices.items()],
                value=value[name],
                label=label,
                elem_id=name,
            )
        network = gr.Dropdown(
            known_networks(),
            value="embedded",
            label="Network",
            info="embedded is always there, the others are fetched once",
            elem_id="network",
        )
    strength.input(STRENGTHS.__getitem__, strength, weight, queue=False, api_visibility="private")
    weight.change(_in_words, weight, strength, queue=False, api_visibility="private")
    return Controls([settings[name] for name in CONTROLS], network, start, stop, notice)


def _in_words(weight: float | None) -> str | None:
    return next((name for name, each in STRENGTHS.items() if each == weight), None)
