"""Results are made by hand here; runs are the matter of test_stylization.py."""

import importlib.metadata
import json
import sys
import types

import jax.numpy as jnp
import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.common.progress import BatchWay
from jnst.images.encoding import save_image
from jnst.images.files import ImageError
from jnst.optimizers.state import Info
from jnst.runs.recipes import load_recipe
from jnst.runs.results import VERSIONS_OF, History, Result, Results
from jnst.settings.config import Config
from jnst.settings.terms import Terms

NETWORK = {"load": "a.h5", "name": "a", "source": "b", "license": "c", "digest": "0123"}
CONFIG = Config(content_layers="relu1_1", style_layers="relu2_1", style_layer_weights=[2], seed=7)


def steps(*losses):
    """The second of two items."""
    values = jnp.array(losses, jnp.float32)[:, None] * jnp.array([9, 1])
    terms = Terms({"relu1_1": values * 2}, {"relu2_1": values * 3}, None, None, values * 4)
    return Info(values, terms, values * 5, values > 0, jnp.ones((len(losses), 2), int))


def result(**changes):
    image = np.random.default_rng(0).random((6, 5, 3), np.float32)
    history = History.empty(CONFIG.weights())
    for size, info in (64, steps(3, 8)), (128, steps(7)), (128, steps(6, 4, np.nan, 5)):
        history = history.extend(size, info, 1)
    values = {"image": image, "alpha": None, "history": history, "config": CONFIG}
    values |= {"network": NETWORK, "content": "c.png", "styles": ["s.png"]}
    return Result(**(values | changes))


def test_history_grows_by_an_item_of_each_chunk():
    history = result().history
    np.testing.assert_array_equal(history.loss, [3, 8, 7, 6, 4, np.nan, 5])
    np.testing.assert_array_equal(history.terms.style["relu2_1"], 3 * history.loss)
    np.testing.assert_array_equal(history.gradient_norm, 5 * history.loss)
    np.testing.assert_array_equal(history.size, [64, 64, 128, 128, 128, 128, 128])
    assert history.evaluations.sum() == 7


def test_recipe_is_all_that_it_takes():
    recipe = result().recipe()
    # The image is the best of the last size.
    assert recipe["losses"] == {
        "total": 4, "content/relu1_1": 8, "style/relu2_1": 12, "total_variation": 16,
    }  # fmt: skip
    assert recipe["versions"] == {name: importlib.metadata.version(name) for name in VERSIONS_OF}
    assert {"jax", "jaxlib", "numpy"} <= set(VERSIONS_OF)
    names = ("jnst", "content", "styles", "network", "steps", "diverged")
    assert {name: recipe[name] for name in names} == {
        "jnst": jnst.__version__, "content": "c.png", "styles": ["s.png"], "network": NETWORK,
        "steps": 7, "diverged": None,
    }  # fmt: skip
    assert Config(**json.loads(json.dumps(recipe))["config"]) == CONFIG


def test_steps_of_levels_that_are_left_out_are_not_planned():
    run = result(config=CONFIG.replace(levels=3, level_steps=(5, 6, 7)))
    assert run.planned_steps == 7
    assert "7 of 7 steps" in run.summary()
    share, _, state = BatchWay(1)(types.SimpleNamespace(results={0: run}))
    assert (share, state) == (1, "step 7 of 7")
    assert result().planned_steps == CONFIG.steps


def test_what_is_not_finite_is_null():
    lost = History.empty(CONFIG.weights()).extend(64, steps(np.nan, np.inf), 1)
    recipe = result(history=lost, diverged=0).recipe()
    assert json.loads(json.dumps(recipe), parse_constant=pytest.fail) == json.loads(
        json.dumps(recipe)
    )
    assert recipe["diverged"] == 0 and set(recipe["losses"].values()) == {None}
    averaged = result(config=CONFIG.replace(averaging=0.5), history=lost)
    assert averaged.recipe()["losses"]["style/relu2_1"] is None


def test_before_the_first_step_there_are_no_losses():
    begun = result(history=History.empty(CONFIG.weights()))
    assert begun.steps == begun.recipe()["steps"] == 0
    assert begun.recipe()["losses"] == {}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_every_format_holds_the_recipe(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    result(content="Zürich 東京.png").save(path)
    expected = json.loads(json.dumps(result(content="Zürich 東京.png").recipe()))
    assert load_recipe(path) == expected


def test_png_as_pillow_reads_it(tmp_path):
    alpha = np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5)
    made = result(alpha=alpha)
    made.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        assert json.loads(file.info["jnst"]) == json.loads(json.dumps(made.recipe()))
        expected = np.rint(np.dstack([made.image, alpha]) * 255)
        np.testing.assert_array_equal(np.asarray(file), expected)


def test_the_same_result_makes_the_same_bytes(tmp_path):
    result().save(tmp_path / "a.png")
    result().save(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


WHOLE = json.loads(json.dumps(result().recipe()))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "not json",
        "[]",
        "3",
        "null",
        json.dumps(WHOLE | {"losses": {"total": np.nan}}),
        json.dumps(WHOLE)[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}",
        "{}",
        json.dumps(WHOLE | {"config": {"size": -1}}),
        json.dumps(WHOLE | {"config": {"sizes": 1}}),
        json.dumps(WHOLE | {"config": [1]}),
        json.dumps(WHOLE | {"network": "embedded"}),
        json.dumps(WHOLE | {"network": {"load": "embedded"}}),
        json.dumps(WHOLE | {"network": NETWORK | {"load": 3}}),
    ],
)
def test_pictures_without_a_recipe(tmp_path, text):
    path = tmp_path / "a.png"
    save_image(path, np.zeros((3, 3, 3)), recipe=text)
    with pytest.raises(ImageError, match=r"a\.png: holds no recipe of jnst"):
        load_recipe(path)


def test_no_picture(tmp_path):
    with pytest.raises(ImageError, match="there is no such file"):
        load_recipe(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"the suffix is '\.gif'"):
        result().save(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_history_as_flat_columns():
    columns = result().history.to_dict()
    assert list(columns) == [
        "step", "size", "loss", "loss/content/relu1_1", "loss/style/relu2_1",
        "loss/total_variation", "gradient_norm", "evaluations",
    ]  # fmt: skip
    assert {len(column) for column in columns.values()} == {7}
    np.testing.assert_array_equal(columns["step"], range(1, 8))
    np.testing.assert_array_equal(columns["loss/style/relu2_1"], 3 * columns["loss"])


def test_history_as_a_plot(monkeypatch):
    figure = matplotlib.figure.Figure()
    axes = result().history.plot(figure.add_subplot())
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["content/relu1_1", "style/relu2_1", "total_variation", "loss, weighted"]
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["loss, weighted"].get_ydata(), [3, 8, 7, 6, 4, np.nan, 5])
    assert list(axes.get_lines()[-1].get_xdata()) == [2.5, 2.5]  # where 128 px begin
    assert axes.get_yscale() == "log"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="matplotlib"):
        result().history.plot()


@pytest.mark.parametrize("losses", [(2, -1e-3, 4), (0, 1e-9, 1), (0, 0, np.nan), (np.nan,) * 3])
def test_a_plot_shows_what_is_not_positive(losses):
    history = History.empty(CONFIG.weights()).extend(64, steps(*losses), 1)
    figure = matplotlib.figure.Figure()
    axes = history.plot(figure.add_subplot())
    figure.canvas.draw()
    assert axes.get_yscale() == ("log" if np.isnan(losses).all() else "symlog")


def test_content_styles_and_result_side_by_side(network, arrays, small):
    content, style = arrays  # (32, 24, 3) and (28, 36, 3)
    made = jnst.stylize(content, style, network=network, color="cholesky", **small)
    sheet = np.asarray(made.compare())
    assert sheet.shape == (32, 24 + 41 + 24, 3)
    np.testing.assert_allclose(sheet[:, :24] / 255, content, atol=1 / 255)
    np.testing.assert_allclose(sheet[:, -24:] / 255, made.image, atol=1 / 255)
    middle = sheet[:, 24:-24].mean((0, 1)) / 255
    np.testing.assert_allclose(middle, style.mean((0, 1)), atol=0.02)  # in its own colors
    texture = jnst.texture(style, network=network, shape=(32, 48), **small)
    assert np.asarray(texture.compare()).shape == (32, 42 + 48, 3)


def test_many_are_saved_under_numbers(tmp_path):
    results = Results(result(content=f"{number}.png") for number in range(1, 11))
    paths = results.save(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [f"{number:02}.png" for number in range(1, 11)]
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    assert load_recipe(paths[9])["content"] == "10.png"
    assert Results().save(tmp_path) == []


def test_many_are_saved_under_names(tmp_path):
    results = Results([result(), result(content="d.png")])
    (tmp_path / "b.tif").write_bytes(b"replaced")
    paths = results.save(tmp_path, names=["a.jpg", "b.tif"])
    assert paths == [tmp_path / "a.jpg", tmp_path / "b.tif"]
    assert load_recipe(paths[1])["content"] == "d.png"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.png"], "names are 1; one for each of 2 results is accepted"),
        ("ab", "names is 'ab'; a list is accepted"),
        (["a.png", "A.png"], "names has one twice: a.png, A.png"),
        (["a.png", "b/c.png"], "names has 'b/c.png'; a file's name without a folder"),
        (["a.png", "b.xyz"], r"b.xyz: the suffix is '.xyz'; accepted: .png"),
    ],
)
def test_names_that_are_refused_leave_nothing(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        Results([result(), result()]).save(tmp_path, names=names)
    assert not list(tmp_path.iterdir())
