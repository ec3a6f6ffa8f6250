"""What a program brings: its own terms, style losses, optimizers and networks."""

import dataclasses
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import jnst
from jnst.losses import gram_matrix
from jnst.networks.layers import VGG19
from jnst.settings.style_loss_names import registered


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
    assert seen == {"image": (32, 24, 3), "relu1_1": (32, 24, 2), "relu2_1": (16, 12, 3)}
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


def own_gram():
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
    chained = optax.chain(optax.clip(1.0), optax.rmsprop(0.01))
    coarse = made(optimizer=chained, size=128, levels=2)
    assert set(coarse.history.size) == {64, 128}
    again = pickle.loads(pickle.dumps(own))
    assert again.recipe() == own.recipe()
    np.testing.assert_array_equal(again.image, own.image)
    own.save(tmp_path / "own.png")
    assert jnst.load_recipe(tmp_path / "own.png")["config"]["optimizer"] == "own"
    assert json.loads(json.dumps(falling.recipe()))["config"]["learning_rate"] == "own"
    [alike] = jnst.stylize_batch(
        *arrays, network=network, optimizer=optax.adam(0.03, b2=0.99), **small
    )
    np.testing.assert_allclose(alike.image, named.image, atol=1e-5)


@pytest.mark.parametrize(
    "late",
    [
        {"optimizer": "sgd", "learning_rate": lambda count: jnp.where(count < 4, 0.0, 0.1)},
        {"optimizer": optax.adam(lambda count: jnp.where(count < 4, 0.0, 0.1))},
    ],
    ids=["named", "own"],
)
def test_a_schedule_goes_on_counting_at_the_next_level(network, arrays, small, late):
    sizes = {"size": 128, "level_sizes": (64,), "level_steps": (4, 4)}
    options = {**small, **sizes, "network": network, **late}
    del options["steps"], options["levels"]
    loss = jnst.stylize(*arrays, **options).history.loss
    assert loss[0] == loss[3]  # nothing moves at the first level
    assert len(set(loss[4:])) == 4


def test_what_an_own_term_says_of_itself_does_not_matter(network, arrays, small):
    class Term(struct.PyTreeNode):
        shift: Any

        def __call__(self, image, features):
            return jnp.square(image - self.shift).mean()

    def made(term):
        terms = {"near": (1.0, term)}
        many = jnst.stylize_batch(*arrays, network=network, extra_terms=terms, **small)
        return many[0].history.to_dict()["loss/extra/near"][0]

    assert made(Term(jnp.zeros(3))) != made(Term(jnp.ones(3)))


def test_a_picture_of_an_own_style_loss_is_read_where_it_is_unknown(
    network, arrays, small, tmp_path, monkeypatch
):
    jnst.register_style_loss("own_gram", own_gram())
    result = jnst.stylize(*arrays, network=network, style_loss="own_gram", **small)
    result.save(tmp_path / "own.png")
    monkeypatch.delitem(registered, "own_gram")
    assert jnst.load_recipe(tmp_path / "own.png")["config"]["style_loss"] == ["own_gram"]


def test_a_sweep_knows_an_own_style_loss_by_its_source(pictures, small, network_file, tmp_path):
    content, style = map(str, pictures)
    plan = {
        "contents": content,
        "styles": style,
        "networks": str(network_file),
        "settings": {**small, "steps": 2, "style_loss": "own_gram"},
    }
    names = []
    for loss in (own_gram(), own_gram(), dataclasses.replace(own_gram(), unit=None)):
        jnst.register_style_loss("own_gram", loss)
        jnst.sweep(plan, tmp_path / "sweep")
        names.append({path.name for path in (tmp_path / "sweep" / "points").iterdir()})
    assert len(names[1]) == 1
    assert len(names[2]) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": optax.adam}, "optimizer is <function adam.*; lbfgs, adam, sgd or an optax"),
        ({"optimizer": "adamw"}, "optimizer is 'adamw'; did you mean 'adam'"),
        ({"learning_rate": optax.constant_schedule(1.0)}, "learning_rate is .*lbfgs takes none"),
        (
            {"optimizer": optax.sgd(1.0), "learning_rate": optax.constant_schedule(1.0)},
            "learning_rate is a schedule, which adam and sgd take; an optax optimizer has its own",
        ),
        (
            {"optimizer": optax.sgd(1.0), "learning_rate_decay": 0.5},
            "learning_rate_decay is not 1; adam and sgd take it",
        ),
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
    strides = VGG19.strides

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
        "size": 71, "level_sizes": [65], "steps": 12, "margin": 15,
        "content_layers": "second", "style_layers": ["first", "second"],
    }  # fmt: skip
    result = jnst.stylize(*arrays, network=Small(params), **settings)
    assert result.image.shape == (71, 53, 3)
    assert set(result.history.size) == {65, 71}
    assert result.history.loss[-1] < result.history.loss[6]
    made = programs()
    other = Small(jax.tree.map(lambda leaf: 2 * leaf, params))
    jnst.stylize(*arrays, network=other, **settings)
    assert programs() == made  # a network is traced
    del settings["level_sizes"]
    settings["levels"] = 1
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
        (NoPytree(), {}, "network NoPytree is no pytree; make it a flax.struct.PyTreeNode"),
        (Small({}), {}, "unknown layer 'relu2_1'; known: first, second"),
        (
            Small({}),
            {"content_layers": "first", "style_layers": "first", "precision": "bfloat16"},
            "precision 'bfloat16'; a network of one's own has its own",
        ),
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


def test_a_rate_that_an_optimizer_does_not_take_is_refused_before_the_run(network, arrays, small):
    with pytest.raises(ValueError, match="this optimizer takes no learning_rate; adam, sgd, and"):
        jnst.stylize_steps(
            *arrays, network=network, optimizer=optax.sgd(1.0), learning_rate=0.1, **small
        )


def test_an_own_term_wants_a_margin_that_all_its_maps_have(arrays):
    params = Layers().init(jax.random.key(0), jnp.zeros((8, 8, 3)))
    settings = {"size": 60, "margin": 4, "content_layers": "second", "style_layers": "first"}
    with pytest.raises(ValueError, match="margin is 4; a multiple of 3 is accepted, the stride of"):
        jnst.stylize_steps(
            *arrays, network=Small(params), extra_terms={"dark": (1, darkness)}, **settings
        )


PLUGIN = """
import jnst
import beside

jnst.register_style_loss("plugged", jnst.StyleLoss(beside.mean, beside.distance))
"""
BESIDE = """
def mean(features, weights):
    return features.mean()

def distance(features, weights, mean, convention):
    return (features.mean() - mean) ** 2
"""


@pytest.mark.parametrize("plugin", ["plugins/own.py", "own"])
def test_a_plugin_of_the_command(call, pictures, small, network_file, tmp_path, plugin):
    folder = tmp_path / Path(plugin).parent
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(PLUGIN)
    (folder / "beside.py").write_text(BESIDE)
    before = list(sys.path)
    options = [
        *("--plugin", plugin, "--style-loss", "plugged", "--network", network_file),
        *("--size", 32, "--steps", 2, "--style-layers", "relu2_1", "-o", "a.png"),
    ]
    try:
        assert call("stylize", *pictures, *options) == (0, [], [])
    finally:
        for name in ("own", "beside", "jnst_plugin_own"):
            sys.modules.pop(name, None)
    assert sys.path == before
    assert jnst.load_recipe("a.png")["config"]["style_loss"] == ["plugged"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "plugin own.py cannot be imported (ZeroDivisionError: division by zero)"),
        ("raise SystemExit", "plugin own.py cannot be imported (SystemExit: )"),
        (None, "plugin own.py cannot be imported (FileNotFoundError: "),
    ],
)
def test_a_plugin_that_fails(call, pictures, tmp_path, code, message):
    if code:
        (tmp_path / "own.py").write_text(code)
    status, out, err = call("stylize", *pictures, "--plugin", "own.py")
    assert (status, out, len(err)) == (2, [], 1)
    assert message in err[0]
