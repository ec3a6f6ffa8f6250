"""In tiles as without: losses, gradients and targets, in float64 and float32, compiled."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.networks.preparation import prepare_network
from jnst.objective.style_losses import STYLE_LOSSES
from jnst.objective.style_targets import Style
from jnst.objective.tile_grid import TileAxis, TileGrid
from jnst.objective.tiled import check_tiles
from jnst.optimizers.loop import stack
from jnst.settings.config import Config
from jnst.settings.tiles import Tiles

IN_SUMS = tuple(name for name, loss in STYLE_LOSSES.items() if loss.sums)
EVERY = Config(
    content_layers=("relu3_2", "relu1_2"),
    style_layers=[layer for layer in ("relu1_1", "relu3_1") for _ in IN_SUMS],
    style_loss=[*IN_SUMS] * 2,
)
DEEP = Config(content_layers=("relu4_2",), style_layers=("relu1_1", "relu2_1", "relu5_1"))
SHALLOW = Config(content_layers=("relu2_2",), style_layers=("relu1_1", "pool2"))
SHAPE = (75, 90)


def picture(shape, seed, dtype):
    """Smooth colors with some noise."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / 40
    waves = [np.sin(rows + seed), np.cos(columns * seed), np.sin(rows * columns)]
    noise = np.random.default_rng(seed).random((*shape, 3))
    return jnp.asarray((np.stack(waves, -1) + 1) / 3 + noise / 3, dtype)


def inputs(dtype, *, masked=False, shape=SHAPE, margin=16):
    """A content, styles, regions and an image with the margin."""
    style = picture((shape[0] - 12, shape[1] + 17), 2, dtype)
    styles, regions = [Style(style)], None
    if masked:
        masks = np.zeros((2, *shape))
        masks[0, :, : shape[1] // 2], masks[1, shape[0] // 3 :, shape[1] // 2 :] = 1, 1
        masks[:, :20] /= 2
        regions = jnp.asarray(masks, dtype)
        part = jnp.zeros(style.shape[:2], dtype).at[:, 40:].set(0.7)
        styles = [Style(style, 1.0, part), Style(style[::-1] ** 2, 2.0, None, 1)]
    image = jnst.add_margin(picture(shape, 3, dtype), margin)
    return picture(shape, 1, dtype), styles, regions, image


def targets_of(network, layout, content, styles, regions):
    make = jax.jit(jnst.make_targets, static_argnums=3)
    return make(network, content, styles, layout, regions=regions)


def evaluate(network, image, targets, weights):
    def loss(image, network, targets, weights):
        return jnst.total_loss(network, image, targets, weights)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(image, network, targets, weights)


def check(network, config, tiles, dtype, loss_rtol, gradient_rtol, targets_rtol, **given):
    content, styles, regions, image = inputs(dtype, margin=config.margin, **given)
    network = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), network)
    layout, weights = config.layout(), config.weights()
    whole = targets_of(network, layout, content, styles, regions)
    tiled = targets_of(network, layout.replace(tiles=tiles), content, styles, regions)
    for (path, expected), value in zip(
        jax.tree_util.tree_leaves_with_path((whole.content, whole.style)),
        jax.tree.leaves((tiled.content, tiled.style)),
        strict=True,
    ):
        size = float(jnp.abs(expected).max()) + 1e-30
        np.testing.assert_allclose(
            value / size, expected / size, 0, targets_rtol, err_msg=jax.tree_util.keystr(path)
        )
    (loss, terms), gradient = evaluate(network, image, whole, weights)
    same = whole.replace(layout=layout.replace(tiles=tiles))
    (loss_in_tiles, terms_in_tiles), gradient_in_tiles = evaluate(network, image, same, weights)
    np.testing.assert_allclose(loss_in_tiles, loss, loss_rtol)
    for name, term in terms.style.items():
        np.testing.assert_allclose(
            terms_in_tiles.style[name], term, 20 * loss_rtol, 1e-12, err_msg=name
        )
    difference = np.linalg.norm(gradient_in_tiles - gradient) / np.linalg.norm(gradient)
    assert difference < gradient_rtol


@pytest.mark.parametrize(
    ("until", "pooling", "masked"), [("pool1", "max", True), ("all", "average", False)]
)
def test_every_loss_of_sums_is_the_same_in_float64(network, until, pooling, masked):
    with jax.enable_x64(True):
        config, tiles = EVERY.replace(pooling=pooling), Tiles(24, until)
        check(network, config, tiles, "float64", 1e-12, 1e-12, 1e-11, masked=masked)


@pytest.mark.parametrize(
    ("shape", "side", "margin"), [((64, 64), 16, 16), ((61, 83), 40, 0), ((120, 33), 1000, 16)]
)
def test_every_size_is_the_same(network, shape, side, margin):
    """Tiles that do and do not divide it, and one that is as large as the image."""
    config, tiles = SHALLOW.replace(margin=margin), Tiles(side, "all")
    with jax.enable_x64(True):
        check(network, config, tiles, "float64", 1e-12, 1e-12, 1e-11, shape=shape)


def test_all_the_way_to_the_deepest_layer(network):
    with jax.enable_x64(True):
        check(network, DEEP, Tiles(32, "all"), "float64", 1e-12, 1e-12, 1e-11, shape=(201, 267))


@pytest.mark.parametrize("until", ["pool2", "all"])
def test_float32_with_transformed_kernels(vgg19, until):
    config = Config(content_layers=("relu3_2",), style_layers=("relu1_1", "relu2_1", "relu3_1"))
    prepared = prepare_network(vgg19, config.layers())
    check(prepared, config, Tiles(40, until), "float32", 1e-6, 1e-4, 1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"convention": "paper"},
        {"convention": "code", "tv_weight": 2.0, "variation": "nine_point"},
        {"convention": "johnson", "laplacian_weight": 1.0},
    ],
)
def test_conventions_and_the_terms_of_the_image(network, settings):
    with jax.enable_x64(True):
        config = SHALLOW.replace(**settings)
        check(network, config, Tiles(32, "pool1"), "float64", 1e-12, 1e-12, 1e-11)


def test_behind_the_tiles_any_loss_is_possible(network):
    losses = ("gram", "sliced_wasserstein", "contextual")
    config = Config(
        content_layers=("relu3_2",),
        style_layers=("relu1_1", "relu3_1", "relu4_1"),
        style_loss=losses,
    )
    with jax.enable_x64(True):
        check(network, config, Tiles(24, "pool2"), "float64", 1e-12, 1e-10, 1e-11)


def test_what_needs_all_positions_at_once_is_refused_by_name(network, arrays):
    content, style = arrays
    make = partial(jnst.make_targets, network, content, style)
    settings = {"content_layers": "relu2_1", "tile": 16}
    config = Config(style_layers="relu2_1", style_loss="patches", **settings)
    with pytest.raises(ValueError, match=r"patches needs all .* tile_until pool1 or tile none"):
        make(config)
    make(config.replace(tile_until="pool1"))
    with pytest.raises(ValueError, match=r"histogram needs all positions of relu1_1 .* tile none"):
        make(config.replace(style_layers="relu1_1", style_loss="histogram"))
    with pytest.raises(ValueError, match="normalize_gradients needs"):
        make(config.replace(style_loss="gram", optimizer="adam", normalize_gradients=True))
    with pytest.raises(ValueError, match="extra_terms need"):
        extra = {"mean": (1.0, lambda image, features: image.mean())}
        make(config.replace(style_loss="gram"), extra_terms=extra)

    class Other:
        strides = None

    with pytest.raises(ValueError, match="a network of Other takes tile none"):
        check_tiles(Other(), config.layout())


def test_own_terms_in_tiles_are_refused_before_they_are_called(network, arrays):
    extra = {"mean": (1.0, lambda image, features: features["relu2_1"].mean())}
    layers = {"content_layers": "relu2_1", "style_layers": "relu1_1"}
    with pytest.raises(ValueError, match="extra_terms need all positions"):
        jnst.stylize_steps(
            *arrays, network=network, extra_terms=extra, size=32, levels=1, tile=16, **layers
        )


def test_an_image_of_another_size_is_refused(network, arrays):
    content, style = arrays
    config = Config(content_layers="relu2_1", style_layers="relu1_1", tile=16)
    targets = jnst.make_targets(network, content, style, config)
    with pytest.raises(ValueError, match="features has shape"):
        jnst.total_loss(network, jnp.zeros((64, 64, 3)), targets, config.weights())


def test_two_items_at_once(network):
    """Each with its own content and style; the tiles are those of both."""
    config = Config(content_layers="relu3_1", style_layers=("relu1_1", "relu3_1"), tile=24)
    layout, weights = config.layout(), config.weights()
    with jax.enable_x64(True):
        network = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), network)
        items = []
        for seed in (1, 5):
            content, style = (picture(SHAPE, seed + each, "float64") for each in (0, 1))
            image = jnst.add_margin(picture(SHAPE, seed + 2, "float64"), config.margin)
            items.append((image, targets_of(network, layout, content, [Style(style)], None)))
        images, targets = stack(items)
        loss = partial(jnst.total_loss, network, weights=weights)
        both = jax.jit(jax.vmap(jax.value_and_grad(loss, has_aux=True)))
        (together, _), gradients = both(images, targets)
        for number, (image, one) in enumerate(items):
            whole = one.replace(layout=layout.replace(tiles=None))
            (alone, _), gradient = evaluate(network, image, whole, weights)
            np.testing.assert_allclose(together[number], alone, 1e-12)
            difference = np.linalg.norm(gradients[number] - gradient)
            assert difference < 1e-12 * np.linalg.norm(gradient)


@pytest.mark.parametrize("size", [61, 64, 301, 1000])
@pytest.mark.parametrize("tile", [16, 30, 112])
def test_windows_begin_on_the_grid_and_own_every_position_once(size, tile):
    layers = ("conv1_1", "pool1", "conv2_1", "conv2_2", "pool2", "conv3_1")
    axis = TileAxis.cover(size, tile, layers)
    assert axis.halo >= 1 + 2 * 2 + 4
    for stride in (1, 2, 4):
        owned = np.zeros(size // stride, int)
        for index in range(axis.number):
            start = int(axis.start(index))
            assert start % 4 == 0 and 0 <= start <= size - axis.window
            own = np.asarray(axis.is_own(index, stride, 0))
            positions = start // stride + np.flatnonzero(own)
            owned[positions] += 1
            inner = positions * stride
            # What a position sees lies in the window, or beyond a border of the image.
            assert start == 0 or (inner - start >= 9).all()
            assert start + axis.window == size or (start + axis.window - inner - stride >= 9).all()
        assert (owned == 1).all()


def test_cores_join_to_the_maps_they_are_of():
    layers = ("conv1_1", "pool1", "conv2_1", "pool2")
    grid = TileGrid.cover((61, 83), 16, layers)
    maps = jnp.asarray(np.random.default_rng(0).random((61 // 4, 83 // 4, 5)), jnp.float32)
    cores = [grid.core(grid.window(maps, index, 4), index, 4) for index in range(grid.number)]
    np.testing.assert_array_equal(grid.join(jnp.stack(cores), 4), maps)
