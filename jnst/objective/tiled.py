"""Features in tiles: the same losses, gradients and targets in the memory of one window.

Content and style terms are functions of sums over positions. A scan adds up the sums of each tile.
`jax.checkpoint` around a tile makes the gradient a second scan, which computes the features of each
tile again and propagates back what the sums ask for. Only the layers up to a pooling layer need be
in tiles: the maps behind it are small, and any loss is possible there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jnst.losses._common import check_same_shape
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.layers import Architecture
from jnst.networks.vgg import Network, maps_after
from jnst.objective.style_losses import named_style_loss
from jnst.objective.tile_grid import Index, TileGrid
from jnst.settings.layout import Layout
from jnst.settings.style_terms import StyleTerm

Image = Float[Array, "h w 3"]
Maps = dict[str, Float[Array, "_h _w _c"]]
Weights = Float[Array, "_h _w"] | None


class Measured(NamedTuple):
    """What a scan over the tiles of an image tells of it.

    `squares` has the sum of squared distances from the content by layer, `sums` those of each part
    of a style term by its name, `maps` the features of the layers that are not in tiles.
    """

    squares: dict[str, Float[Array, ""]]
    sums: dict[str, list[Any]]
    maps: Maps


class Tiling(NamedTuple):
    """The tiles of an image, and the layers that are computed in them: those up to `last`."""

    grid: TileGrid
    inside: tuple[str, ...]
    behind: tuple[str, ...]
    last: str

    @classmethod
    def of(
        cls,
        network: FeatureNetwork,
        shape: Sequence[int],
        layers: Sequence[str],
        layout: Layout,
        *,
        own_terms: bool = False,
    ) -> "Tiling":
        """How an image of (height, width) is cut for the wanted layers.

        Raises:
            ValueError: the network is no VGG; a loss or a setting that needs all positions at once.
        """
        assert layout.tiles is not None
        check_tiles(network, layout, own_terms=own_terms)
        assert isinstance(network, Network)
        order = layers_in_tiles(network.architecture, layers, layout.tiles.until)
        inside = tuple(name for name in layers if name in order)
        behind = tuple(name for name in layers if name not in order)
        grid = TileGrid.cover((shape[0], shape[1]), layout.tiles.side, order)
        return cls(grid, inside, behind, order[-1])


def layers_in_tiles(
    architecture: Architecture, layers: Sequence[str], until: str
) -> tuple[str, ...]:
    """The layers that tiles up to `until` go through, in the order of computation."""
    order = architecture.layers_up_to(layers)
    return order[: 1 + order.index(until)] if until in order else order


def check_tiles(network: FeatureNetwork, layout: Layout, *, own_terms: bool = False) -> None:
    """ValueError if something needs all positions at once where there are tiles."""
    if layout.tiles is None:
        return
    if not isinstance(network, Network):
        kind = type(network).__name__
        raise ValueError(f"tile is for VGG networks; a network of {kind} takes tile none")
    reason = why_not_in_tiles(network.architecture, layout, own_terms=own_terms)
    if reason:
        raise ValueError(reason)


def why_not_in_tiles(architecture: Architecture, layout: Layout, *, own_terms: bool = False) -> str:
    """What of a layout needs all positions at once, and what to do; "" if nothing does."""
    assert layout.tiles is not None
    if layout.normalize_gradients:
        return "normalize_gradients needs all positions at once; tile none is for that"
    if own_terms:
        return "extra_terms need all positions at once; tile none is for that"
    order = layers_in_tiles(architecture, layout.layers(), layout.tiles.until)
    for term in layout.style_terms():
        if term.layer in order and named_style_loss(term.loss).sums is None:
            before = order[: order.index(term.layer)]
            poolings = [name for name in before if name.startswith("pool")]
            remedy = f"tile_until {poolings[-1]} or tile none" if poolings else "tile none"
            return (
                f"style loss {term.loss} needs all positions of {term.layer} at once, which is in "
                f"tiles; {remedy} is for that"
            )
    return ""


def measure_in_tiles(network: FeatureNetwork, image: Image, targets: Any) -> Measured:
    """What `total_loss` needs of an image, of the size of its `Targets`."""
    layout, terms = targets.layout, targets.layout.style_terms()
    tiling = Tiling.of(network, image.shape, layout.layers(), layout, own_terms=bool(targets.extra))
    terms = [term for term in terms if term.layer in tiling.inside]
    strides, grid = network.strides, tiling.grid
    for name, target in targets.content.items():
        if name in tiling.inside:
            sides = [side // strides[name] for side in image.shape[:2]]
            maps_of_image = jax.ShapeDtypeStruct((*sides, target.shape[-1]), target.dtype)
            check_same_shape("features", maps_of_image, target)

    def part(given: Any, index: Index) -> Any:
        network, image, targets = given
        maps, core = _window(network, image, tiling, layout, index)
        squares = {}
        for name in (name for name in tiling.inside if name in targets.content):
            own = grid.is_own(index, strides[name])[..., None]
            target = grid.window(targets.content[name], index, strides[name])
            squares[name] = jnp.square(jnp.where(own, maps[name] - target, 0)).sum()
        sums: dict[str, list[Any]] = {}
        for term in terms:
            sums_of, stride = named_style_loss(term.loss).sums, strides[term.layer]
            assert sums_of is not None  # see check_tiles
            sums[term.name] = [
                sums_of(
                    maps[term.layer],
                    _weights(tiling, index, stride, layout.margin, each.weights, image),
                    each.statistic,
                )
                for each in targets.style[term.name]
            ]
        return (squares, sums), core

    (squares, sums), cores = _add_up(part, grid, (network, image, targets))
    return Measured(squares, sums, _behind(network, cores, tiling, layout))


def features_in_tiles(
    network: FeatureNetwork, image: Image, layers: Sequence[str], layout: Layout
) -> Maps:
    """As `extract_features`, for images whose features are too large but at the last layers."""
    tiling = Tiling.of(network, image.shape, layers, layout)

    def part(given: Any, index: Index) -> Any:
        network, image = given
        maps, core = _window(network, image, tiling, layout, index)
        cores = {
            name: tiling.grid.core(maps[name], index, network.strides[name])
            for name in tiling.inside
        }
        return (), (cores, core)

    _, (cores, core) = _add_up(part, tiling.grid, (network, image))
    inside = {name: tiling.grid.join(each, network.strides[name]) for name, each in cores.items()}
    return inside | _behind(network, core, tiling, layout)


def describe_in_tiles(
    network: FeatureNetwork,
    image: Image,
    layers: Sequence[str],
    weights: Mapping[str, Weights],
    layout: Layout,
) -> tuple[dict[str, Any], Maps]:
    """The statistics of a style by the names of the terms in tiles, and the maps of all others.

    `weights` say by layer how much the positions inside the margin count.
    """
    tiling = Tiling.of(network, image.shape, layers, layout)
    terms = [term for term in layout.style_terms() if term.layer in tiling.inside]

    def describe(index: Index) -> tuple[dict[str, Any], Array | None]:
        """Each term's statistic of a tile, with its weight, and the core of the last layer."""
        maps, core = _window(network, image, tiling, layout, index)
        described = {}
        for term in terms:
            mask, stride = weights[term.layer], network.strides[term.layer]
            amounts = _weights(tiling, index, stride, layout.margin, mask, image)
            share = amounts / _positive(amounts.sum())
            statistic = named_style_loss(term.loss).describe(maps[term.layer], share)
            described[term.name] = statistic, amounts.sum()
        return described, core

    def step(so_far: dict[str, Any], index: Index) -> tuple[dict[str, Any], Array | None]:
        described, core = describe(index)
        return {
            term.name: _mixed(term, [so_far[term.name], described[term.name]]) for term in terms
        }, core

    alone = jax.eval_shape(
        lambda: {term.name: _mixed(term, [describe(jnp.int32(0))[0][term.name]]) for term in terms}
    )
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), alone)
    mixed, cores = lax.scan(step, nothing, jnp.arange(tiling.grid.number))
    statistics = {name: statistic for name, (statistic, _) in mixed.items()}
    return statistics, _behind(network, cores, tiling, layout)


def _mixed(term: StyleTerm, parts: Sequence[tuple[Any, Array]]) -> tuple[Any, Array]:
    """The statistic of some parts of a style, each with its weight, and the weight of all."""
    weights = jnp.stack([weight for _, weight in parts])
    mix = named_style_loss(term.loss).mix
    assert mix is not None  # see check_tiles
    shares = weights / _positive(weights.sum())
    return mix([statistic for statistic, _ in parts], shares), weights.sum()


def _positive(total: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.maximum(total, jnp.finfo(total.dtype).tiny)


def _window(
    network: FeatureNetwork, image: Image, tiling: Tiling, layout: Layout, index: Index
) -> tuple[Maps, Float[Array, "_h _w _c"] | None]:
    """The maps of a tile's window, and the core of those that the layers behind go on from."""
    assert isinstance(network, Network)
    window = tiling.grid.window(image, index, 1) - network.mean[None, None].astype(image.dtype)
    wanted = tuple(dict.fromkeys((*tiling.inside, tiling.last)))
    maps = maps_after(network, window, wanted, pooling=layout.pooling, precision=layout.precision)
    if not tiling.behind:
        return maps, None
    return maps, tiling.grid.core(maps[tiling.last], index, network.strides[tiling.last])


def _behind(network: FeatureNetwork, cores: Array | None, tiling: Tiling, layout: Layout) -> Maps:
    """The maps of the layers that are not in tiles, from the cores of all tiles."""
    if cores is None:
        return {}
    assert isinstance(network, Network)
    return maps_after(
        network,
        tiling.grid.join(cores, network.strides[tiling.last]),
        tiling.behind,
        after=tiling.last,
        pooling=layout.pooling,
        precision=layout.precision,
    )


def _weights(
    tiling: Tiling, index: Index, stride: int, margin: int, mask: Weights, image: Image
) -> Float[Array, "_h _w"]:
    """How much the positions of a window count: those of the tile, inside the margin.

    Alike, with sum 1 over all tiles, or as the mask of the picture inside the margin says.
    """
    own = tiling.grid.is_own(index, stride, margin)
    before, shape = margin // stride, image.shape[:2]
    sides = [(side - 2 * margin) // stride for side in shape]
    if mask is None:
        return own.astype(image.dtype) / math.prod(sides)
    after = [side // stride - inner - before for side, inner in zip(shape, sides, strict=True)]
    wide = jnp.pad(mask, [(before, each) for each in after])
    return jnp.where(own, tiling.grid.window(wide, index, stride), 0)


def _add_up(part: Callable[[Any, Index], Any], grid: TileGrid, given: Any) -> Any:
    """Of `part(given, index) -> (sums, kept)` the sums over all tiles, and what is kept of each."""
    part = jax.checkpoint(part, prevent_cse=False)

    def step(total: Any, index: Index) -> Any:
        sums, kept = part(given, index)
        return jax.tree.map(jnp.add, total, sums), kept

    shapes, _ = jax.eval_shape(part, given, jnp.int32(0))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.scan(step, nothing, jnp.arange(grid.number))
