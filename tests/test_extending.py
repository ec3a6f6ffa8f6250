"""What a program brings: its own terms, style losses, optimizers and networks."""

import json
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import jnst
from jnst.layers import STRIDES
from jnst.losses import gram_matrix
from jnst.registry import registered


@pytest.fixture(autouse=True)
def own_losses():
    """The style losses that a test registers are there for it alone."""
    yield
    registered.clear()


def darkness(image, features):
    return image.mean() + 0 * sum(maps.sum() for maps in features.values())


def test_an_own_term_is_of_the_picture_without_its_margin(network, arrays, small):
    content, style = map(jnp.asarray, arrays)
    seen = {}

    def term(image, features):
        seen.update({name: maps.shape for name, maps in features.items()}, image=image.shape)
        return jnp.square(image).sum()

    terms = {"squares": (0.5, term)}
    config = jnst.Config(**small)
    targets = jnst.make_targets(network, content, style, config, extra_terms=terms)
    canvas = jnst.add_margin(content, config.margin)
    total, values = jnst.total_loss(network, canvas, targets, config.weights(terms))
    assert seen == {"image": (32, 24, 3), "relu1_1": (32, 24, 64), "relu2_1": (16, 12, 128)}
    exact = np.square(np.float64(arrays[0])).sum()
    np.testing.assert_allclose(values.extra["squares"], exact, rtol=1e-6)
    plain = jnst.make_targets(network, content, style, config)
    without, _ = jnst.total_loss(network, canvas, plain, config.weights())
    np.testing.assert_allclose(total - without, 0.5 * exact, rtol=1e-5)
    with pytest.raises(ValueError, match=r"own terms \[\], targets for \['squares'\]"):
        jnst.total_loss(network, canvas, targets, config.weights())


def test_an_own_term_runs_coarse_to_fine_in_batches_and_stands_in_the_recipe(
    network, arrays, small, tmp_path, programs
):
    content, style = arrays
    options = {**small, "size": 128, "levels": 2, "network": network}
    dark = jnst.stylize(content, style, extra_terms={"dark": (1000, darkness)}, **options)
    before = programs()
    light = jnst.stylize(content, style, extra_terms={"dark": (0, darkness)}, **options)
    assert programs() == before  # a weight is traced
    assert dark.image.mean() < light.image.mean() - 0.05
    assert dark.history.to_dict()["loss/extra/dark"].shape == (6,)
    assert set(dark.history.size) == {64, 128}
    dark.save(tmp_path / "dark.png")
    recipe = jnst.load_recipe(tmp_path / "dark.png")
    assert recipe["extra_terms"] == {"dark": 1000}
    assert "extra/dark" in recipe["losses"]
    both = jnst.stylize_batch(
        content, [style, style[::-1]], extra_terms={"dark": (1000, darkness)}, **options
    )
    np.testing.assert_allclose(both[0].image, dark.image, atol=2e-3)
    assert [result.extra_terms for result in both] == [{"dark": 1000}] * 2


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([darkness], "extra_terms is .*; names with a weight and a function are accepted"),
        ({"dark": darkness}, "extra term 'dark' is <function darkness .*; a weight and a function"),
        ({"dark": (1, 2)}, r"extra term 'dark' is \(1, 2\)"),
        ({3: (1, darkness)}, "extra_terms has the name 3; text is accepted"),
        ({"dark": (-1, darkness)}, "the weight of extra term 'dark' is -1; a finite number"),
        ({"dark": (1, lambda image, _: image)}, r"'dark' is .*; an array of shape \(\)"),
    ],
)
def test_own_terms_that_are_refused(network, arrays, small, terms, message):
    with pytest.raises(ValueError, match=message):
        jnst.stylize_steps(*arrays, network=network, extra_terms=terms, **small)


def own_gram(convention_of=None):
    return jnst.StyleLoss(
        describe=lambda features, weights: gram_matrix(features),
        distance=lambda features, weights, target, convention: jnp.square(
            gram_matrix(features) - target
        ).mean(),
        mix=lambda targets, shares: sum(s * t for s, t in zip(shares, targets, strict=True)),
        unit=lambda target: jnp.square(target).mean(),
    )


def test_an_own_style_loss_is_used_by_name(network, arrays, small):
    jnst.register_style_loss("own_gram", own_gram())
    own, built_in = (
        jnst.stylize(*arrays, network=network, style_loss=name, **small)
        for name in ("own_gram", "gram")
    )
    np.testing.assert_allclose(own.image, built_in.image, atol=1e-4)
    assert own.recipe()["config"]["style_loss"] == ("own_gram",)


def test_another_own_style_loss_may_take_the_name(network, arrays, small):
    nothing = jnst.StyleLoss(
        describe=lambda features, weights: features.mean(),
        distance=lambda features, weights, target, convention: 0 * features.sum(),
    )
    for loss, value in ((own_gram(), False), (nothing, True)):
        jnst.register_style_loss("again", loss)
        result = jnst.stylize(*arrays, network=network, style_loss="again", **small)
        assert (result.history.terms.style["relu1_1"] == 0).all() == value


@pytest.mark.parametrize(
    ("name", "loss", "message"),
    [
        ("gram", own_gram(), "style loss gram is the library's own; another name"),
        ("no name", own_gram(), "the name of a style loss is 'no name'; an identifier"),
        ("own", gram_matrix, "style loss own is <.*; a jnst.StyleLoss is accepted"),
    ],
)
def test_style_losses_that_are_refused(name, loss, message):
    with pytest.raises(ValueError, match=message):
        jnst.register_style_loss(name, loss)
    with pytest.raises(ValueError, match=r"style_loss is 'own'; accepted: gram, .*contextual"):
        jnst.Config(style_loss="own")


def test_own_optimizers(network, arrays, small, tmp_path):
    def made(**options):
        return jnst.stylize(*arrays, network=network, **{**small, **options})

    named = made(optimizer="adam", learning_rate=0.03)
    own = made(optimizer=optax.adam(0.03, b2=0.99))
    np.testing.assert_allclose(own.image, named.image, atol=1e-5)
    schedule = made(optimizer="adam", learning_rate=optax.constant_schedule(0.03))
    np.testing.assert_allclose(schedule.image, named.image, atol=1e-5)
    falling = made(optimizer="sgd", learning_rate=optax.linear_schedule(0.5, 0, 6))
    assert np.abs(falling.image - made(optimizer="sgd", learning_rate=0.5).image).max() > 1e-3
    assert made(optimizer=optax.chain(optax.clip(1.0), optax.rmsprop(0.01)), levels=2).steps == 6
    own.save(tmp_path / "own.png")
    assert jnst.load_recipe(tmp_path / "own.png")["config"]["optimizer"] == "own"
    assert json.loads(json.dumps(falling.recipe()))["config"]["learning_rate"] == "own"
    [alike] = jnst.stylize_batch(
        *arrays, network=network, optimizer=optax.adam(0.03, b2=0.99), **small
    )
    np.testing.assert_allclose(alike.image, named.image, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": optax.adam}, "optimizer is <function adam.*; lbfgs, adam, sgd or an optax"),
        ({"optimizer": "adamw"}, "optimizer is 'adamw'; did you mean 'adam'"),
        ({"learning_rate": optax.constant_schedule(1.0)}, "learning_rate is .*lbfgs takes none"),
    ],
)
def test_optimizers_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        jnst.Config(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": optax.adam(0.1)}, "optimizer is .*; lbfgs, adam, sgd or an optax"),
        ({"optimizer": "adam", "learning_rate": optax.constant_schedule(1)}, "is no plain value"),
    ],
)
def test_a_plan_takes_plain_values(pictures, settings, message):
    content, style = map(str, pictures)
    with pytest.raises(jnst.SweepError, match=message):
        jnst.read_plan({"contents": content, "styles": style, "settings": settings})


class Wrapped(struct.PyTreeNode):
    """A VGG-19 as somebody else's network."""

    inner: Any
    strides = STRIDES

    def features(self, image, layers):
        return jnst.extract_features(self.inner, image, layers)


def test_an_own_network_is_as_good_as_the_library_s(network, arrays, small):
    masks = np.zeros((2, 32, 24), np.float32)
    masks[0, :, :12] = masks[1, :, 12:] = 1
    styles = [arrays[1], arrays[1][::-1]]
    own, direct = (
        jnst.stylize(arrays[0], styles, content_masks=list(masks), network=each, **small)
        for each in (Wrapped(network), network)
    )
    np.testing.assert_allclose(own.image, direct.image, atol=1e-4)
    assert own.recipe()["network"]["name"] == "Wrapped"


class Layers(nn.Module):
    @nn.compact
    def __call__(self, x):
        first = nn.relu(nn.Conv(8, (3, 3))(x))
        return {"first": first, "second": nn.relu(nn.Conv(16, (3, 3), strides=3)(first))}


class Small(struct.PyTreeNode):
    params: Any
    strides = {"first": 1, "second": 3}  # noqa: RUF012

    def features(self, image, layers):
        return Layers().apply(self.params, image)


def test_a_small_network_of_flax(arrays, programs):
    params = Layers().init(jax.random.key(0), jnp.zeros((8, 8, 3)))
    settings = {
        "size": 131, "steps": 12, "levels": 2, "margin": 15,
        "content_layers": "second", "style_layers": ["first", "second"],
    }  # fmt: skip
    result = jnst.stylize(*arrays, network=Small(params), **settings)
    assert result.image.shape == (131, 98, 3)
    assert result.history.loss[-1] < result.history.loss[6]
    made = programs()
    other = Small(jax.tree.map(lambda leaf: 2 * leaf, params))
    jnst.stylize(*arrays, network=other, **settings)
    assert programs() == made  # a network is traced
    assert len(jnst.stylize_batch(arrays[0], [arrays[1]] * 2, network=other, **settings)) == 2


class Wrong(Small):
    def features(self, image, layers):
        return {"first": image[::2], "third": image}


class NoPytree:
    strides = {"first": 1}  # noqa: RUF012

    def features(self, image, layers):
        return {"first": image}


@pytest.mark.parametrize(
    ("own", "settings", "message"),
    [
        (3, {}, "network is 3; a name, a file, or an object with strides and features"),
        (NoPytree(), {}, "network NoPytree is no pytree; flax.struct.PyTreeNode makes it one"),
        (Small({}), {}, "unknown layer 'relu2_1'; known: first, second"),
        (
            Wrong({}),
            {"content_layers": "first", "style_layers": "first"},
            "gives maps of shape .* of layer 'first'; by its stride 1 at least 64 x 56",
        ),
        (
            Wrong({}),
            {"content_layers": (), "style_layers": "second", "margin": 15},
            "network Wrong gives no maps of layer 'second'",
        ),
    ],
)
def test_networks_that_are_refused(arrays, small, own, settings, message):
    with pytest.raises(ValueError, match=message):
        jnst.stylize_steps(*arrays, network=own, **{**small, **settings})
