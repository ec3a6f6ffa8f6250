import gc
import json
import weakref

import jax
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst import (
    DivergedError,
    ImageError,
    NetworkError,
    reconstruct,
    reconstruct_steps,
    stylize,
    stylize_steps,
    texture,
    texture_steps,
)
from jnst.images.resizing import resize_image
from jnst.objective.targets import describe_content
from jnst.runs import problems
from jnst.runs.opening import open_job


def plain(recipe):
    """What a strict reader of JSON has."""
    return json.loads(json.dumps(recipe), parse_constant=pytest.fail)


def bytes_of(result, folder):
    result.save(folder / "out.png")
    return (folder / "out.png").read_bytes()


def test_arrays_make_a_picture(arrays, small):
    result = stylize(*arrays, **small)
    assert result.image.shape == (32, 24, 3)
    assert result.image.dtype == np.float32
    assert 0 <= result.image.min() < result.image.max() <= 1
    assert np.abs(result.image - arrays[0]).mean() > 0.01
    assert result.history.loss.shape == (6,)
    assert result.history.loss.min() < 0.8 * result.history.loss[0]
    assert (result.history.size == 32).all()
    assert result.alpha is None
    assert result.config == jnst.Config(**small, init="content")
    assert result.network["load"] == "embedded"
    assert (result.content, result.styles) == ("", [""])


def test_a_picture_is_held_once(arrays, small):
    config = jnst.Config(**small)
    job = open_job(*arrays, config)
    assert job.initial_image is job.content is job.original is job.pictures[0]
    assert job.content is not arrays[0]


def test_the_first_result_is_let_go_of(arrays, small):
    images, there = [], []

    def seen(result):
        images.append(weakref.ref(result.image))
        gc.collect()
        there.append(images[0]() is not None)

    stylize(*arrays, **small, callback=seen)
    assert there == [True, False, False]


def test_images_of_results_are_the_callers_own(arrays, small):
    expected = stylize(*arrays, **small).image
    for result in stylize_steps(*arrays, **small):
        made = result.image.copy()
        result.image[:] = 0
    np.testing.assert_array_equal(made, expected)


def test_paths_make_the_same_picture_as_their_arrays(pictures, small, network_file, tmp_path):
    options = small | {"network": network_file}
    result = stylize(*pictures, **options)
    opened = [np.asarray(Image.open(path), np.float32) / 255 for path in pictures]
    np.testing.assert_array_equal(result.image, stylize(*opened, **options).image)
    result.save(tmp_path / "out.png")
    recipe = jnst.load_recipe(tmp_path / "out.png")
    assert (recipe["content"], recipe["styles"]) == ("content.png", ["style.png"])
    assert recipe["network"] == {
        "load": str(network_file), "name": "random", "source": "tests", "license": "none",
        "digest": jnst.load_network(network_file).digest, "pooling": "average",
    }  # fmt: skip
    assert jnst.Config(**recipe["config"]) == result.config
    assert recipe["steps"] == 6
    assert recipe["losses"]["total"] == float(result.history.loss.min())
    assert stylize(str(pictures[0]), str(pictures[1]), **options).recipe() == result.recipe()


def test_the_default_layers_run(arrays):
    result = stylize(*arrays, size=32, steps=5, levels=1, margin=16)
    assert result.history.loss.min() < 0.95 * result.history.loss[0]
    assert list(result.history.terms.style) == list(jnst.Config().style_layers)


def test_settings_come_before_those_of_config(arrays, small, network):
    config = jnst.Config(**small, style_weight=3)
    result = stylize(*arrays, network=network, config=config, steps=0, tv_weight=5)
    assert result.config == config.replace(steps=0, tv_weight=5, init="content")


def test_steps_yield_the_start_and_then_full_size_images(arrays, small, network):
    options = small | {"size": 128, "levels": 2, "steps": 12, "optimizer": "adam"}
    options |= {"content_layers": "relu1_1", "style_layers": "relu1_1"}
    results = stylize_steps(*arrays, network=network, **options)
    first, *later = results
    assert [first.steps, *(result.steps for result in later)] == [0, 5, 7, 12]
    np.testing.assert_array_equal(first.image, resize_image(arrays[0], (128, 96)))
    assert {result.image.shape for result in later} == {(128, 96, 3)}
    np.testing.assert_array_equal(later[-1].history.size, [64] * 7 + [128] * 5)
    np.testing.assert_array_equal(later[-1].history.loss[:7], later[1].history.loss)


def test_starts(arrays, pictures, small, network):
    content, style = arrays

    def start(**settings):
        options = small | {"network": network, "steps": 0, "size": 24}
        return stylize(content, style, **(options | settings)).image

    np.testing.assert_array_equal(start(), resize_image(content, (24, 18)))
    np.testing.assert_array_equal(start(init="style"), resize_image(style, (24, 18)))
    opened = np.asarray(Image.open(pictures[1]), np.float32) / 255
    np.testing.assert_array_equal(start(init=pictures[1]), resize_image(opened, (24, 18)))
    noise = np.random.default_rng(3).random((24, 18, 3), np.float32)
    np.testing.assert_array_equal(start(init="noise", seed=3), noise)
    assert np.abs(start(init="noise", seed=4) - noise).mean() > 0.2


def test_the_seed_decides_every_byte(arrays, small, network, tmp_path):
    options = small | {"network": network, "init": "noise"}
    first = stylize(*arrays, seed=1, **options)
    assert bytes_of(first, tmp_path) == bytes_of(stylize(*arrays, seed=1, **options), tmp_path)
    assert np.abs(first.image - stylize(*arrays, seed=2, **options).image).max() > 0.1


@pytest.fixture
def compilations():
    events = []

    def listen(event, _, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


def test_only_static_settings_compile(arrays, small, network, compilations):
    content, style = arrays
    adam = small | {"optimizer": "adam", "learning_rate": 0.1}
    other = network.replace(mean=network.mean + 0.1, name="other")
    stylize(content, style, network=network, **small)
    stylize(content, style, network=network, **adam)
    compilations.clear()
    weights = {"content_weight": 0, "style_weight": 7, "tv_weight": 0}
    weights |= {"content_layer_weights": [3], "style_layer_weights": [1, 0]}
    for changed in (
        small | weights,
        small | {"init": "noise", "seed": 5},
        small | {"steps": 13},
        adam | {"learning_rate": 0.01},
        adam | {"learning_rate": None},
    ):
        stylize(content, style, network=network, **changed)
    stylize(content[::-1], 1 - style, network=network, **small)
    stylize(content, style, network=other, **small)
    assert compilations == []
    stylize(content, style, network=network, **small | {"pooling": "max"})
    assert len(compilations) > 0


def test_the_check_before_a_run_traces_what_the_run_needs(arrays, small, network, monkeypatch):
    traced = []

    def describe(network, content, layout):
        traced.append(content.shape[0])
        return describe_content(network, content, layout)

    monkeypatch.setattr(problems, "_describe_content", jax.jit(describe, static_argnums=2))
    options = small | {"size": 128, "levels": 2, "style_layers": "relu2_2"}  # is for Winograd
    run = stylize_steps(*arrays, network=network, **options)
    assert sorted(traced) == [64, 128]
    assert next(run).steps == 0
    assert [result.steps for result in run][-1] == 6
    assert len(traced) == 2


def test_the_contents_alpha_comes_back(arrays, small, network, tmp_path):
    alpha = np.zeros((32, 24), np.uint8)
    alpha[:, 6:] = 255
    alpha[9, 9] = 100
    pixels = np.rint(arrays[0] * 255).astype(np.uint8)
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "in.png")
    result = stylize(tmp_path / "in.png", arrays[1], network=network, **small)
    result.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as file:
        assert file.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(file)[..., 3], alpha)
    half = stylize(tmp_path / "in.png", arrays[1], network=network, **small | {"size": 16})
    assert half.alpha.shape == half.image.shape[:2] == (16, 12)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_results_in_other_formats(arrays, small, network, tmp_path, suffix):
    result = stylize(*arrays, network=network, **small)
    result.save(tmp_path / f"a{suffix}")
    assert jnst.load_recipe(tmp_path / f"a{suffix}") == json.loads(json.dumps(result.recipe()))
    tolerance = 0.3 if suffix == ".jpg" else 0.5 / 255 + 1e-6
    np.testing.assert_allclose(
        jnst.load_image(tmp_path / f"a{suffix}"), result.image, atol=tolerance
    )


def test_divergence_keeps_the_last_finite_picture(arrays, small, network):
    options = small | {"optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(DivergedError, match="not finite at step 1; a smaller learning") as caught:
        stylize(*arrays, network=network, **options)
    assert caught.value.step == caught.value.result.diverged == 1
    np.testing.assert_array_equal(caught.value.image, arrays[0])
    np.testing.assert_array_equal(caught.value.result.image, arrays[0])
    recipe = plain(caught.value.result.recipe())
    assert (recipe["diverged"], recipe["steps"]) == (1, 5)
    assert recipe["losses"]["total"] == caught.value.result.history.loss[0]


def test_divergence_at_the_start_keeps_the_start(arrays, small, network):
    huge = network.replace(params=jax.tree.map(lambda leaf: leaf * 1e15, network.params))
    with pytest.raises(DivergedError, match="not finite at step 0") as caught:
        stylize(*arrays, network=huge, **small)
    np.testing.assert_array_equal(caught.value.image, arrays[0])
    recipe = plain(caught.value.result.recipe())
    assert (recipe["diverged"], recipe["losses"]["total"]) == (0, None)


GRAY = np.full((32, 32, 3), 0.5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"style": GRAY[..., :2]}, r"style is float64 of shape \(32, 32, 2\)"),
        ({"style": GRAY[None, None]}, "style is float64 of shape"),
        ({"content": None}, "content is None; a path, a PIL image, or an array is accepted"),
        ({"style": None}, "style is None; a path, a PIL image, or an array is accepted"),
        ({"style": [GRAY, GRAY - 0.6]}, "style 2 has values from -0.1 to -0.1; floats in"),
        ({"content": GRAY[:5, :9]}, "content: 5 x 9 pixels; the layers need at least 16 x 16"),
        ({"style": GRAY[:, :5]}, "style: 32 x 5 pixels; the layers need at least 16 x 16"),
        ({"style": GRAY[:0]}, r"style is empty: its shape is \(0, 32, 3\)"),
        ({"start": GRAY * 255}, "start has values from 127.5 to 127.5; floats in"),
        ({"previous": GRAY}, "previous is a pair"),
        ({"previous": (GRAY * 2.5, GRAY)}, "previous has values from 1.25 to 1.25"),
        ({"previous": (GRAY, GRAY * 2.5)}, "the mask of previous has values from 1.25"),
        ({"previous": (GRAY[:20], GRAY)}, "previous is 20 x 32 pixels, its picture 512 x 512"),
        ({"previous": (GRAY, GRAY[:20])}, "the mask of previous is 20 x 32 pixels"),
        ({"size": 12}, "size 12 makes .* small: 12 x 12 pixels; the layers need at least 16 x 16"),
        ({"size": -1}, "size is -1"),
        ({"config": {"size": 64}}, "config is of type dict; a jnst.Config is accepted"),
        ({"sise": 64}, "unknown option 'sise'; did you mean 'size'. known: network, size, "),
        ({"learning_rate": 1.0}, "lbfgs takes none, adam and sgd do"),
    ],
)
def test_refusals_come_before_the_first_step(network, changed, message):
    options = {"content": GRAY, "style": GRAY, "network": network} | changed
    with pytest.raises(ValueError, match=message):
        stylize_steps(**options)


def test_refused_files(network, tmp_path):
    with pytest.raises(ImageError, match="no\\.png: there is no such file"):
        stylize_steps(tmp_path / "no.png", GRAY, network=network)
    with pytest.raises(ImageError, match="no\\.png: there is no such file"):
        stylize_steps(GRAY, GRAY, network=network, init=tmp_path / "no.png")
    with pytest.raises(
        NetworkError, match=r"no such network; did you mean 'imagenet'\? networks are embedded, "
    ):
        stylize_steps(GRAY, GRAY, network="imagnet")


def run(network, arrays, small, **options):
    content, style = arrays
    return stylize(content, options.pop("style", style), network=network, **(small | options))


def test_several_styles(network, arrays, small):
    other = np.ascontiguousarray(arrays[1][::-1] ** 2)
    alone = run(network, arrays, small)
    both = run(network, arrays, small, style=[arrays[1], other], style_blend=(1, 0))
    np.testing.assert_array_equal(both.image, alone.image)
    half = run(network, arrays, small, style=[arrays[1], other])
    assert (half.image != alone.image).any()
    assert len(half.styles) == 2


def test_regions(network, arrays, small):
    content = arrays[0]
    top = np.zeros(content.shape[:2], np.float32)
    top[:16] = 1
    result = run(network, arrays, small, content_masks=[top], init="noise")
    np.testing.assert_allclose(result.image[18:], content[18:], atol=1e-3)
    assert np.abs(result.image[:14] - content[:14]).max() > 0.1
    ones = run(network, arrays, small, content_masks=[np.ones_like(top)])
    np.testing.assert_allclose(ones.image, run(network, arrays, small).image, atol=2 / 255)


def test_colors_of_the_content(network, arrays, small):
    content = arrays[0]
    iq = np.array([[0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
    for color in ("luminance", "recombine"):
        image = run(network, arrays, small, color=color).image
        assert np.abs((image - content) @ iq.T).max() <= 1 / 255
        assert np.abs(image - content).max() > 0.02
    for color in ("cholesky", "pca", "symmetric", "histogram"):
        image = run(network, arrays, small, color=color).image
        assert np.isfinite(image).all()


def test_texture_and_reconstruction(vgg19, arrays, small):
    content, style = arrays
    small = {key: value for key, value in small.items() if key != "content_layers"}
    made = texture(style, shape=(30, 40), network=vgg19, **(small | {"size": 40}))
    assert made.image.shape == (30, 40, 3)
    assert made.config.content_layers == () and made.history.terms.content == {}
    assert texture(style, network=vgg19, **small).image.shape == (25, 32, 3)
    small = {key: value for key, value in small.items() if key != "style_layers"}
    options = small | {"content_layers": ("relu1_1",), "steps": 40, "tv_weight": 0, "margin": 0}
    again = reconstruct(content, network=vgg19, **options)
    assert again.config.style_layers == ()
    assert np.abs(again.image - content).mean() < 0.1


def test_a_start_belongs_to_the_function(network, arrays, small):
    """With the settings of a config as with those of its own."""
    content, style = arrays
    colors = {"init": "colors", "content_layers": ()}
    noise = {"init": "noise", "style_layers": ()}
    for steps, needed in (
        (lambda **options: stylize_steps(content, style, **options), {"init": "content"}),
        (lambda **options: texture_steps(style, **options), colors),
        (lambda **options: reconstruct_steps(content, **options), noise),
    ):
        config = jnst.Config(**small)
        own = next(steps(network=network, config=config))
        assert own.config == config.replace(**needed)
        given = next(steps(network=network, config=config, init="gray"))
        assert (given.image == 0.5).all()
        preset = next(steps(network=network, config=jnst.preset("johnson2015", size=32)))
        assert (preset.image == preset.image[0, 0]).all() and preset.config.init == "mean"
        again = next(steps(network=network, config=jnst.Config(**own.recipe()["config"])))
        np.testing.assert_array_equal(again.image, own.image)


def test_what_a_half_does_not_have(network, arrays, small):
    """Weights and losses of layers that a function leaves out do not stand in its way."""
    content, style = arrays
    config = jnst.Config(
        **small, content_layer_weights=[2], style_layer_weights=[1, 3],
        style_loss=("gram", "wasserstein"),
    )  # fmt: skip
    made = next(texture_steps(style, config=config, network=network))
    assert made.config.style_layer_weights == (1, 3) and not made.config.content_layer_weights
    made = next(reconstruct_steps(content, config=config, network=network))
    assert made.config.content_layer_weights == (2,) and not made.config.style_layer_weights
    for lacking in ({"init": "content"}, {"init_content": 0.5}, {"laplacian_weight": 1}):
        with pytest.raises(ValueError, match="texture has no content; init 'content'"):
            texture(style, network=network, **small | lacking)
    with pytest.raises(ValueError, match=r"init is .colors., and there is no style"):
        reconstruct(content, network=network, init="colors")
    with pytest.raises(ValueError, match="there is no style; a texture is like one"):
        texture([], network=network)


def test_the_shape_of_a_texture(network, arrays, small):
    options = {"network": network, "config": jnst.Config(**small)}
    style = (each for each in [arrays[1], arrays[0]])
    first = next(texture_steps(style, shape=np.array([40, 50]), **options))
    assert first.image.shape == (40, 50, 3) and first.config.size == 50
    assert first.styles == ["", ""]
    with pytest.raises(ValueError, match=r"a side of shape is 4\.5; a whole number"):
        texture(arrays[1], shape=(4.5, 9), **options)
    with pytest.raises(ValueError, match="shape is 40; a list"):
        texture(arrays[1], shape=40, **options)
    with pytest.raises(ValueError, match="shape has 3 sides; a height and a width are accepted"):
        texture(arrays[1], shape=(40, 50, 3), **options)


def test_every_setting_runs(network, arrays, small):
    for options in (
        {"optimizer": "adam", "pixels": "projected", "averaging": 0.9, "variation": "nine_point"},
        {"pixels": "sigmoid", "style_loss": "mean_variance", "variation": "l1"},
        {"optimizer": "sgd", "normalize_gradients": True, "learning_rate_decay": 0.9},
        {"laplacian_weight": 2, "style_scale": 0.8, "init": "gaussian", "init_content": 0.5},
        {"style_loss": ("gram", "wasserstein"), "convention": "code", "style_weight": 1},
    ):
        result = run(network, arrays, small, **options)
        assert np.isfinite(result.history.loss).all()
        assert result.image.min() >= 0 and result.image.max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": []}, "there is no style; without one, style_layers must be empty"),
        ({"style_blend": (1, 2)}, "style_blend has 2 entries; expected 1"),
        ({"style_masks": [None, None]}, "style_masks has 2 entries; expected 1"),
        ({"content_masks": np.full((9, 9), 2.0)}, "content_mask has values from 2 to 2"),
        ({"content_masks": [np.ones((8, 6))] * 2}, "content_masks has 2 entries; expected 1"),
        ({"content_masks": [np.ones((9, 9))]}, "content_mask is 9 x 9 pixels, its picture 32 x 24"),
        ({"style_masks": [np.ones((8, 6))]}, "style_mask is 8 x 6 pixels, its picture 28 x 36"),
        (
            {"content_masks": [np.ones((8, 6))], "style_blend": (1,)},
            "style_blend and content_masks: with masks a style is alone",
        ),
        ({"content_masks": [np.zeros((8, 6))]}, "content_mask is 0 everywhere"),
        (
            {"style_loss": "contextual", "content_masks": [np.ones((8, 6))]},
            "contextual takes no masks",
        ),
        ({"laplacian_weight": 1, "laplacian_pool": 40}, "at least 120 x 120 pixels"),
        ({"temporal_weight": 1}, "temporal_weight is given without a previous frame"),
    ],
)
def test_refused_combinations(network, arrays, small, options, message):
    """Before the first step, whichever level would have failed."""
    with pytest.raises(ValueError, match=message):
        options = {"style": arrays[1]} | small | {"size": 64, "levels": 2} | options
        stylize_steps(arrays[0], options.pop("style"), network=network, **options)


def test_textures_have_no_other_colors(network, arrays, small):
    with pytest.raises(ValueError, match="texture has no two pictures whose colors"):
        texture(arrays[1], network=network, color="luminance")
    config = jnst.Config(**small | {"init": "gray", "steps": 0})
    assert (
        texture(jax.numpy.asarray(arrays[1]), network=network, config=config).image == 0.5
    ).all()


def test_a_run_takes_the_preset_of_its_network(arrays, small, network, tmp_path):
    trained = network.replace(preset="trained")
    jnst.write_network(tmp_path / "trained.h5", trained)
    expected = jnst.preset("trained", **small | {"steps": 0}, init="content")
    assert expected.style_loss == ("balanced_gram",)
    for given in (trained, tmp_path / "trained.h5"):
        options = {**small, "network": given, "steps": 0}
        assert stylize(*arrays, **options).config == expected
        assert jnst.stylize_batch(*arrays, **options)[0].config == expected
        assert texture(arrays[1], **options | {"content_layers": ()}).config.tv_weight == 0.5
        [frame] = jnst.stylize_frames([arrays[0]], arrays[1], **options)
        assert frame.config.tv_weight == 0.5
        made = stylize(*arrays, config=jnst.Config(), **options)
        assert made.config == jnst.Config(**small | {"steps": 0}, init="content")
        # What it says of the style is for pictures that have one.
        assert reconstruct(arrays[0], **options | {"style_layers": ()}).config.tv_weight == 0.05
