"""What the objective is told: styles, masks, losses, weights; on a small image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst import losses
from jnst.networks.vgg import extract_features
from jnst.objective.problem import Problem
from jnst.objective.style_losses import STYLE_LOSSES
from jnst.objective.targets import Style
from jnst.objective.targets import make_targets as targets_of
from jnst.objective.total import hold_fixed, total_loss, unit_gradient
from jnst.optimizers.loop import _run_chunk, run
from jnst.optimizers.named import named_optimizer
from jnst.optimizers.state import init
from jnst.runs.opening import open_job
from jnst.settings.config import Config

LAYERS = ("relu1_1", "relu3_1")
MASKABLE = [name for name in STYLE_LOSSES if name != "contextual"]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    shapes = ((48, 32), (40, 56), (36, 36), (48, 32))
    return [rng.random((*shape, 3), np.float32) for shape in shapes]


def settings(**changed):
    return Config(
        **({"content_layers": ("relu2_1",), "style_layers": LAYERS, "margin": 4} | changed)
    )


compiled_targets = jax.jit(targets_of, static_argnums=3)
compiled_loss = jax.jit(jax.value_and_grad(total_loss, 1, has_aux=True))


def make_targets(network, content, style, config, **options):
    return compiled_targets(network, content, style, config.layout(), **options)


def evaluate(network, targets, image, config):
    margin = config.margin
    canvas = jnp.pad(jnp.asarray(image), ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    return compiled_loss(network, canvas, targets, config.weights())


def same(first, second, rtol):
    (total, terms), gradient = first
    (other, other_terms), other_gradient = second
    np.testing.assert_allclose(total, other, rtol=rtol)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), terms, other_terms)
    scale = np.abs(other_gradient).max()
    np.testing.assert_allclose(gradient, other_gradient, atol=max(rtol, 1e-9) * scale)


@pytest.mark.parametrize(
    ("loss", "propagation"), [*((name, "simple") for name in MASKABLE), ("gram", "inside")]
)
def test_a_mask_of_ones_is_no_mask(vgg19, images, loss, propagation):
    """Propagated it is a mask of ones, whatever the loss: test_regions.py shows it of each way."""
    content, style, _, image = images
    config = settings(style_loss=loss, mask_propagation=propagation)
    ones = [jnp.ones(x.shape[:2]) for x in (content, style)]
    plain = make_targets(vgg19, content, style, config)
    masked = make_targets(vgg19, content, Style(style, mask=ones[1]), config, regions=ones[0][None])
    same(evaluate(vgg19, masked, image, config), evaluate(vgg19, plain, image, config), 1e-5)


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_weights_of_one_and_nothing_are_one_style(network, images, loss):
    content, style, other, image = images
    config = settings(style_loss=loss)
    alone = make_targets(network, content, style, config)
    two = make_targets(network, content, [Style(style, 1.0), Style(other, 0.0)], config)
    exact = 0 if STYLE_LOSSES[loss].mix else 2e-7  # two distances, of which one counts for nothing
    same(evaluate(network, two, image, config), evaluate(network, alone, image, config), exact)


def test_blended_gram_matrices_are_the_mean(network, images):
    content, style, other, _ = images
    config = settings(margin=0)
    targets = make_targets(network, content, [Style(style, 3.0), Style(other, 1.0)], config)
    for layer in LAYERS:
        grams = [
            losses.gram_matrix(extract_features(network, jnp.asarray(x), [layer])[layer])
            for x in (style, other)
        ]
        (target,) = targets.style[layer]
        np.testing.assert_allclose(target.statistic, 0.75 * grams[0] + 0.25 * grams[1], rtol=1e-5)


def test_guided_gram_matrices(network, images):
    """Two regions, each with its own style: by the formula of Gatys et al. 2017."""
    content, style, other, image = images
    config = settings(margin=0, style_layers=("relu2_1",))
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :12] = 1
    regions = jnp.stack([left, 1 - left])
    styles = [Style(style, region=0), Style(other, region=1)]
    targets = make_targets(network, content, styles, config, regions=regions)
    _, terms = total_loss(network, jnp.asarray(image), targets, config.weights())

    def gram(picture, mask=None):
        maps = extract_features(network, jnp.asarray(picture), ["relu2_1"])["relu2_1"]
        maps = np.asarray(maps, np.float64)
        guide = np.ones(maps.shape[:2]) if mask is None else mask.reshape(24, 2, 16, 2).mean((1, 3))
        guide = guide / np.sqrt((guide**2).sum())
        guided = (guide[..., None] * maps).reshape(-1, maps.shape[-1])
        return guided.T @ guided

    expected = 0
    for mask, picture in ((left, style), (1 - left, other)):
        target = gram(picture)
        loss = ((gram(image, mask) - target) ** 2).mean() / (target**2).mean()
        expected += mask.mean() * loss
    np.testing.assert_allclose(terms.style["relu2_1"], expected, rtol=1e-4)


def test_a_region_without_style_keeps_its_content(network, images):
    content, style, _, image = images
    config = settings()
    mask = np.zeros(content.shape[:2], np.float32)
    mask[:20] = 1
    targets = make_targets(network, content, style, config, regions=mask[None])
    (_, _), gradient = evaluate(network, targets, image, config)
    inside = gradient[4:-4, 4:-4]
    assert (inside[20:] == 0).all()
    assert (inside[:20] != 0).any()
    canvas = jnp.pad(image, ((4, 4), (4, 4), (0, 0)), "symmetric")
    kept = hold_fixed(canvas, targets)[4:-4, 4:-4]
    np.testing.assert_array_equal(kept[20:], content[20:])
    np.testing.assert_array_equal(kept[:20], image[:20])


@pytest.mark.parametrize("loss", [name for name in STYLE_LOSSES if name != "contextual"])
def test_relative_losses_are_1_for_features_of_zeros(network, images, loss):
    content, style, *_ = images
    config = settings(style_loss=loss, margin=0)
    targets = make_targets(network, content, style, config)
    distance = jax.jit(STYLE_LOSSES[loss], static_argnums=3)
    shapes = jax.eval_shape(lambda image: extract_features(network, image, LAYERS), content)
    for layer in LAYERS:
        for target in targets.style[layer]:
            zeros = jnp.zeros(shapes[layer].shape)
            value = distance(zeros, None, target.statistic, "relative")
            np.testing.assert_allclose(value / target.scale, 1, rtol=0.02)


def test_one_layer_may_have_several_losses(network, images):
    content, style, _, image = images
    config = settings(
        style_layers=("relu1_1", "relu2_1", "relu1_1"), style_loss=("gram", "gram", "histogram")
    )
    targets = make_targets(network, content, style, config)
    (_, terms), _ = evaluate(network, targets, image, config)
    assert set(terms.style) == {"relu1_1/gram", "relu2_1", "relu1_1/histogram"}


def test_laplacian(network, images):
    content, style, _, image = images
    config = settings(laplacian_weight=3, margin=0)
    targets = make_targets(network, content, style, config)
    (total, terms), _ = evaluate(network, targets, image, config)
    expected = losses.laplacian_loss(jnp.asarray(image), jnp.asarray(content))
    np.testing.assert_allclose(terms.laplacian, expected, rtol=1e-5)
    without = settings(margin=0)
    targets = make_targets(network, content, style, without)
    (other, terms), _ = evaluate(network, targets, image, without)
    assert terms.laplacian is None
    np.testing.assert_allclose(total - other, 3 * expected, rtol=1e-4)


@pytest.mark.parametrize("missing", ["content_layers", "style_layers"])
def test_one_half_alone(network, images, missing):
    content, style, _, image = images
    config = settings(**{missing: ()})
    styles = () if missing == "style_layers" else style
    targets = make_targets(network, content, styles, config)
    (total, terms), gradient = evaluate(network, targets, image, config)
    assert (terms.content if missing == "content_layers" else terms.style) == {}
    assert total > 0 and np.isfinite(gradient).all()


def test_gradients_of_unit_length():
    features = jnp.arange(6.0).reshape(1, 2, 3)

    def loss(x, weight):
        return weight * (unit_gradient(x, weight) ** 3).sum()

    for weight in (0.5, 4.0):
        gradient = jax.grad(loss)(features, weight)
        np.testing.assert_allclose(jnp.abs(gradient).sum(), weight, rtol=1e-5)
        np.testing.assert_allclose(gradient / weight, features**2 / (features**2).sum(), rtol=1e-5)
    assert (jax.grad(loss)(jnp.zeros((1, 2, 3)), 2.0) == 0).all()


def test_normalized_gradients_pull_as_their_weights_say(network, images):
    content, style, _, image = images
    gradients = {}
    for weight in (1.0, 5.0):
        config = settings(
            normalize_gradients=True, optimizer="adam", content_layers=(),
            style_layers=("relu1_1",), style_weight=weight, tv_weight=0, margin=0,
        )  # fmt: skip
        targets = make_targets(network, content, style, config)
        gradients[weight] = evaluate(network, targets, image, config)[1]
    np.testing.assert_allclose(gradients[5.0], 5 * gradients[1.0], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("styles", "regions", "message"),
    [
        ([Style(np.ones((32, 32, 3), np.float32), region=1)], None, "for region 1; there are 1"),
        (
            [Style(np.ones((32, 32, 3), np.float32), mask=np.ones((9, 9), np.float32))],
            None,
            r"mask has shape \(9, 9\); its image has \(32, 32\)",
        ),
    ],
)
def test_refusals(network, images, styles, regions, message):
    with pytest.raises(ValueError, match=message):
        make_targets(network, images[0], styles, settings(), regions=regions)


def test_contextual_says_what_it_cannot(network, images):
    content, style, *_ = images
    config = settings(style_loss="contextual")
    with pytest.raises(ValueError, match="contextual takes no masks"):
        make_targets(network, content, style, config, regions=np.ones((1, 48, 32), np.float32))


def test_no_weight_recompiles(network, images):
    """Of terms, layers, styles and masks; and the pictures themselves."""
    content, style, other, image = images
    jitted = jax.jit(targets_of, static_argnums=3)
    optimizer = named_optimizer("adam")
    caches = []
    for number in range(1, 4):
        config = settings(
            optimizer="adam",
            content_weight=number,
            style_weight=number,
            tv_weight=number,
            laplacian_weight=number,
            style_layer_weights=(number, 1),
            learning_rate=0.01 * number,
            averaging=0.1 * number,
            style_blend=(number, 1),
        )
        styles = (Style(style, jnp.float32(number)), Style(other / number, jnp.float32(1)))
        mask = np.full((1, 48, 32), 1 / number, np.float32)
        targets = jitted(network, content / number, styles, config.layout(), regions=mask)
        begin = init(
            optimizer, jnp.pad(image, ((4, 4), (4, 4), (0, 0))), learning_rate=config.learning_rate,
            averaging=config.averaging,
        )  # fmt: skip
        list(run(optimizer, begin, Problem(network, targets, config.weights()), steps=5))
        caches.append((jitted._cache_size(), _run_chunk._cache_size()))
    assert caches[0] == caches[1] == caches[2]


@pytest.mark.parametrize("loss", MASKABLE)
def test_a_mask_that_vanishes_at_a_layer_counts_for_nothing(network, images, loss):
    """A small region has no position at a deep layer that sees nothing else."""
    content, style, other, image = images
    config = settings(style_loss=loss, mask_propagation="inside", margin=0)
    dot = np.zeros(style.shape[:2], np.float32)
    dot[20:23, 20:23] = 1
    styles = [Style(style, mask=dot), Style(other)]
    both = make_targets(network, content, styles, config)
    alone = make_targets(network, content, other, config)
    (_, terms), gradient = evaluate(network, both, image, config)
    (_, expected), _ = evaluate(network, alone, image, config)
    np.testing.assert_allclose(terms.style["relu3_1"], expected.style["relu3_1"], rtol=1e-4)
    assert np.isfinite(gradient).all()
    nothing = make_targets(network, content, [styles[0]], config)
    (_, terms), _ = evaluate(network, nothing, image, config)
    assert terms.style["relu3_1"] == 0


def test_patches_of_maps_that_are_too_small_for_one(network, images):
    content, _, _, image = images
    config = settings(style_loss="patches", style_layers=("relu5_1",), margin=0)
    for shape in ((16, 32), (32, 40)):
        style = images[1][: shape[0], : shape[1]]
        targets = make_targets(network, content, style, config)
        (total, _), gradient = evaluate(network, targets, image, config)
        assert np.isfinite(total) and np.isfinite(gradient).all()


@pytest.mark.parametrize("variation", ["l2", "l1", "nine_point"])
def test_variation_is_in_units_of_the_styles(network, images, variation):
    _, style, *_ = images
    style = np.ascontiguousarray(np.broadcast_to(style[:32, :32], (32, 32, 3)))
    config = settings(variation=variation, margin=0)
    targets = make_targets(network, style, style, config)
    (_, terms), _ = evaluate(network, targets, style, config)
    np.testing.assert_allclose(terms.total_variation, 1, rtol=1e-5)


def test_a_style_is_matched_to_the_colors_of_its_region():
    rng = np.random.default_rng(0)
    left = np.zeros((40, 48), np.float32)
    left[:, :24] = 1
    content = 0.3 + 0.1 * rng.random((40, 48, 3), np.float32)
    content[:, 24:] += np.float32([0.3, 0.2, 0.1])
    styles = list(0.4 + 0.2 * rng.random((2, 40, 48, 3), np.float32))
    config = settings(color="symmetric", size=48)
    job = open_job(content, styles, config, content_masks=[left, 1 - left])
    for style, part in zip(job.styles, (content[:, :24], content[:, 24:]), strict=True):
        np.testing.assert_allclose(style.mean((0, 1)), part.mean((0, 1)), atol=2e-3)
        deviations = [np.sqrt(image.var((0, 1))) for image in (style, part)]
        np.testing.assert_allclose(*deviations, rtol=0.02)
