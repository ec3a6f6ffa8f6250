"""The memory that a run takes, known from its shapes before anything is computed."""

from collections.abc import Callable, Iterable, Sequence

import jax

from jnst.common.memory import free_host_memory
from jnst.images.resizing import fit_size
from jnst.networks.layers import VGG19, smallest_side
from jnst.runs.levels import style_shape
from jnst.settings.config import Config

FLOAT = 4
FIXED = 300_000_000
"""Bytes of the network's kernels and of what compiling leaves."""

PAIRS_OF_LBFGS = 20
COPIES: dict[str, int] = {"sliced_wasserstein": 3, "histogram": 3, "patches": 21}
"""Maps that a style loss holds beside those of its layer: sorted ones, or all its patches."""

CERTAIN = 0.8
"""Of the estimate is needed for certain: see `bytes_of_run`."""


def bytes_of_run(
    shape: tuple[int, int], styles: Sequence[tuple[int, int]], config: Config
) -> float:
    """About what a run needs at its last level.

    `shape` is the result's (height, width), `styles` have those of the pictures as they came. For
    each pixel of the image with its margin: the maps of the first block that are there at once in
    the backward pass, those of the layers that are matched and their targets, and what the
    optimizer keeps of the image. The compiler's own counts are 0.8 to 1.15 times that (thirteen
    settings, 224 and 416 px, CPU). Or what the targets of the largest style take, if that is more.
    """
    height, width = (side + 2 * config.margin for side in shape)
    kept = sum(map(_map_bytes, {*config.content_layers, *config.style_layers}))
    kept += sum(map(_map_bytes, config.content_layers))
    kept += sum(
        COPIES.get(term.loss, 1) * _map_bytes(term.layer) - _map_bytes(term.layer)
        for term in config.style_terms()
    )
    image = 3 * FLOAT
    memory = 8 + (2 * PAIRS_OF_LBFGS if config.optimizer == "lbfgs" else 0)
    step = height * width * (_working(config.layers()) + kept + memory * image)
    largest = max((_area(style_shape(style, shape, config)) for style in styles), default=0)
    seen = sum(map(_map_bytes, set(config.style_layers)))
    targets = largest * (_working(config.style_layers) + seen)
    pictures = 6 * image * _area(shape)
    return FIXED + max(step, targets) + pictures


def check_memory(shape: tuple[int, int], styles: Sequence[tuple[int, int]], config: Config) -> None:
    """ValueError if a run cannot be had in the memory that is free; it says which size can.

    `shape` is the content's (height, width) as it came. What might fit is not refused.
    """

    def needed(size: int) -> float:
        return bytes_of_run(fit_size(shape, size), styles, config)

    free, size = free_memory(), config.size
    if CERTAIN * needed(size) <= free:
        return
    fitting = _largest(size, lambda smaller: needed(smaller) <= free)
    advice = f"--size {fitting} fits" if fitting else "no size fits"
    raise ValueError(
        f"{size} px needs about {needed(size) / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; {advice}"
    )


def free_memory() -> int:
    """Bytes that are free on JAX's first device, or for this process if that is the machine."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return free_host_memory()


def _largest(size: int, fits: Callable[[int], bool]) -> int:
    """The largest number under `size`, in tens, that fits; 0 if none does."""
    below, above = 0, size // 10
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if fits(10 * middle) else (below, middle)
    return 10 * below


def _working(layers: Iterable[str]) -> float:
    """Bytes a pixel of the maps in hand: two in a network of one convolution, else three."""
    deepest = max(map(VGG19.layers.index, layers), default=0)
    return (3 if deepest >= VGG19.layers.index("conv1_2") else 2) * _map_bytes("conv1_1")


def _map_bytes(layer: str) -> float:
    """Bytes of a layer's maps for each pixel of the image."""
    convolution = layer.replace("relu", "conv")
    if layer.startswith("pool"):
        convolution = f"conv{layer[-1]}_1"
    return FLOAT * VGG19.convolutions[convolution][-1] / smallest_side([layer]) ** 2


def _area(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1]
