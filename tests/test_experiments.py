"""The experiments in their small forms; the plans of the sweeps are read only."""

import runpy
import sys
import types
from pathlib import Path
from unittest.mock import create_autospec

import jax
import numpy as np
import pytest

import jnst
from jnst.networks import loading

FOLDER = Path(__file__).parent.parent / "experiments"


@pytest.fixture
def experiment(monkeypatch, capsys, tmp_path):
    """Runs a script of `experiments/` in tmp_path, and returns the lines that it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        path = FOLDER / f"{name}.py"
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(path.parent))
            patch.setattr(sys, "argv", [path.name, *map(str, arguments)])
            runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


PLANS = [("networks", False), ("styles", False), ("styles", True)]


@pytest.mark.parametrize(("name", "full"), PLANS)
def test_plans(experiment, monkeypatch, name, full):
    plans = []
    sweep = create_autospec(jnst.sweep, side_effect=lambda plan, *_, **__: plans.append(plan))
    monkeypatch.setattr(jnst, "sweep", sweep)
    lines = experiment(name, "-o", "out", *(["--full"] if full else []))
    assert callable(sweep.call_args.kwargs["callback"])
    [plan] = plans
    assert len(list(jnst.read_plan(plan).points())) == 12
    assert plan["settings"]["size"] == (512 if full else 128)
    for picture in (plan["contents"], *plan["styles"]):
        assert jnst.load_image(picture).ndim == 3
    for network in [plan["networks"]] if isinstance(plan["networks"], str) else plan["networks"]:
        assert jnst.load_network(network).params
    assert lines[-1].endswith("index.html")


def test_compare_networks(experiment, monkeypatch, network_file):
    made = []

    def stylize(content, style, *, network, **settings):
        made.append((network.name, settings))
        return types.SimpleNamespace(image=content)

    monkeypatch.setattr(jnst, "stylize", stylize)
    [page] = map(
        Path, experiment("compare_networks", "-o", "out", "--networks", network_file, network_file)
    )
    assert made == [("random", {"config": jnst.Config(size=192, steps=60)})] * 2
    text = page.read_text()
    assert text.count("<img") == 5
    assert text.count("<tr><th>relu") == 6


def white_share(path):
    """How much of a contact sheet is paper."""
    return float((jnst.load_image(path) > 0.99).all(-1).mean())


@pytest.fixture
def sheets(monkeypatch):
    """The pictures, labels and columns of each contact sheet that is made."""
    made, contact_sheet = [], jnst.contact_sheet

    def making(images, labels, **settings):
        made.append((images, labels, settings["columns"]))
        return contact_sheet(images, labels, **settings)

    monkeypatch.setattr(jnst, "contact_sheet", making)
    return made


def test_styles_and_first_images_of_the_paper(experiment, sheets, pictures, network_file):
    content, style = pictures
    small = "--size", 32, "--steps", 2, "--network", network_file
    for figure, styles in ((3, [style, style]), (6, [style])):
        arguments = figure, content, *styles, "-o", "figure.png", *small
        assert experiment("paper", *arguments)[-1] == "figure.png"
        assert 0 < white_share("figure.png") < 0.6
    assert [(len(images), len(labels), columns) for images, labels, columns in sheets] == [
        (4, 4, 2),
        (6, 6, 3),
    ]
    images = sheets[1][0]
    assert all(np.isfinite(image).all() and image.std() > 0.01 for image in images)
    assert np.abs(images[2] - images[3]).mean() > 0.02  # another noise


@pytest.mark.parametrize(("figure", "columns"), [(1, 5), (4, 4), (5, 4)])
def test_layers_of_the_paper(
    experiment, monkeypatch, sheets, pictures, network_file, figure, columns
):
    """What is asked for; making it takes a program for each set of layers."""
    configs = []

    def one(source, *, config, **_):
        configs.append(config)
        return types.SimpleNamespace(image=jnst.load_image(pictures[0]))

    def batch(content, style, *, config, **options):
        return [one(content, config=each) for each in config]

    monkeypatch.setattr(jnst, "reconstruct", one)
    monkeypatch.setattr(jnst, "texture", one)
    monkeypatch.setattr(jnst, "stylize_batch", batch)
    experiment("paper", figure, *pictures, "-o", "figure.png", "--network", network_file)
    [(images, labels, given)] = sheets
    assert given == columns and len(images) == len(labels)
    first_image = "noise" if figure == 1 else jnst.Config().init
    assert all(config.size == 128 and config.init == first_image for config in configs)
    assert all(config.pooling == "average" for config in configs)
    if figure == 1:
        assert [config.content_layers[0] for config in configs[:5]] == labels[:5]
        assert [len(config.style_layers) for config in configs[5:]] == [1, 2, 3, 4, 5]
    elif figure == 4:
        ratios = [config.content_weight / config.style_weight for config in configs[:4]]
        np.testing.assert_allclose(ratios, [1e-3, 1e-2, 1e-1, 1])
        assert configs[-1].style_layers[-1] == "conv5_1" and len(configs) == 20
    else:
        assert [config.content_layers for config in configs] == [("conv2_2",), ("conv4_2",)]


def test_statistics_of_a_style(experiment, pictures, network_file):
    small = "--size", 32, "--seconds", 0, "--network", network_file
    only = "--only", "mean_variance", "patches"
    *rows, page = experiment("style_statistics", *pictures, "-o", "out", *small, *only)
    assert len(rows) == 2
    for row in rows:
        name, steps, *figures = row.split()
        assert int(steps) >= 1 and np.isfinite(np.float64(figures)).all(), name
    text = Path(page).read_text()
    assert text.count("<img") == 4 and "Li, Wand 2016" in text


def test_gallery(experiment, pictures, network_file, tmp_path):
    folder = tmp_path / "paintings"
    folder.mkdir()
    names = "starry_night", "the_scream", "great_wave", "shipwreck"
    for name, picture in zip(names, pictures * 2, strict=True):
        (folder / f"{name}.png").write_bytes(picture.read_bytes())
    small = "--size", 32, "--steps", 2, "--network", network_file
    arguments = "--pictures", folder, "-o", "gallery", *small
    shown = "colors", "regions", "texture"
    [page] = experiment("gallery", *arguments, "--only", *shown)
    text = Path(page).read_text()
    assert text.count("<img") == 3 and "A texture of The Starry Night" in text
    assert jnst.load_recipe("gallery/colors.png")["config"]["color"] == "luminance"
    (folder / "great_wave.png").unlink()
    with pytest.raises(SystemExit, match=r"has no great_wave\.jpg: see --help"):
        experiment("gallery", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("paper", "1", "a.png", "b.png", "-o", "figure"), "figure does not end in .png"),
        (("own_term", "a.png", "b.png", "-o", "out.jpg"), "out.jpg does not end in .png"),
        (("paper", "4", "a.png", "b.png", "c.png", "-o", "4.png"), "only figure 3 has more"),
        (("style_statistics", "a.png", "b.png", "c.png", "-o", "out"), "are of one style"),
        (("styles", "a.png", "-o", "out"), "a content needs at least one style"),
    ],
)
def test_wrong_arguments_are_refused_first(experiment, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        experiment(*arguments)
    assert message in capsys.readouterr().err


def test_own_parts(experiment, monkeypatch, pictures, network_file):
    monkeypatch.setattr(loading, "data_file", lambda name: network_file)  # for the embedded one
    small = "-o", "own.png", "--size", 32, "--steps", 4
    lines = experiment("own_term", *pictures, *small)
    values = [float(line.split(": ")[1]) for line in lines]
    assert len(values) == 3 and values[0] > values[1] > values[2]
    assert jnst.load_recipe("own-100.png")["extra_terms"] == {"asymmetry": 100}
    experiment("own_network", *pictures, *small)
    assert jnst.load_recipe("own.png")["network"]["name"] == "Random"
    lines = experiment("own_optimizer", *pictures, *small)
    assert [line.split(",")[0] for line in lines] == ["lbfgs", "adam", "lion", "prodigy"]


@pytest.mark.parametrize("name", ["own_term", "own_network", "own_optimizer"])
def test_own_parts_are_short(name):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) < 40


def test_a_feedforward_network(experiment, monkeypatch, pictures, network_file, tmp_path):
    content, style = pictures
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "photograph.png").write_bytes(content.read_bytes())
    small = "--photographs", photographs, "--network", network_file, "--size", 24, "--channels", 2
    once = style, style, "-o", "once", *small, "--every", 2
    experiment("feedforward/train", *once, "--steps", 4)
    twice = style, style, "-o", "twice", *small, "--every", 2
    objective = sys.modules["objective"]
    steps = iter([objective.train_step] * 2)

    def interrupted(*arguments):
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(objective, "train_step", interrupted)
        lines = experiment("feedforward/train", *twice, "--steps", 4)
    assert lines[-1] == "twice: 2 steps. The same command goes on."
    experiment("feedforward/train", *twice, "--steps", 4)
    losses = [Path(name, "losses.txt").read_text() for name in ("once", "twice")]
    assert losses[0] == losses[1] and len(losses[0].split()) == 4
    assert len({*losses[0].split()}) == 4
    assert white_share("once/strip-1.png") < 0.6 and Path("once/curve.png").exists()
    assert len(list(Path("twice/views").iterdir())) == 6

    experiment("feedforward/paint", "once", content, "-o", "out", "--size", 23, "--shares", 1, 0)
    experiment("feedforward/paint", "twice", content, "-o", "out", "--size", 23)
    first, second = (jnst.load_image(f"out/content-{name}.png") for name in ("mixture", "0-style"))
    assert first.shape == (23, 17, 3)
    assert np.abs(first - jnst.load_image(content, size=23)).max() > 0.01  # it has learned
    np.testing.assert_array_equal(first, second)

    with pytest.raises(ValueError, match="channels is 3; the network in once has 2"):
        experiment("feedforward/train", *once, "--steps", 4, "--channels", 3)
    with pytest.raises(ValueError, match="nowhere has no trained network"):
        experiment("feedforward/paint", "nowhere", content, "-o", "out")
    lines = experiment("feedforward/against_optimization", "once", content, "-o", "against.png")
    losses = {line.split(":")[0].strip(): float(line.split()[-3][:-1]) for line in lines}
    assert losses["L-BFGS, 200 steps"] < losses["L-BFGS, 10 steps"] < losses["photograph"]


def test_the_transformation_begins_with_the_photograph_and_mixes_styles(monkeypatch, arrays):
    monkeypatch.syspath_prepend(str(FOLDER / "feedforward"))
    import model

    settings = model.Settings(["a", "b"], "embedded", "gram", 32, 2, 1e-3)
    state = model.new_state(settings)
    photograph = jax.numpy.asarray(arrays[0])[:31, :21]
    one, other = np.eye(2)
    same = jax.jit(state.apply_fn)(state.params, photograph, one)
    np.testing.assert_allclose(same, photograph, atol=1e-6)
    random = jax.tree.map(
        lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(leaf.size), leaf.shape),
        state.params,
    )
    paint = jax.jit(lambda shares: state.apply_fn(random, photograph, shares))
    assert np.abs(paint(one) - paint(other)).max() > 0.01
    between = paint((one + other) / 2)
    assert between.shape == photograph.shape
    nearest = min(np.abs(between - paint(each)).mean() for each in (one, other))
    assert 0 < nearest < np.abs(paint(one) - paint(other)).mean()
