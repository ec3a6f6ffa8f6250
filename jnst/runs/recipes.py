"""The recipe inside a picture that jnst wrote."""

import os
from typing import Any

from jnst.common.documents import parse_json
from jnst.images.encoding import read_recipe
from jnst.images.files import ImageError
from jnst.settings.config import OWN, Config
from jnst.settings.style_loss_names import style_loss_names


def load_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe inside a picture that `Result.save` wrote: see `Result.recipe`.

    Raises:
        ImageError: the file cannot be read, or holds no recipe.
    """
    text = read_recipe(path)
    try:
        recipe = parse_json(text or "")
        Config(**_known_here(dict(recipe["config"])))
        "".join(recipe["network"][key] for key in ("load", "name", "digest"))  # text, all of them
    except (ValueError, TypeError, KeyError):
        raise ImageError(f"{path}: holds no recipe of jnst") from None
    return recipe


def _known_here(config: dict[str, Any]) -> dict[str, Any]:
    """The settings without what only the program knows that made the picture."""
    known = {name: value for name, value in config.items() if value != OWN}
    losses = known.get("style_loss")
    if not isinstance(losses, list) or not all(isinstance(loss, str) for loss in losses):
        return known
    if not set(losses) <= set(style_loss_names()):
        known["style_layers"] = list(dict.fromkeys(known.get("style_layers", ())))
        del known["style_loss"]
        known.pop("style_layer_weights", None)
    return known
