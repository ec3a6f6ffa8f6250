import json
import re
from pathlib import Path

import numpy as np
import pytest

import jnst
from jnst.common.errors import NetworkError
from jnst.sweeps.plans import read_plan

WHOLE = """
contents = "photo.jpg"
styles = ["a.jpg", ["a.jpg", "b.jpg"]]
networks = "net.h5"
preset = "crowson2021"

[settings]
size = 128

[grid]
style_weight = { logspace = [-1, 1, 3] }
style_layers = [["relu1_1"], ["relu1_1", "relu2_1"]]

[[zip]]
content_weight = [1, 2]
seed = { linspace = [4, 6, 2] }
"""


def test_a_plan_of_everything(tmp_path):
    path = tmp_path / "layers.toml"
    path.write_text(WHOLE)
    plan = read_plan(path)
    assert (plan.name, plan.title) == ("layers", "")
    assert plan.axes == {
        "content": ["photo.jpg"],
        "style": ["a.jpg", ["a.jpg", "b.jpg"]],
        "style_weight": [0.1, 1.0, 10.0],
        "style_layers": [["relu1_1"], ["relu1_1", "relu2_1"]],
        "content_weight, seed": [[1, 4], [2, 6]],
    }
    points = list(plan.points())
    assert len(points) == len(plan) == 2 * 3 * 2 * 2
    assert [point.at for point in points][:3] == [(0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, 0)]
    last = points[-1]
    assert (last.content, last.styles, last.network) == ("photo.jpg", ("a.jpg", "b.jpg"), "net.h5")
    assert last.config == jnst.preset(
        "crowson2021", size=128, style_weight=10, style_layers=["relu1_1", "relu2_1"],
        content_weight=2, seed=6,
    )  # fmt: skip
    assert plan.picture("photo.jpg") == str(tmp_path / "photo.jpg")
    assert plan.weights("net.h5") == "net.h5"
    (tmp_path / "net.h5").touch()
    assert plan.weights("net.h5") == str(tmp_path / "net.h5")


def test_a_title_is_what_the_plan_calls_itself(tmp_path):
    path = tmp_path / "layers.toml"
    path.write_text('title = "Which layers"\n' + WHOLE)
    plan = read_plan(path)
    assert (plan.name, plan.title) == ("Which layers", "Which layers")
    path.write_text('title = "Which layers"\nstyles = "a.jpg"')
    with pytest.raises(jnst.SweepError, match=r"^Which layers: contents is empty"):
        read_plan(path)


def test_a_plan_from_values():
    given = {"contents": (Path("c.png"),), "styles": "s.png", "grid": {"seed": np.arange(3)}}
    given["zip"] = [{"style_weight": [np.float32(1), 2], "content_weight": (1, 2)}]
    plan = read_plan(given)
    assert json.loads(json.dumps(plan.axes))["seed"] == [0, 1, 2]
    assert [point.config.seed for point in plan.points()] == [0, 0, 1, 1, 2, 2]
    assert json.dumps(list(plan.points())[1].config.style_weight) == "2.0"
    assert plan.network == "embedded"
    assert len(read_plan({"contents": "c", "styles": "s"})) == 1
    networks = {"networks": ["embedded", "b.h5"], "preset": "fast"}
    several = read_plan({"contents": "c", "styles": "s", **networks})
    assert [point.network for point in several.points()] == ["embedded", "b.h5"]


def test_each_network_of_a_plan_has_its_preset(network, tmp_path):
    jnst.write_network(tmp_path / "own.h5", network.replace(preset="keras"))
    own = str(tmp_path / "own.h5")
    plan = {"contents": "c", "styles": "s", "networks": ["embedded", "hed", own]}
    configs = [point.config for point in read_plan(plan).points()]
    assert configs == [jnst.preset(name) for name in ("fast", "trained", "keras")]
    configs = [point.config for point in read_plan(plan | {"preset": "trained"}).points()]
    assert configs == [jnst.preset("trained")] * 3
    with pytest.raises(NetworkError, match="no such network"):
        read_plan(plan | {"networks": "missing.h5"})


PICTURES = {"contents": "c.png", "styles": "s.png"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grids": {}}, "unknown key 'grids'; did you mean 'grid'?"),
        ({"grid": {"style_wieght": [1]}}, "unknown setting 'style_wieght'; did you mean 'style_w"),
        ({"settings": {"sizes": 3}}, "unknown setting 'sizes'; did you mean 'size'?"),
        ({"settings": [1]}, "settings is [1]"),
        ({"settings": {"size": "big"}}, "size is 'big'; a whole number of at least 1"),
        ({"grid": {"style_weight": [1, "x"]}}, "style_weight is 'x'; a finite number"),
        ({"grid": {"style_layer_weights": [1, 2]}}, "style_layer_weights is 1; a list"),
        ({"grid": {"style_layers": [["relu9_9"]]}}, "unknown layer 'relu9_9'"),
        ({"grid": {"style_layers": [3]}}, "style_layers is 3; a list"),
        ({"grid": {"seed": []}}, "seed has no values"),
        ({"grid": {"seed": 3}}, "seed is 3; a list or a range is accepted"),
        ({"grid": {"seed": [1, 2, 1]}}, "seed has 1 twice"),
        ({"grid": {"tv_weight": {"linspace": [0, 1]}}}, "tv_weight is {'linspace': [0, 1]}; {lins"),
        ({"grid": {"tv_weight": {"range": [0, 1, 3]}}}, "tv_weight is {'range': [0, 1, 3]}"),
        ({"grid": {"tv_weight": {"linspace": [0, 1, 0]}}}, "tv_weight has no values"),
        ({"grid": {"tv_weight": {"linspace": [0, 1, 10**9]}}}, "tv_weight is {'linspace'"),
        ({"grid": {"seed": {"linspace": [0, 1, 3]}}}, "seed is 0.0; a whole number"),
        ({"zip": {"seed": [1]}}, "zip is {'seed': [1]}"),
        ({"zip": [{"seed": [1, 2], "size": [64]}]}, "zip holds lists of different lengths"),
        ({"zip": [{"seed": [1, 1], "size": [9, 9]}]}, "seed, size has [1, 9] twice"),
        ({"zip": [{}]}, "zip holds {}"),
        ({"zip": [{"seed": [1]}], "grid": {"seed": [1]}}, "seed is given twice"),
        ({"settings": {"seed": 1}, "grid": {"seed": [1]}}, "seed is given twice"),
        ({"contents": []}, "contents is empty"),
        ({"grid": {"tv_weight": {"linspace": [0, float("inf"), 2]}}}, "tv_weight is {'linspace'"),
        ({"grid": {"tv_weight": {"linspace": [0, 10**400, 2]}}}, "tv_weight is {'linspace'"),
        ({"grid": {"tv_weight": {"logspace": [0, 400, 2]}}}, "tv_weight is {'logspace': [0, 400, "),
        ({"settings": {"level_steps": [1, 2]}, "grid": {"levels": [3]}}, "level_steps has 2"),
        ({"styles": 3}, "styles is 3; a path, or a list of paths"),
        ({"contents": [["a", "b"]]}, "contents has a list inside; only styles are mixed"),
        ({"styles": ["a", "a"]}, "styles has 'a' twice"),
        ({"preset": ""}, "preset is ''"),
        ({"preset": "gatys"}, "preset is 'gatys'; did you mean 'gatys2016'? accepted: fast"),
        ({"grid": {n: {"linspace": [0, 1, 1001]} for n in ("tv_weight", "content_weight")}},
         "has 1002001 points; at most 1000000"),
    ],
)  # fmt: skip
def test_what_is_not_a_plan(changes, message):
    with pytest.raises(jnst.SweepError, match=re.escape(f"plan: {message}")):
        list(read_plan(PICTURES | changes).points())


def test_settings_stay_where_an_axis_varies_what_they_hang_on():
    plan = PICTURES | {
        "settings": {"style_layer_weights": [1, 2], "learning_rate": 0.1},
        "grid": {"style_layers": [["relu1_1", "relu2_1"]], "optimizer": ["adam", "sgd"]},
    }
    points = list(read_plan(plan).points())
    assert [point.config.style_layer_weights for point in points] == [(1, 2), (1, 2)]
    assert [point.config.learning_rate for point in points] == [0.1, 0.1]


def test_files_that_are_not_plans(tmp_path):
    with pytest.raises(jnst.SweepError, match=r"none.toml: cannot be read \(there is no such file"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("contents = [")
    with pytest.raises(jnst.SweepError, match=r"a.toml: is not TOML \("):
        read_plan(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(jnst.SweepError, match=r"b.toml: cannot be read \(not text"):
        read_plan(tmp_path / "b.toml")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 9000)
    with pytest.raises(jnst.SweepError, match=r"deep.toml: is not TOML \(nested"):
        read_plan(tmp_path / "deep.toml")
