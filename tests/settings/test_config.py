import contextlib
import dataclasses
import inspect
import json
from functools import partial
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jnst.images.resizing import fit_size
from jnst.runs.levels import plan_levels, style_shape
from jnst.settings.config import Config
from jnst.settings.fields import INITS, LARGEST_SIDE, MOST_STEPS
from jnst.settings.terms import Terms

NAN, INF = float("nan"), float("inf")


def test_frozen_and_hashable():
    config = Config(style_layers=["relu1_1"], style_layer_weights=[2])
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.size = 3
    same = Config(style_layers=("relu1_1",), style_layer_weights=(2.0,))
    assert {config: 1}[same] == 1
    assert config != Config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size is 0; a whole number of at least 1"),
        ({"size": -512}, "size is -512"),
        ({"size": 64.0}, "size is 64.0"),
        ({"size": "64"}, "size is '64'"),
        ({"size": None}, "size is None"),
        ({"steps": -1}, "steps is -1; a whole number of at least 0"),
        ({"steps": True}, "steps is True"),
        ({"levels": 0}, "levels is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"margin": -1}, "margin is -1"),
        ({"content_weight": -1}, "content_weight is -1; a finite number of at least 0"),
        ({"style_weight": NAN}, "style_weight is nan"),
        ({"tv_weight": INF}, "tv_weight is inf"),
        ({"tv_weight": "1"}, "tv_weight is '1'"),
        ({"tv_weight": 10**400}, "tv_weight is 1000"),
        ({"learning_rate": NAN, "optimizer": "sgd"}, "learning_rate is nan"),
        ({"learning_rate": -0.1, "optimizer": "adam"}, "learning_rate is -0.1"),
        ({"learning_rate": 0.1}, "learning_rate is 0.1; lbfgs takes none, adam and sgd do"),
        (
            {"optimizer": "adamw"},
            "optimizer is 'adamw'; did you mean 'adam'. accepted: lbfgs, ",
        ),
        ({"convention": "gatys"}, "convention is 'gatys'; accepted: .*relative"),
        ({"pooling": ["max"]}, r"pooling is \['max'\]; accepted: average, max"),
        (
            {"init": 3},
            "init is 3; content, style, gray, mean, noise, gaussian, colors, or",
        ),
        ({"init": ""}, "init is ''; content, style"),
        ({"content_layers": (), "style_layers": []}, "are both empty; one is needed"),
        (
            {"style_loss": "grim"},
            "style_loss is 'grim'; did you mean 'gram'. accepted: gram, balanced_gram",
        ),
        ({"style_loss": ("gram", "histogram")}, "2 names; expected 1, or 5, one for each style"),
        ({"style_blend": (0, 0)}, "a positive number is needed"),
        ({"style_blend": (1, -1)}, "style_blend is -1; a finite number of at least 0"),
        ({"style_scale": 0}, "style_scale is 0; a finite number of at least 0.01"),
        ({"normalize_gradients": True}, "normalize_gradients is on; adam and sgd take it"),
        ({"pixels": "projected"}, "pixels is 'projected', which adam and sgd take"),
        ({"pixels": "clip"}, "pixels is 'clip'; accepted: free, projected, sigmoid"),
        ({"color": "red"}, "color is 'red'; accepted: style, luminance"),
        ({"averaging": 1}, "averaging is 1.0; a number of at least 0 and under 1"),
        (
            {"init_content": 1.5},
            "init_content is 1.5; a finite number of at least 0 and at most 1 is",
        ),
        ({"variation": "l3"}, "variation is 'l3'; accepted: l2, l1, nine_point"),
        ({"mask_propagation": "most"}, "accepted: simple, all, inside"),
        ({"level_factor": 1}, "level_factor is 1; a finite number of at least 1.1"),
        ({"level_sizes": (256, 128)}, r"level_sizes is \(256, 128\); rising sizes are"),
        ({"level_sizes": range(1, 65)}, "level_sizes has 64 numbers; at most 63 are accepted"),
        ({"levels": 2, "level_steps": (10**6, 1)}, "the sum of level_steps is 1000001; a whole"),
        ({"style_weight": 1e30, "style_layer_weights": [1e30] * 5}, "style_weight times style_l"),
        ({"style_layers": {"relu1_1"}}, r"style_layers is \{'relu1_1'\}; a list is accepted"),
        ({"style_layers": [["relu1_1"]]}, r"style_layers has \['relu1_1'\]; names are accepted"),
        ({"style_blend": {"a": 1}}, "a list is accepted"),
        ({"style_blend": np.float32(1)}, "style_blend is 1.0; a list is accepted"),
        ({"level_steps": (9, 9)}, "level_steps has 2 numbers; expected 3, one"),
        ({"learning_rate_decay": -1}, "learning_rate_decay is -1"),
        ({"learning_rate_decay": 0.9}, "learning_rate_decay is not 1; adam and sgd take it"),
        ({"laplacian_pool": 0}, "laplacian_pool is 0"),
        (
            {"style_layers": ["relu1_1"] * 2},
            "one layer and loss twice: relu1_1/gram, relu1_1",
        ),
        ({"content_layer_weights": (1, 2)}, "content_layer_weights has 2 values; expected 1"),
        ({"style_layer_weights": ()}, "style_layer_weights has 0 values; expected 5"),
        ({"style_layer_weights": (1, 1, NAN, 1, 1)}, "style_layer_weights is nan"),
        ({"style_layer_weights": (1, 1, -1, 1, 1)}, "style_layer_weights is -1"),
        (
            {"styel_weight": 1},
            "'styel_weight'; did you mean 'style_weight'. known: size, .*, margin",
        ),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        Config().replace(**settings)


@pytest.mark.parametrize(
    ("settings", "strides", "message"),
    [
        ({"margin": 8}, None, "margin is 8; a multiple of 16 is accepted"),
        ({"style_layers": ("pool5",)}, None, "margin is 16; a multiple of 32 is accepted"),
        ({"style_layers": "relu9_9"}, None, "'relu9_9'; did you mean 'relu.*known: conv1_1, .*l5"),
        (
            {},
            {"first": 1, "second": 2},
            "unknown layer 'relu4_2', which is a default of content_layers; "
            "this network has first, second",
        ),
        (
            {"content_layers": "first"},
            {"first": 1, "second": 2},
            "unknown layer 'relu1_1', which is a default of style_layers; this network has first",
        ),
        (
            {"content_layers": "third", "style_layers": "first"},
            {"first": 1},
            "'third'; known: first",
        ),
        (
            {"content_layers": "first", "style_layers": "second", "margin": 3},
            {"first": 1, "second": 2},
            "margin is 3; a multiple of 2 is accepted",
        ),
    ],
)
def test_settings_that_a_network_has_not(settings, strides, message):
    config = Config(**settings)
    with pytest.raises(ValueError, match=message):
        config.check_network(*[strides] if strides else [])


def test_replace_checks_again_and_leaves_the_original():
    config = Config()
    assert config.replace(size=64) == Config(size=64)
    assert config.size == 512


def test_numpy_values_and_paths_become_plain_ones_that_json_holds():
    config = Config(
        size=np.int64(64),
        seed=np.uint8(3),
        optimizer="adam",
        learning_rate=np.float32(0.5),
        init=Path("first.png"),
        content_weight=np.float64(2),
        tv_weight=0,
        style_layers=np.array(["relu1_1", "conv2_2"]),
        style_layer_weights=np.array([1, 2]),
    )
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert Config(**values) == config
    assert {name: values[name] for name in ("size", "seed", "learning_rate", "init")} == {
        "size": 64, "seed": 3, "learning_rate": 0.5, "init": "first.png",
    }  # fmt: skip
    assert type(config.size) is type(config.seed) is int
    assert type(config.tv_weight) is type(config.style_layer_weights[0]) is float


@pytest.mark.parametrize(
    ("name", "given", "plain"),
    [
        ("style_weight", np.float32(3), 3.0),
        ("style_weight", jnp.float32(3), 3.0),
        ("style_weight", jnp.bfloat16(3), 3.0),
        ("style_weight", np.array(3), 3.0),
        ("style_weight", jnp.int32(3), 3.0),
        ("steps", jnp.int32(3), 3),
        ("steps", np.array(3), 3),
        ("seed", np.uint32(3), 3),
        ("seed", jnp.uint8(3), 3),
        ("init_content", np.float16(0.5), 0.5),
        ("optimizer", np.str_("adam"), "adam"),
        ("init", np.str_("noise"), "noise"),
        ("init", np.array("noise"), "noise"),
        ("normalize_gradients", np.bool_(False), False),
        ("normalize_gradients", jnp.bool_(False), False),
        ("style_blend", np.array([1, 3]), (1.0, 3.0)),
        ("style_blend", jnp.array([1, 3]), (1.0, 3.0)),
        ("style_blend", (np.float32(1), jnp.int32(3)), (1.0, 3.0)),
        ("level_sizes", np.array([64, 128]), (64, 128)),
        ("content_layers", np.array(["relu1_1"]), ("relu1_1",)),
        ("content_layers", np.str_("relu1_1"), ("relu1_1",)),
        ("style_loss", np.array("wasserstein"), ("wasserstein",)),
    ],
)
def test_scalars_and_arrays_of_any_library_are_plain_values(name, given, plain):
    config = Config(**{name: given})
    value = getattr(config, name)
    assert value == plain and type(value) is type(plain)
    assert not isinstance(value, tuple) or type(value[0]) is type(plain[0])
    assert hash(config) == hash(Config(**{name: plain}))
    assert Config(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


BOUNDS = {
    field.name: field.metadata["check"].keywords
    for field in dataclasses.fields(Config)
    if isinstance(field.metadata["check"], partial)
}
NUMBERS = {name: bounds for name, bounds in BOUNDS.items() if "minimum" in bounds}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_largest_value(name):
    bounds = NUMBERS[name]
    for beyond in (2 * bounds["maximum"] + 1, 10**400, 10**5000, np.array([1]), True, 1j):
        with pytest.raises(ValueError, match=f"^{name} is .* at least {bounds['minimum']} and at"):
            Config(optimizer="adam", **{name: beyond})


def _numbers(name):
    bounds = NUMBERS[name]
    if Config.__dataclass_fields__[name].type in (int, "int"):
        return st.integers(bounds["minimum"], bounds["maximum"])
    return st.floats(bounds["minimum"], bounds["maximum"])


ANY = {
    **{name: _numbers(name) for name in NUMBERS},
    **{
        name: st.sampled_from(get_args(bounds["literal"]))
        for name, bounds in BOUNDS.items()
        if "literal" in bounds and name != "optimizer"
    },
    "level_sizes": st.none() | st.sets(st.integers(1, 100_000), max_size=63).map(sorted),
    "level_steps": st.none() | st.lists(st.integers(1, 300_000), min_size=3, max_size=3),
    "margin": st.integers(0, 64).map(lambda strides: 16 * strides),
    "init": st.none() | st.sampled_from(INITS),
    "style_blend": st.none() | st.lists(st.floats(1e-3, 1e30), min_size=1),
    "style_layer_weights": st.none() | st.lists(st.floats(0, 1), min_size=5, max_size=5),
    "content_layer_weights": st.none() | st.lists(st.floats(0, 1), min_size=1, max_size=1),
}


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({"optimizer": st.sampled_from(["adam", "sgd"])}, optional=ANY),
    st.integers(1, 10**5),
    st.integers(1, 10**5),
)
@example({"levels": 64, "level_factor": 100.0}, 1, 1)
@example({"levels": 64, "level_factor": 1.1, "steps": 10**6, "size": 10**5}, 10**5, 10**5)
@example({"style_weight": 3e38, "style_layer_weights": [1.0] * 5, "style_blend": [1e30] * 9}, 9, 9)
@example({"style_blend": [1e-30], "style_scale": 16.0, "margin": 1024}, 9, 9)
def test_what_is_accepted_can_be_planned(values, height, width):
    try:
        config = Config(**values)
    except ValueError:
        assume(False)
    levels = plan_levels(fit_size((height, width), config.size), config)
    assert sum(level.steps for level in levels) <= config.steps <= MOST_STEPS
    assert all(1 <= side <= LARGEST_SIDE for level in levels for side in level.shape)
    assert style_shape((height, width), levels[-1].shape, config)
    for leaf in jax.tree.leaves(config.weights()):
        assert np.isfinite(leaf)
    if config.style_blend:
        assert 0 < sum(map(np.float32, config.style_blend)) < np.inf
    np.random.default_rng(config.seed)
    assert Config(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([field.name for field in dataclasses.fields(Config)]), JSON)
def test_strangers_settings_are_accepted_or_refused(name, value):
    """With a ValueError: a recipe is read in this way."""
    with contextlib.suppress(ValueError):
        assert hash(Config(**{name: value})) is not None


def test_one_layer_may_stand_without_a_list():
    assert Config(content_layers="conv4_2").content_layers == ("conv4_2",)


def test_unset_layer_weights_are_equal_with_sum_1():
    weights = Config(content_weight=3, style_weight=10, tv_weight=2).weights()
    layers = Config().style_layers
    expected = Terms({"relu4_2": 3.0}, dict.fromkeys(layers, 2.0), None, None, 2.0)
    assert jax.tree.map(float, weights) == expected
    assert {leaf.dtype.name for leaf in jax.tree.leaves(weights)} == {"float32"}


def test_what_hangs_on_a_field_changes_with_it():
    config = Config(
        optimizer="adam", learning_rate=0.1, learning_rate_decay=0.5, pixels="projected",
        normalize_gradients=True, level_sizes=(64, 128), level_steps=(5, 6, 7),
        style_layer_weights=(1, 2, 3, 4, 5), style_loss=("gram",) * 4 + ("histogram",),
    )  # fmt: skip
    assert config.steps == 18
    other = config.replace(optimizer="lbfgs")
    assert (other.learning_rate, other.learning_rate_decay, other.pixels) == (None, 1, "free")
    assert not other.normalize_gradients
    assert config.replace(optimizer="adam").learning_rate == 0.1
    other = config.replace(steps=9)
    assert (other.steps, other.level_steps, other.level_sizes) == (9, None, (64, 128))
    assert config.replace(levels=2).level_sizes is None
    assert config.replace(level_factor=1.5).level_sizes is None
    other = config.replace(style_layers=("relu1_1",))
    assert (other.style_layer_weights, other.style_loss) == (None, ("gram",))
    one = Config(style_loss="wasserstein").replace(style_layers=("relu1_1",))
    assert one.style_loss == ("wasserstein",)
    assert config.replace(style_layers=("relu1_1",), style_loss="histogram").style_loss == (
        "histogram",
    )


def test_a_setting_that_does_not_exist():
    for function in (Config, Config().replace):
        with pytest.raises(
            ValueError, match=r"unknown setting 'stps'; did you mean 'steps'\? known"
        ):
            function(stps=3)
    names = [field.name for field in dataclasses.fields(Config)]
    assert list(inspect.signature(Config).parameters) == names
