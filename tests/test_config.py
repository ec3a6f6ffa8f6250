import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jnst.config import Config, Terms

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
        ({"margin": 8}, "margin is 8; a multiple of 16 is accepted"),
        ({"style_layers": ("pool5",)}, "margin is 16; a multiple of 32 is accepted"),
        ({"content_weight": -1}, "content_weight is -1; a finite number of at least 0"),
        ({"style_weight": NAN}, "style_weight is nan"),
        ({"tv_weight": INF}, "tv_weight is inf"),
        ({"tv_weight": "1"}, "tv_weight is '1'"),
        ({"tv_weight": 10**400}, "tv_weight is 1000"),
        ({"learning_rate": NAN, "optimizer": "sgd"}, "learning_rate is nan"),
        ({"learning_rate": -0.1, "optimizer": "adam"}, "learning_rate is -0.1"),
        ({"learning_rate": 0.1}, "learning_rate is 0.1; lbfgs takes none, adam and sgd do"),
        ({"optimizer": "adamw"}, "optimizer is 'adamw'; accepted: lbfgs, adam, sgd"),
        ({"convention": "gatys"}, "convention is 'gatys'; accepted: .*relative"),
        ({"pooling": ["max"]}, r"pooling is \['max'\]; accepted: average, max"),
        (
            {"init": 3},
            "init is 3; content, style, grey, noise, gaussian, colours, or",
        ),
        ({"init": ""}, "init is ''; content, style"),
        ({"content_layers": (), "style_layers": []}, "are both empty; one is needed"),
        ({"style_loss": "grim"}, "style_loss is 'grim'; accepted: gram, mean_variance, "),
        ({"style_loss": ("gram", "histogram")}, "2 names; one, or one for each of the 5 style"),
        ({"style_blend": (0, 0)}, "a positive number is needed"),
        ({"style_blend": (1, -1)}, "style_blend is -1; a finite number of at least 0"),
        ({"style_scale": 0}, "style_scale is 0; a finite number of at least 0.01"),
        ({"normalize_gradients": True}, "normalize_gradients is on; adam and sgd take it"),
        ({"pixels": "projected"}, "pixels is 'projected', which adam and sgd take"),
        ({"pixels": "clip"}, "pixels is 'clip'; accepted: free, projected, sigmoid"),
        ({"color": "red"}, "color is 'red'; accepted: style, luminance"),
        ({"averaging": 1}, "averaging is 1.0; a share of the past under 1"),
        (
            {"init_content": 1.5},
            "init_content is 1.5; a finite number of at least 0 and at most 1 is",
        ),
        ({"variation": "l3"}, "variation is 'l3'; accepted: l2, l1, nine_point"),
        ({"mask_propagation": "most"}, "accepted: simple, all, inside"),
        ({"level_factor": 1}, "level_factor is 1; a finite number of at least 1.1"),
        ({"level_sizes": (256, 128)}, r"level_sizes is \(256, 128\); they must rise"),
        ({"level_steps": (9, 9)}, "level_steps has 2 numbers; 3 levels need as many"),
        ({"learning_rate_decay": -1}, "learning_rate_decay is -1"),
        ({"learning_rate_decay": 0.9}, "learning_rate_decay is not 1; adam and sgd take it"),
        ({"laplacian_pool": 0}, "laplacian_pool is 0"),
        ({"style_layers": ["relu9_9"]}, "'relu9_9'; did you mean 'relu.*Known: conv1_1, .*pool5"),
        (
            {"style_layers": ["relu1_1"] * 2},
            "one twice with one loss: relu1_1/gram, relu1_1",
        ),
        ({"content_layer_weights": (1, 2)}, "content_layer_weights has 2 values; 1 layers"),
        ({"style_layer_weights": ()}, "style_layer_weights has 0 values; 5 layers"),
        ({"style_layer_weights": (1, 1, NAN, 1, 1)}, "style_layer_weights is nan"),
        ({"style_layer_weights": (1, 1, -1, 1, 1)}, "style_layer_weights is -1"),
        ({"styel_weight": 1}, "unknown setting 'styel_weight'; known: size, steps, .*, margin"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        Config().replace(**settings)


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
