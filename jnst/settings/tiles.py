"""How a picture is cut into tiles."""

from typing import NamedTuple

from jnst.settings.choices import TileUntil


class Tiles(NamedTuple):
    """Tiles of `side` pixels, in which the layers up to the pooling layer `until` are computed."""

    side: int
    until: TileUntil = "pool2"
