"""The settings that targets depend on."""

import dataclasses
from typing import TYPE_CHECKING, Any

from jnst.networks.layers import Pooling, Precision
from jnst.settings.choices import Convention, Propagation, Variation
from jnst.settings.style_terms import StyleTerm, named_style_terms
from jnst.settings.tiles import Tiles

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from jnst.settings.config import Config


@dataclasses.dataclass(frozen=True)
class Layout:
    """The settings that targets depend on: static under jit. `Config` says what each means.

    `laplacian` and `temporal` say whether there are such terms; their weights are traced. `tiles`
    says whether the picture is computed in tiles, and `mesh` which devices share its rows, which
    both change nothing but rounding.
    """

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    style_loss: tuple[str, ...]
    convention: Convention
    pooling: Pooling | None
    precision: Precision
    margin: int
    variation: Variation
    laplacian: bool
    laplacian_pool: int
    temporal: bool
    mask_propagation: Propagation
    normalize_gradients: bool
    tiles: Tiles | None = None
    mesh: "Mesh | None" = None

    @classmethod
    def of(cls, config: "Config") -> "Layout":
        """The layout of some settings."""
        flags = {"laplacian", "temporal", "tiles", "mesh"}
        names = {field.name for field in dataclasses.fields(cls)} - flags
        return cls(
            laplacian=config.laplacian_weight > 0,
            temporal=config.temporal_weight > 0,
            tiles=Tiles(config.tile, config.tile_until) if isinstance(config.tile, int) else None,
            **{name: getattr(config, name) for name in names},
        )

    def replace(self, **changes: Any) -> "Layout":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def layers(self) -> tuple[str, ...]:
        """The layers whose features the objective needs, each once."""
        return tuple(dict.fromkeys([*self.content_layers, *self.style_layers]))

    def style_terms(self) -> tuple[StyleTerm, ...]:
        """The style losses and their layers, in the order of `style_layers`."""
        return named_style_terms(self.style_layers, self.style_loss)
