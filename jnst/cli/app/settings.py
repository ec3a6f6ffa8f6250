"""The settings of the app: to and from a Config, from a recipe, as a command."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jnst.settings.config import OWN, Config
from jnst.settings.fields import INITS
from jnst.settings.presets import PRESETS, preset, preset_of

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


def with_network(base: Config, network: str, values: Sequence[Any]) -> tuple[Config, list[Any]]:
    """The settings and the values of the `CONTROLS` once another network is chosen.

    Those of its preset, but for what was changed by hand, or came with a recipe.
    """
    if base not in map(preset, PRESETS):
        return base, [*values]
    default = preset_of(network)
    before, after = controls_of(base), controls_of(default)
    changed = zip(values, before, after, strict=True)
    return default, [new if value == old else value for value, old, new in changed]


def controls_of(config: Config) -> tuple[Any, ...]:
    """The values of the `CONTROLS` for these settings."""
    shown = config.replace(init=config.init or "content")
    return tuple(getattr(shown, name) for name in CONTROLS)


def config_of_controls(base: Config, values: Sequence[Any]) -> Config:
    """The settings of `base`, changed to the values of the `CONTROLS`.

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
    """The settings of a recipe from `load_recipe`.

    Raises:
        ValueError: it was made with Python objects that no recipe can hold, or its first image is a
            file.
    """
    settings = recipe["config"]
    own = [name for name, value in settings.items() if value == OWN]
    if own := [*own, *recipe.get("extra_terms", ())]:
        raise ValueError(
            f"the recipe was made in Python with its own {', '.join(own)}, which the app lacks"
        )
    if (start := settings.get("init")) not in (None, *INITS):
        raise ValueError(f"the recipe starts from the file {start}, which the app does not open")
    return preset("fast", **settings)


def beyond_controls(config: Config, network: str) -> dict[str, Any]:
    """The settings that differ from the network's default and have no control."""
    changed = _changed(config, network)
    return {name: value for name, value in changed.items() if name not in CONTROLS}


def as_command(content: str, style: str, network: str, config: Config, out: str) -> str:
    """The command that makes the same picture."""
    words = ["jnst", "stylize", content, style]
    for name, value in _changed(config, network).items():
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(_word, values)]
    if network != "embedded":
        words += ["--network", network]
    return shlex.join([*words, "-o", out])


def as_python(content: str, style: str, network: str, config: Config, out: str) -> str:
    """The Python program that makes the same picture."""
    options = _changed(config, network) | ({} if network == "embedded" else {"network": network})
    given = "".join(f"    {name}={value!r},\n" for name, value in options.items())
    return (
        "import jnst\n\n"
        f"result = jnst.stylize(\n    {content!r},\n    {style!r},\n{given})\n"
        f"result.save({out!r})\n"
    )


def _changed(config: Config, network: str) -> dict[str, Any]:
    default = preset_of(network).plain()
    return {name: value for name, value in config.plain().items() if value != default[name]}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.17g}" if isinstance(value, float) and value == int(value) else str(value)
