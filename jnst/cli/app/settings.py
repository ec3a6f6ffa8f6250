"""What the app has controls for: as a Config, from a recipe, and as the command that does it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jnst.settings.config import OWN, Config
from jnst.settings.fields import INITS
from jnst.settings.presets import preset

CONTROLS = (
    *("style_weight", "size", "steps", "color", "style_scale", "content_weight", "tv_weight"),
    *("init", "seed"),
)
"""The settings that have a control."""

COLORS = {
    "style": "the painting's",
    "luminance": "the photo's (only light and dark are taken)",
    "recombine": "the photo's (put together after)",
    "histogram": "the photo's, by histogram",
    "cholesky": "the photo's, by cholesky",
    "pca": "the photo's, by pca",
    "symmetric": "the photo's, symmetric",
}
STARTS = {
    "content": "the photo",
    "style": "the painting",
    "gray": "gray",
    "mean": "one mean color",
    "noise": "noise",
    "gaussian": "gaussian noise",
    "colors": "noise in the painting's colors",
}
DEFAULT = preset("fast")


def controls_of(config: Config) -> tuple[Any, ...]:
    """The values of `CONTROLS` that show these settings."""
    shown = config.replace(init=config.init or "content")
    return tuple(getattr(shown, name) for name in CONTROLS)


def config_of_controls(base: Config, values: Sequence[Any]) -> Config:
    """The settings of `base` with the values of `CONTROLS` in the place of its own.

    Raises:
        ValueError: a control is empty, or a value is not accepted.
    """
    given = dict(zip(CONTROLS, values, strict=True))
    for name, value in given.items():
        if value is None:
            raise ValueError(f"{name} is empty; a value such as {getattr(DEFAULT, name)} is needed")
    if given["init"] == (base.init or "content"):
        given["init"] = base.init
    config = base.replace(**given)
    config.check_network()
    return config


def config_of_recipe(recipe: Mapping[str, Any]) -> Config:
    """The settings of a recipe that `load_recipe` read, for pictures that are given anew.

    Raises:
        ValueError: it was made with what no recipe can hold, or from a file.
    """
    settings = recipe["config"]
    own = [name for name, value in settings.items() if value == OWN]
    if own := [*own, *recipe.get("extra_terms", ())]:
        raise ValueError(
            f"the recipe was made with {', '.join(own)} of its own program; the app has none"
        )
    if (start := settings.get("init")) not in (None, *INITS):
        raise ValueError(f"the recipe starts from the file {start}, which the app does not open")
    return preset("fast", **settings)


def beyond_controls(config: Config) -> dict[str, Any]:
    """The settings that are not the default's and have no control."""
    return {name: value for name, value in _changed(config).items() if name not in CONTROLS}


def as_command(content: str, style: str, network: str, config: Config, out: str) -> str:
    """The command that makes the same picture."""
    words = ["jnst", "stylize", content, style]
    for name, value in _changed(config).items():
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(_word, values)]
    if network != "embedded":
        words += ["--network", network]
    return shlex.join([*words, "-o", out])


def as_python(content: str, style: str, network: str, config: Config, out: str) -> str:
    """The program that makes the same picture."""
    options = _changed(config) | ({} if network == "embedded" else {"network": network})
    given = "".join(f"    {name}={value!r},\n" for name, value in options.items())
    return (
        "import jnst\n\n"
        f"result = jnst.stylize(\n    {content!r},\n    {style!r},\n{given})\n"
        f"result.save({out!r})\n"
    )


def _changed(config: Config) -> dict[str, Any]:
    return {
        name: value for name, value in config.plain().items() if value != getattr(DEFAULT, name)
    }


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.17g}" if isinstance(value, float) and value == int(value) else str(value)
