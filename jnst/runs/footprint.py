"""The memory that a run takes, known from its shapes before anything is computed."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax

from jnst.common.errors import NotEnoughMemoryError
from jnst.common.memory import free_host_memory
from jnst.images.resizing import fit_size
from jnst.networks.layers import VGG19, Architecture, smallest_side
from jnst.objective.tile_grid import TileGrid
from jnst.objective.tiled import layers_in_tiles, why_not_in_tiles
from jnst.optimizers.named import FULL_MEMORY, LBFGSMemory
from jnst.runs.levels import style_shape
from jnst.settings.config import Config
from jnst.settings.tiles import Tiles

FLOAT = 4
FIXED = 300_000_000
"""Bytes of the network's kernels and of what compiling leaves."""

COPIES: dict[str, int] = {"sliced_wasserstein": 3, "histogram": 3, "patches": 21}
"""Maps that a style loss holds beside those of its layer: sorted ones, or all its patches."""

CERTAIN = 0.8
"""Of the estimate is needed for certain: see `bytes_of_run`."""


class Fit(NamedTuple):
    """What a run does to fit into memory: its tiles, and the memory of L-BFGS."""

    tiles: Tiles | None = None
    lbfgs: LBFGSMemory = FULL_MEMORY

    def plain(self) -> dict[str, Any]:
        """As plain values for a recipe."""
        tiles = self.tiles and {"tile": self.tiles.side, "tile_until": self.tiles.until}
        return {**(tiles or {}), "pairs": self.lbfgs.size, "pairs_in": self.lbfgs.type or "float32"}


WHOLE = Fit()

_FITS = (
    WHOLE,
    Fit(None, LBFGSMemory(20, "bfloat16")),
    Fit(Tiles(512, "pool2"), LBFGSMemory(20, "bfloat16")),
    Fit(Tiles(256, "pool3"), LBFGSMemory(20, "bfloat16")),
    Fit(Tiles(512, "all"), LBFGSMemory(20, "bfloat16")),
    Fit(Tiles(512, "all"), LBFGSMemory(10, "bfloat16")),
    Fit(Tiles(256, "all"), LBFGSMemory(10, "bfloat16")),
    Fit(Tiles(256, "all"), LBFGSMemory(3, "bfloat16")),
)
"""From the fastest to the smallest. Pairs in bfloat16 change no loss, ten pairs 1 %, three 4 %."""


def possible_fits(
    config: Config, architecture: Architecture | None = VGG19, *, own_terms: bool = False
) -> list[Fit]:
    """What may be done for a run to fit, from the fastest to the smallest.

    All that `tile` "auto" may choose from, or what `tile` says. Without an `architecture`, for a
    network that is no VGG, there are no tiles.
    """
    if config.tile != "auto":
        return [Fit(config.layout().tiles)]
    fits = []
    for fit in _FITS:
        if fit.tiles is not None:
            if architecture is None:
                continue
            layout = config.layout().replace(tiles=fit.tiles)
            if why_not_in_tiles(architecture, layout, own_terms=own_terms):
                continue
        fits.append(fit if config.optimizer == "lbfgs" else fit._replace(lbfgs=FULL_MEMORY))
    return list(dict.fromkeys(fits))


def bytes_of_run(
    shape: tuple[int, int], styles: Sequence[tuple[int, int]], config: Config, fit: Fit = WHOLE
) -> float:
    """About what a run needs at its last level.

    `shape` is the result's (height, width), `styles` have those of the pictures as they came. For
    each pixel of the image with its margin: the maps that are there at once in the backward pass,
    those of the layers that are matched and their targets, and what the optimizer keeps of the
    image. In tiles, the maps of a tile's layers count for one window alone. The compiler's own
    counts are 0.8 to 1.15 times that (thirteen settings, 224 and 416 px, CPU). Or what the targets
    of the largest style take, if that is more.
    """
    height, width = (side + 2 * config.margin for side in shape)
    layers = {*config.content_layers, *config.style_layers}
    copies = sum(
        (COPIES.get(term.loss, 1) - 1) * _map_bytes(term.layer) for term in config.style_terms()
    )
    contents = sum(map(_map_bytes, config.content_layers))
    image = 3 * FLOAT
    memory = 8.0
    if config.optimizer == "lbfgs":
        memory += 2 * fit.lbfgs.size * (1 / 2 if fit.lbfgs.type else 1)
    maps = _bytes_of_maps((height, width), layers, fit.tiles)
    step = maps + height * width * (copies + contents + memory * image)
    largest = max((style_shape(style, shape, config) for style in styles), default=(0, 0))
    targets = _bytes_of_maps(largest, {*config.style_layers}, fit.tiles)
    pictures = 6 * image * shape[0] * shape[1]
    return FIXED + max(step, targets) + pictures


def check_memory(
    shape: tuple[int, int],
    styles: Sequence[tuple[int, int]],
    config: Config,
    *,
    own_terms: bool = False,
    devices: int = 1,
) -> None:
    """NotEnoughMemoryError, with a size that fits, if a run does not fit into the devices' memory.

    `shape` is the content's (height, width) as it came. What might fit is not refused.
    """
    smallest = possible_fits(config, own_terms=own_terms)[-1]

    def needed(size: int) -> float:
        return bytes_of_run(fit_size(shape, size), styles, config, smallest)

    free, size = free_memory(devices), config.size
    if CERTAIN * needed(size) <= free:
        return
    fitting = _largest(size, lambda smaller: needed(smaller) <= free)
    advice = f"--size {fitting} fits" if fitting else "no size fits"
    raise NotEnoughMemoryError(
        f"{size} px needs about {needed(size) / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; {advice}"
    )


def free_memory(devices: int = 1) -> int:
    """Bytes that are free on as many devices as JAX's first, or for this process if it is a CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return devices * (stats["bytes_limit"] - stats["bytes_in_use"])
    return free_host_memory()


def _largest(size: int, fits: Callable[[int], bool]) -> int:
    """The largest number under `size`, in tens, that fits; 0 if none does."""
    below, above = 0, size // 10
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if fits(10 * middle) else (below, middle)
    return 10 * below


def _bytes_of_maps(shape: tuple[int, int], layers: Collection[str], tiles: Tiles | None) -> float:
    """Of the maps that are there at once for an image of that shape."""
    area = shape[0] * shape[1]
    if tiles is None or not area:
        return area * (_working(layers) + sum(map(_map_bytes, layers)))
    inside = layers_in_tiles(VGG19, tuple(layers), tiles.until)
    grid = TileGrid.cover(shape, tiles.side, inside)
    window = grid.rows.window * grid.columns.window
    taken = [layer for layer in layers if layer in inside]
    behind = [layer for layer in layers if layer not in inside]
    bytes_of_window = window * (_working(inside) + sum(map(_map_bytes, taken)))
    if not behind:
        return bytes_of_window
    after = f"conv{int(tiles.until[-1]) + 1}_1"
    cores = 2 * _map_bytes(f"conv{tiles.until[-1]}_1") / 4
    kept = sum(map(_map_bytes, behind))
    return bytes_of_window + area * (cores + 3 * _map_bytes(after) + kept)


def _working(layers: Collection[str]) -> float:
    """Bytes a pixel of the maps in hand: two in a network of one convolution, else three."""
    deepest = max(map(VGG19.layers.index, layers), default=0)
    return (3 if deepest >= VGG19.layers.index("conv1_2") else 2) * _map_bytes("conv1_1")


def _map_bytes(layer: str) -> float:
    """Bytes of a layer's maps for each pixel of the image."""
    convolution = layer.replace("relu", "conv")
    if layer.startswith("pool"):
        convolution = f"conv{layer[-1]}_1"
    return FLOAT * VGG19.convolutions[convolution][-1] / smallest_side([layer]) ** 2
