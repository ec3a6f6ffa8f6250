"""The event handlers of the app's page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from jnst.cli.app.runs import Studio, View, sentence
from jnst.cli.app.settings import (
    CONTROLS,
    DEFAULT,
    as_command,
    as_python,
    beyond_controls,
    config_of_controls,
    config_of_recipe,
    controls_of,
    with_network,
)
from jnst.cli.app.view import before_and_after, canvas, problem, shown
from jnst.images import drawings
from jnst.images.loading import load_picture
from jnst.networks.loading import known_networks
from jnst.runs.recipes import load_recipe
from jnst.settings.config import Config

PREVIEW = 512
"""Longer side in pixels of an uploaded picture on the page."""

DEMO = "jnst-demo"
"""The folder of the demo's pictures, as in `jnst demo`."""


class Places(NamedTuple):
    """The components that a run updates."""

    notice: gr.HTML
    view: gr.HTML
    slide: gr.ImageSlider
    download: gr.DownloadButton
    start: gr.Button
    stop: gr.Button
    same: gr.Accordion
    command: gr.Code
    python: gr.Code


def opened(folder: Path, given: dict[str, Any] | None) -> tuple[str | None, Any, str]:
    """An uploaded picture: its path, the image to show, and an error message or "".

    Gradio itself would ignore its color profile and open fewer formats.
    """
    if given is None:
        return None, None, ""
    path = Path(given["path"]).resolve()
    if not path.is_relative_to(folder.resolve()):
        return None, None, problem("only a picture that was uploaded to this page is opened")
    try:
        return str(path), shown(load_picture(path, size=PREVIEW).image), ""
    except Exception as error:
        return None, None, problem(sentence(error, path))


def drawn(folder: Path) -> tuple[Any, ...]:
    """The demo's pictures: their paths, the images to show, and no error message."""
    place = folder / DEMO
    place.mkdir(exist_ok=True)
    paths = place / "content.png", place / "style.png"
    if not paths[1].exists():
        drawings.write_pictures(*paths)
    return *map(str, paths), *(shown(load_picture(path).image) for path in paths), ""


def loaded(file: str) -> tuple[Any, ...]:
    """The settings inside a result, a message about them, and the values of the controls."""
    try:
        recipe = load_recipe(file)
        config, network = config_of_recipe(recipe), recipe["network"]["load"]
        if network not in known_networks():
            raise ValueError(
                f"the recipe was made with the network {network}, which is unknown here; "
                f"known: {', '.join(known_networks())}"
            )
        others = ", ".join(beyond_controls(config, network))
    except Exception as error:
        unchanged = [gr.skip()] * (1 + len(CONTROLS))
        return gr.skip(), problem(sentence(error, Path(file))), *unchanged
    said = f"The settings are those of {Path(file).name}" + (f", also {others}" if others else "")
    return config, f"<p>{said}.</p>", network, *controls_of(config)


def unloaded() -> tuple[Any, ...]:
    """As `loaded`, without a result: the defaults."""
    return DEFAULT, "", "embedded", *controls_of(DEFAULT)


def chosen(base: Config, network: str, *values: Any) -> tuple[Any, ...]:
    """A message, the settings and the values of the controls once another network is chosen."""
    try:
        config, changed = with_network(base, network, values)
    except Exception as error:
        return problem(sentence(error, Path(network))), *[gr.skip()] * (1 + len(CONTROLS))
    return "", config, *changed


def runs(studio: Studio, places: Places) -> Callable[..., Iterator[dict[Any, Any]]]:
    """The handler of the button Stylize: yields the updates of the page."""

    def run(
        request: gr.Request,
        content: str | None,
        style: str | None,
        base: Config,
        network: str,
        *values: Any,
    ) -> Iterator[dict[Any, Any]]:
        try:
            if not content or not style:
                raise ValueError("a photo and a painting are needed, or the demo's pictures")
            config = config_of_controls(base, values)
            paths = Path(content), Path(style)
            out = f"{paths[0].stem}-{paths[1].stem}.png"
            same = _called(paths[0]), _called(paths[1]), network, config, out
            command, python = as_command(*same), as_python(*same)
        except ValueError as error:
            yield {places.notice: problem(str(error))}
            return
        yield {
            places.notice: "",
            places.slide: before_and_after(None),
            places.download: gr.DownloadButton(visible=False),
            places.start: gr.Button(interactive=False),
            places.stop: gr.Button("Stop", interactive=True),
            places.same: gr.Accordion(visible=True),
            places.command: command,
            places.python: python,
        }
        for view in studio.run(str(request.session_hash), *paths, network, config):
            yield {places.view: canvas(view)} | ({} if view.running else _ended(places, view))

    return run


def _ended(places: Places, view: View) -> dict[Any, Any]:
    return {
        places.slide: before_and_after(view),
        places.download: gr.DownloadButton(value=view.file, visible=view.file is not None),
        places.start: gr.Button(interactive=True),
        places.stop: gr.Button("Stop", interactive=False),
    }


def stops(studio: Studio) -> Callable[[gr.Request], Any]:
    """The handler of the button Stop: the run of this window ends after its current steps."""

    def stop(request: gr.Request) -> Any:
        studio.stop(str(request.session_hash))
        return gr.Button("Stopping", interactive=False)

    return stop


def leaves(studio: Studio) -> Callable[[gr.Request], None]:
    """The handler of a closed window: its run ends, and the next in line begins."""

    def leave(request: gr.Request) -> None:
        studio.stop(str(request.session_hash))

    return leave


def _called(path: Path) -> str:
    """The file name as the user knows it."""
    return f"{DEMO}/{path.name}" if path.parent.name == DEMO else path.name
