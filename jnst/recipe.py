"""The recipe inside a picture that jnst wrote."""

import os
from typing import Any

from jnst.config import OWN, Config
from jnst.documents import parse_json
from jnst.encoding import read_recipe
from jnst.image_files import ImageError


def load_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe inside a picture that `Result.save` wrote: see `Result.recipe`.

    Raises:
        ImageError: the file cannot be read, or holds no recipe.
    """
    text = read_recipe(path)
    try:
        recipe = parse_json(text or "")
        Config(**{name: value for name, value in dict(recipe["config"]).items() if value != OWN})
        "".join(recipe["network"][key] for key in ("load", "name", "digest"))  # text, all of them
    except (ValueError, TypeError, KeyError):
        raise ImageError(f"{path}: holds no recipe of jnst") from None
    return recipe
