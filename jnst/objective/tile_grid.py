"""Tiles of an image, and the windows through which layers see them exactly.

A layer that is computed in a window instead of the whole image is right at every position whose
receptive field lies inside. A window is therefore a tile with a halo as wide as the deepest layer
reaches. It is moved inside where it would stick out: a border of the image is then a border of the
window, and zeros are padded exactly where they were.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

Index = Int[Array, ""] | int


class TileAxis(NamedTuple):
    """`number` tiles of `tile` pixels along a side of `size`, seen through windows of `window`.

    All but `size` and `number` are multiples of the stride of the deepest layer, so that every
    window starts on the grid of its positions; `window` has the size's remainder too, so that the
    last one ends with the image.
    """

    size: int
    tile: int
    window: int
    halo: int
    number: int

    @classmethod
    def cover(cls, size: int, tile: int, layers: Sequence[str]) -> "TileAxis":
        """Even tiles of at most about `tile` pixels, for a network of these layers."""
        reach, stride = 0, 1  # of a position beyond its own square, in pixels
        for name in layers:
            if name.startswith("conv"):
                reach += stride
            elif name.startswith("pool"):
                stride *= 2
        halo = _rounded_up(reach, stride)
        tile = _rounded_up(-(-size // -(-size // tile)), stride)
        window = tile + 2 * halo + size % stride
        if window >= size:
            return cls(size, _rounded_up(size, stride), size, halo, 1)
        return cls(size, tile, window, halo, -(-size // tile))

    def start(self, index: Index) -> Index:
        """Where the window of a tile begins."""
        return jnp.clip(index * self.tile - self.halo, 0, self.size - self.window)

    def is_own(self, index: Index, stride: int, margin: int) -> Bool[Array, " n"]:
        """Which positions of a window are its tile's, and those of the picture in the margin."""
        position = self.start(index) // stride + jnp.arange(self.window // stride)
        first, count = margin // stride, (self.size - 2 * margin) // stride
        inside = (position >= first) & (position < first + count)
        return inside & (position // (self.tile // stride) == index)


class TileGrid(NamedTuple):
    """The tiles of an image. A tile is named by one number, row after row."""

    rows: TileAxis
    columns: TileAxis

    @classmethod
    def cover(cls, shape: tuple[int, int], tile: int, layers: Sequence[str]) -> "TileGrid":
        """Tiles of at most about `tile` pixels over an image of (height, width)."""
        height, width = shape
        return cls(TileAxis.cover(height, tile, layers), TileAxis.cover(width, tile, layers))

    @property
    def number(self) -> int:
        """The number of tiles."""
        return self.rows.number * self.columns.number

    def window(
        self, maps: Float[Array, "h w *c"], index: Index, stride: int
    ) -> Float[Array, "_h _w *c"]:
        """The window of a tile, cut out of the maps of a layer of that stride."""
        starts = [axis.start(at) // stride for axis, at in self._places(index)]
        sides = [axis.window // stride for axis in self]
        for axis, (start, side) in enumerate(zip(starts, sides, strict=True)):
            maps = lax.dynamic_slice_in_dim(maps, start, side, axis)
        return maps

    def is_own(self, index: Index, stride: int, margin: int = 0) -> Bool[Array, "_h _w"]:
        """Which positions of a window are its tile's and inside the margin."""
        down, across = (axis.is_own(at, stride, margin) for axis, at in self._places(index))
        return down[:, None] & across[None]

    def core(
        self, maps: Float[Array, "_h _w c"], index: Index, stride: int
    ) -> Float[Array, "_h2 _w2 c"]:
        """The tile itself out of the maps of its window, with zeros beyond the image."""
        for axis, (side, at) in enumerate(self._places(index)):
            count = side.tile // stride
            maps = jnp.pad(maps, [(0, count if each == axis else 0) for each in range(3)])
            start = (at * side.tile - side.start(at)) // stride
            maps = lax.dynamic_slice_in_dim(maps, start, count, axis)
        return maps

    def join(self, cores: Float[Array, "n _h _w c"], stride: int) -> Float[Array, "_h2 _w2 c"]:
        """The maps of the image from the `core` of every tile."""
        rows, columns = (axis.number for axis in self)
        _, height, width, channels = cores.shape
        maps = cores.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
        maps = maps.reshape(rows * height, columns * width, channels)
        return maps[: self.rows.size // stride, : self.columns.size // stride]

    def _places(self, index: Index) -> list[tuple[TileAxis, Index]]:
        """Both sides, and which of their tiles it is."""
        down, across = jnp.divmod(index, self.columns.number)
        return [(self.rows, down), (self.columns, across)]


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step
