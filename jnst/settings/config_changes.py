"""What a change of some settings does to those that hung on them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jnst.settings.config import Config


def freed_by(config: "Config", settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are as by default again where these are changed."""
    freed: dict[str, Any] = {}
    if settings.get("optimizer", config.optimizer) != config.optimizer:
        freed |= {"learning_rate": None, "learning_rate_decay": 1.0}
        if settings["optimizer"] == "lbfgs":
            freed |= {"pixels": "free", "normalize_gradients": False}
    if {"steps", "levels", "level_sizes"} & settings.keys():
        freed |= {"level_steps": None}
    if {"levels", "level_factor"} & settings.keys():
        freed |= {"level_sizes": None, "level_steps": None}
    for layers in ("content_layers", "style_layers"):
        if layers in settings:
            freed |= {f"{layers[:-1]}_weights": None}
    if "style_layers" in settings and len(config.style_loss) > 1:
        freed |= {"style_loss": ("gram",)}
    return freed
