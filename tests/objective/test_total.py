import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.networks.layers import VGG19
from jnst.networks.preparation import prepare_network
from jnst.networks.vgg import extract_features
from jnst.objective.margin import add_margin, remove_margin
from jnst.objective.targets import make_targets
from jnst.objective.total import hold_fixed, total_loss
from jnst.settings.config import Config
from jnst.settings.terms import Terms
from support.golden import FILES, reference, reference_network

CASES = [
    *((file, pooling, False) for file in FILES for pooling in ("average", "max")),
    (FILES[1], "average", True),
]
"""The last says whether the network is prepared: see test_winograd.py for each convolution."""

CONVENTIONS = ("paper", "code")


def channels(layer):
    return VGG19.convolutions[f"conv{layer[4:]}"][-1]


def settings_of(file, pooling, convention):
    numbers = reference(file)
    style_layers = tuple(str(name) for name in numbers["style_layers"])
    layer_weights = {
        "paper": [1e3 / len(style_layers) for _ in style_layers],
        "code": [1e3 / channels(name) ** 2 for name in style_layers],
    }
    return Config(
        content_layers=(str(numbers["content_layer"]),),
        style_layers=style_layers,
        style_weight=1,
        style_layer_weights=layer_weights[convention],
        tv_weight=0,
        pooling=pooling,
        convention=convention,
        margin=0,
    )


def evaluate(file, pooling, prepared, dtype):
    """By convention the total, the terms and the image gradient of the reference's objective."""
    numbers = reference(file)
    pictures = [jnp.asarray(numbers[name], dtype) for name in ("content", "style", "image")]
    network = jax.tree.map(lambda leaf: leaf.astype(dtype), reference_network(file))
    configs = {name: settings_of(file, pooling, name) for name in CONVENTIONS}
    if prepared:
        network = prepare_network(network, configs["paper"].layers())

    @jax.jit
    def all_of(network, content, style, image):
        found = {}
        for name, config in configs.items():
            targets = make_targets(network, content, style, config)
            (total, terms), gradient = jax.value_and_grad(total_loss, 1, has_aux=True)(
                network, image, targets, config.weights()
            )
            found[name] = total, terms, gradient
        return found

    return all_of(network, *pictures)


def check_losses(file, pooling, convention, total, terms, rtol):
    numbers, key = reference(file), f"{pooling}/{convention}"
    for name, value in terms.style.items():
        np.testing.assert_allclose(value, numbers[f"{key}/style/{name}"], rtol=rtol)
    np.testing.assert_allclose(*terms.content.values(), numbers[f"{key}/content"], rtol=rtol)
    expected = {"paper": "total_alpha1_beta1e3", "code": "total"}[convention]
    np.testing.assert_allclose(total, numbers[f"{key}/{expected}"], rtol=rtol)


def gradient_error(file, pooling, convention, gradient):
    expected = reference(file)[f"{pooling}/{convention}/gradient"]
    return np.linalg.norm(gradient - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(("file", "pooling", "prepared"), CASES)
def test_float64_equals_the_reference(file, pooling, prepared):
    with jax.enable_x64(True):
        found = evaluate(file, pooling, prepared, jnp.float64)
        for convention, (total, terms, gradient) in found.items():
            check_losses(file, pooling, convention, total, terms, rtol=1e-6)
            assert gradient_error(file, pooling, convention, gradient) <= 1e-6


@pytest.mark.parametrize(("file", "pooling", "prepared"), CASES)
def test_float32_equals_the_reference(file, pooling, prepared):
    found = evaluate(file, pooling, prepared, jnp.float32)
    for convention, (total, terms, gradient) in found.items():
        check_losses(file, pooling, convention, total, terms, rtol=1e-4)
        error = gradient_error(file, pooling, convention, gradient)
        # A unit within float32 rounding of zero may pass its ReLU in one precision and not in the
        # other, which turns its gradient on or off: conv2_2[14, 18, 84] is 5e-7 in vgg19_relu, max.
        assert error <= 1e-3 or (
            error <= 2e-2 and not same_units_are_active(file, pooling, prepared)
        )


def test_bfloat16_features_leave_the_loss_and_the_gradient(vgg19):
    """As the docstring of extract_features says, with some room."""
    images = np.random.default_rng(0).random((3, 48, 64, 3), np.float32)
    evaluated = {}
    for precision in ("float32", "bfloat16"):
        config = Config(margin=0, precision=precision)
        targets = jax.jit(make_targets, static_argnums=3)(vgg19, *images[:2], config)

        @jax.jit
        def loss(image, network, targets, config=config):
            return total_loss(network, image, targets, config.weights())[0]

        evaluated[precision] = jax.value_and_grad(loss)(images[2], vgg19, targets)
    (value, gradient), (rough_value, rough_gradient) = evaluated.values()
    assert rough_gradient.dtype == np.float32
    assert 0 < abs(rough_value - value) < 1e-2 * value
    assert np.linalg.norm(rough_gradient - gradient) < 0.15 * np.linalg.norm(gradient)


def same_units_are_active(file, pooling, prepared):
    layers = [name for name in VGG19.convolutions if name <= "conv5_1"]

    def active(dtype, prepared):
        network = jax.tree.map(lambda leaf: leaf.astype(dtype), reference_network(file))
        image = jnp.asarray(reference(file)["image"], dtype)
        if prepared:
            network = prepare_network(network, layers)
        features = extract_features(network, image, layers, pooling=pooling)
        return {name: np.asarray(maps > 0) for name, maps in features.items()}

    single = active(jnp.float32, prepared)
    with jax.enable_x64(True):
        double = active(jnp.float64, prepared=False)
    return all((single[name] == double[name]).all() for name in layers)


def test_total_is_the_weighted_sum_of_terms(network):
    images = np.random.default_rng(0).random((3, 16, 20, 3), np.float32)
    config = Config(
        content_layers=("relu2_1", "relu3_1"),
        style_layers=("relu1_1", "relu2_1"),
        content_weight=3,
        content_layer_weights=(0.5, 2),
        style_weight=7,
        tv_weight=11,
        margin=0,
    )
    weights = config.weights()
    assert jax.tree.map(float, weights) == Terms(
        {"relu2_1": 1.5, "relu3_1": 6.0}, {"relu1_1": 3.5, "relu2_1": 3.5}, None, None, 11.0
    )
    targets = make_targets(network, images[0], images[1], config)
    total, terms = total_loss(network, images[2], targets, weights)
    products = jax.tree.map(lambda weight, term: float(weight) * float(term), weights, terms)
    np.testing.assert_allclose(total, sum(jax.tree.leaves(products)), rtol=1e-6)


def test_a_perfect_match_costs_nothing_and_the_style_may_have_any_size(network):
    image = np.random.default_rng(0).random((20, 24, 3), np.float32)
    config = Config(content_layers=("relu2_1",), style_layers=("relu1_1",), margin=0)
    targets = make_targets(network, image, image, config)
    _, terms = total_loss(network, image, targets, config.weights())
    assert max(*terms.content.values(), *terms.style.values()) < 1e-10
    small = make_targets(network, image, image[:9, :7], config)
    assert jax.tree.map(jnp.shape, small.style) == jax.tree.map(jnp.shape, targets.style)


def test_vmap_over_images_targets_and_weights(network):
    images = np.random.default_rng(0).random((4, 16, 20, 3), np.float32)
    config = Config(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), margin=0)
    targets = [make_targets(network, images[0], images[1 + k], config) for k in range(2)]
    weights = [config.weights(), config.replace(style_weight=3).weights()]

    def gradient(image, targets, weights):
        return jax.grad(lambda image: total_loss(network, image, targets, weights)[0])(image)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *zip(targets, weights, strict=True))
    together = jax.jit(jax.vmap(gradient))(images[2:], *stacked)
    gradient = jax.jit(gradient)
    for k in range(2):
        apart = gradient(images[2 + k], targets[k], weights[k])
        np.testing.assert_allclose(together[k], apart, rtol=1e-3, atol=1e-6)


def test_grams_are_those_of_the_picture_inside_the_margin(network):
    content, style = np.random.default_rng(0).random((2, 32, 49, 3), np.float32)
    config = Config(style_layers=("relu1_1", "relu3_1"), margin=16)
    targets = make_targets(network, content, style, config)
    padded = np.pad(style, ((16, 16), (16, 16), (0, 0)), mode="symmetric")
    for name, stride in (("relu1_1", 1), ("relu3_1", 4)):
        maps = extract_features(network, padded, [name])[name]
        first = 16 // stride
        inside = maps[first : first + 32 // stride, first : first + 49 // stride]
        matrix = np.asarray(inside, np.float64).reshape(-1, inside.shape[-1])
        gram = matrix.T @ matrix / len(matrix)
        np.testing.assert_allclose(
            targets.style[name][0].statistic, gram, rtol=1e-3, atol=1e-4 * gram.max()
        )
    _, terms = total_loss(network, padded, targets, config.weights())
    assert max(terms.style.values()) < 1e-9
    with pytest.raises(ValueError, match="content is 7 x 49 pixels; relu4_2 needs at least 8 x 8"):
        make_targets(network, content[:7], style, config)


def test_total_variation_is_in_units_of_the_style_or_plain(network):
    content, style, image = np.random.default_rng(0).random((3, 16, 20, 3), np.float32)
    layers = {"content_layers": ("relu1_1",), "style_layers": ("relu1_1",), "margin": 0}

    def variation(picture):
        return sum((np.diff(picture, axis=axis) ** 2).mean() for axis in (0, 1))

    for convention, target, expected in (
        ("relative", style, variation(image) / variation(style)),
        ("relative", 0 * style, variation(image) / 1e-4),
        ("paper", style, variation(image)),
    ):
        config = Config(**layers, convention=convention)
        targets = make_targets(network, content, target, config)
        _, terms = total_loss(network, image, targets, config.weights())
        np.testing.assert_allclose(terms.total_variation, expected, rtol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("margin", [0, 4])
def test_without_a_weight_the_previous_frame_is_fixed(network, masked, margin):
    random = np.random.default_rng(0)
    content, style, image, previous = random.random((4, 32, 40, 3)).astype(np.float32)
    config = Config(content_layers=("relu2_1",), style_layers=("relu1_1",), margin=margin)
    where = np.zeros((32, 40), np.float32)
    where[:, :12], where[:, 12:16] = 1, 0.25
    regions = np.ones((1, 32, 40), np.float32)
    regions[:, :8] = 0  # where there is no style the content stands, before the previous frame
    given = {"regions": regions} if masked else {}
    targets = jax.jit(make_targets, static_argnums=3)(
        network, content, style, config, previous=(previous, where), **given
    )
    canvas = add_margin(jnp.asarray(image), margin)

    def loss(canvas):
        return total_loss(network, canvas, targets, config.weights())[0]

    gradient = remove_margin(jax.jit(jax.grad(loss))(canvas), margin)
    expected = where[..., None] * previous + (1 - where[..., None]) * image
    if masked:
        expected[:8] = content[:8]
    np.testing.assert_allclose(
        remove_margin(hold_fixed(canvas, targets), margin), expected, atol=1e-6
    )
    free = where < 1
    free[:8] &= not masked
    assert (gradient[~free] == 0).all()
    assert (gradient[free] != 0).any(-1).all()
