"""The objective and the optimizers as compilers and JAX's strict modes have them."""

import contextlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst import losses
from jnst.objective.style_losses import STYLE_LOSSES
from jnst.settings.config import Config

EVERY = Config(
    content_layers=("relu2_1",),
    style_layers=["relu2_1"] * len(STYLE_LOSSES),
    style_loss=list(STYLE_LOSSES),
    margin=0,
)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-9)])
def test_every_style_loss_compiled_is_as_in_eager_mode(network, arrays, dtype, rtol):
    with jax.enable_x64(dtype == "float64"):
        network = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), network)
        content, style = (jnp.asarray(array, dtype) for array in arrays)
        image = jnst.add_margin(content[::-1], EVERY.margin)
        make = partial(jnst.make_targets, config=EVERY)
        eager, compiled = make(network, content, style), jax.jit(make)(network, content, style)
        for name, (target,) in eager.style.items():
            assert target.scale.dtype == dtype
            np.testing.assert_allclose(compiled.style[name][0].scale, target.scale, rtol, 0, name)
        weights = EVERY.weights()
        expected = jnst.total_loss(network, image, eager, weights)[1]
        given = jax.jit(jnst.total_loss)(network, image, compiled, weights)[1]
        for name, value in expected.style.items():
            np.testing.assert_allclose(given.style[name], value, rtol, 1e-12, err_msg=name)


@pytest.mark.parametrize("name", [name for name in STYLE_LOSSES if name != "contextual"])
def test_features_of_zeros_have_a_relative_loss_of_one(name):
    loss = STYLE_LOSSES[name]
    style = np.random.default_rng(0).random((6, 7, 8), np.float32)
    statistic = loss.describe(style, None)
    of_zeros = loss(np.zeros((32, 32, 8), np.float32), None, statistic, "relative")
    unit = loss.unit(statistic) if loss.unit else 1
    np.testing.assert_allclose(of_zeros, unit, rtol=1e-5)


def _features(nan):
    features = np.random.default_rng(1).random((2, 40, 40, 4), np.float32)
    if nan is not None:
        features[nan, 20, 20, 2] = np.nan
    return jnp.asarray(features)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("where", [0, 1], ids=["image", "style"])
@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_value_that_is_no_number_reaches_every_style_loss(name, where, compiled):
    loss = STYLE_LOSSES[name]

    def distance(features):
        statistic = loss.describe(features[1], None)
        unit = loss.unit(statistic) if loss.unit else 1
        return loss(features[0], None, statistic, "relative") / unit

    distance = jax.jit(distance) if compiled else distance
    assert np.isfinite(distance(_features(None)))
    assert np.isnan(distance(_features(where)))


@pytest.mark.parametrize(
    "loss",
    [
        *(partial(losses.content_loss, convention=c) for c in ("paper", "code", "relative")),
        losses.laplacian_loss,
        lambda x, y: losses.total_variation_loss(x + y),
        lambda x, y: losses.total_variation_loss(x + y, norm="l1"),
        lambda x, y: losses.nine_point_variation_loss(x + y),
        lambda x, y: losses.temporal_loss(x, y, np.ones(x.shape[:2], np.float32)),
        lambda x, y: losses.moments(x + y).deviation.sum(),
    ],
)
@pytest.mark.parametrize("where", [0, 1])
def test_a_value_that_is_no_number_reaches_every_other_loss(loss, where):
    assert np.isfinite(loss(*_features(None)))
    assert np.isnan(loss(*_features(where)))


def small_config(**settings):
    layers = {"style_layers": ("relu1_1", "relu2_1"), "content_layers": ("relu2_1",)}
    return Config(**layers | {"margin": 4} | settings)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_a_kernel_that_is_no_number_makes_a_run_diverge(network, arrays, pooling):
    kernel = network.params["conv1_2"]["kernel"].at[1, 1, 0, 0].set(jnp.nan)
    params = {**network.params, "conv1_2": {**network.params["conv1_2"], "kernel": kernel}}
    with pytest.raises(jnst.DivergedError, match="step 0"):
        jnst.stylize(
            *arrays,
            network=network.replace(params=params),
            config=small_config(size=40, levels=1, steps=2, pooling=pooling),
        )


@contextlib.contextmanager
def strict():
    """All at once: with 64 bits no promotion is hidden that would be raised without them."""
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.debug_nans(True),
    ):
        yield


RUNS = {
    "lbfgs": ("free", small_config(style_loss=("histogram", "gram_mean_deviation"))),
    "adam": ("projected", small_config(laplacian_weight=1, temporal_weight=1)),
    "sgd": ("sigmoid", small_config(optimizer="sgd", normalize_gradients=True)),
}


def one_run(network, arrays, name):
    """Two steps towards two styles in two regions; everything float32."""
    optimizer, pixels, config = jnst.named_optimizer(name), *RUNS[name]
    content, style = map(jnp.asarray, arrays)
    top = np.zeros(content.shape[:2], np.float32)
    top[:16] = 1
    targets = jax.jit(jnst.make_targets, static_argnums=3)(
        network,
        content,
        [jnst.Style(style, jnp.float32(1)), jnst.Style(style[::-1], jnp.float32(2), None, 1)],
        config.layout(),
        regions=jnp.stack([top, 1 - top]),
        previous=(content, jnp.asarray(top)) if config.temporal_weight else None,
    )
    state = jnst.init(
        optimizer,
        jnst.add_margin(content, config.margin),
        learning_rate=None if name == "lbfgs" else 0.01,
        learning_rate_decay=1 if name == "lbfgs" else 0.9,
        pixels=pixels,
        averaging=0.5,
    )
    state, targets, weights = (jnst.stack([each]) for each in (state, targets, config.weights()))
    [(state, info)] = jnst.run_batch(
        optimizer, state, jnst.Problem(network, targets, weights), steps=2, pixels=pixels, chunk=2
    )
    assert {leaf.dtype for leaf in (state.result, state.variable, info.loss)} == {np.dtype("f4")}
    return info.loss


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_each_optimizer_in_strict_modes(network, arrays, name):
    expected = one_run(network, arrays, name)
    with strict():
        np.testing.assert_allclose(one_run(network, arrays, name), expected, rtol=2e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_style_losses_have_the_type_of_their_features(name, dtype):
    loss = STYLE_LOSSES[name]

    def distance(features, weights):
        weights = weights if loss.takes_masks else None
        statistic = loss.describe(features, weights)
        unit = loss.unit(statistic) if loss.unit else 1
        return loss(features[::-1], weights, statistic, "relative") / unit

    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        shapes = [jax.ShapeDtypeStruct(shape, dtype) for shape in ((6, 7, 8), (6, 7))]
        assert jax.eval_shape(distance, *shapes).dtype == dtype


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_style_of_no_weight(network, arrays, weight):
    content, style = map(jnp.asarray, arrays)
    config = small_config()
    make = partial(jnst.make_targets, network, content, config=config)
    nothing = make(style=[jnst.Style(style, 0.0)])
    for name, value in jnst.total_loss(
        network, jnst.add_margin(content, config.margin), nothing, config.weights()
    )[1].style.items():
        assert value == 0, name
    alone, beside = (
        make(style=each) for each in (style, [jnst.Style(style), jnst.Style(content, 0.0)])
    )
    jax.tree.map(np.testing.assert_array_equal, alone, beside)
    with pytest.raises(ValueError, match="a style's weight is"):
        make(style=[jnst.Style(style, weight)])
