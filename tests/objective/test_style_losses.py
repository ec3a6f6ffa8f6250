"""Every style loss against plain float64 numpy, written from its paper."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
from jax.test_util import check_grads

from jnst import losses
from jnst.objective.style_losses import STYLE_LOSSES
from support.plain import flat, plain_moments, plain_nine_point, plain_wasserstein

SHAPES = [(5, 7, 3), (4, 4, 1), (9, 6, 8), (3, 5, 12)]


def maps(shape, seed=0, kind="noise"):
    rng = np.random.default_rng(seed)
    if kind == "constant":
        return np.full(shape, 0.7, np.float32)
    return np.maximum(rng.standard_normal(shape) + 0.5, 0).astype(np.float32)


def target_of(shape):
    """A style of another size."""
    return maps((shape[0] + 2, shape[1] + 1, shape[2]), seed=1)


def weights(shape, seed=2):
    mask = np.random.default_rng(seed).random(shape[:2]).astype(np.float32)
    mask[0, 0] = 0
    return mask / mask.sum()


def plain_mean_variance(a, b):
    (m, c), (n, d) = a, b
    return ((m - n) ** 2).mean() + ((np.diag(c) ** 0.5 - np.diag(d) ** 0.5) ** 2).mean()


def plain_gram_mean_deviation(a, b):
    (m, c), (n, d) = a, b
    grams = c + np.outer(m, m) - d - np.outer(n, n)
    return (grams**2).mean() + plain_mean_variance(a, b)


MOMENT_LOSSES = {
    losses.mean_variance_loss: plain_mean_variance,
    losses.covariance_loss: lambda a, b: ((a[1] - b[1]) ** 2).mean(),
    losses.gram_mean_deviation_loss: plain_gram_mean_deviation,
    losses.wasserstein_loss: plain_wasserstein,
}


@partial(jax.jit, static_argnums=0)
def of_moments(loss, features, w, style):
    """The loss and its gradient; compiled is as eager, as test_precision.py shows."""
    return jax.value_and_grad(lambda x: loss(losses.moments(x, w), losses.moments(style)))(features)


@pytest.mark.parametrize("loss", MOMENT_LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("kind", ["noise", "constant"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_losses_of_moments(loss, kind, weighted, shape):
    features, style = maps(shape, kind=kind), target_of(shape)
    w = weights(shape) if weighted else None
    given, gradient = of_moments(loss, features, w, style)
    expected = MOMENT_LOSSES[loss](plain_moments(features, w), plain_moments(style))
    np.testing.assert_allclose(given, expected, rtol=1e-4)
    assert np.isfinite(gradient).all()


def test_second_moment_is_the_gram_matrix():
    features = maps((9, 6, 8))
    second = losses.moments(features).second
    np.testing.assert_allclose(second, losses.gram_matrix(features), rtol=1e-5, atol=1e-6)


def test_guided_gram_matrix():
    """Gatys 2017: G = (T F)'(T F), with the mask's squares summing to 1."""
    features, mask = maps((9, 6, 8)), np.random.default_rng(0).random((9, 6))
    guide = mask / np.sqrt((mask**2).sum())
    guided = flat(guide[..., None] * features)
    second = losses.moments(features, jnp.asarray(guide**2)).second
    np.testing.assert_allclose(second, guided.T @ guided, rtol=1e-5, atol=1e-6)


def test_balanced_gram_with_weights():
    features, style, w = maps((9, 6, 8)), target_of((9, 6, 8)), weights((9, 6))
    (m, c), (n, d) = plain_moments(features, w), plain_moments(style)
    gram, target = c + np.outer(m, m), d + np.outer(n, n)
    strength = np.diag(target) + 0.01 * np.diag(target).mean()
    share = 1 / np.outer(strength, strength)
    loss = STYLE_LOSSES["balanced_gram"]
    given = loss(features, w, loss.describe(style, None), "relative")
    expected = (share * (gram - target) ** 2).sum() / (share * target**2).sum()
    np.testing.assert_allclose(given, expected, rtol=1e-4)


def test_mixtures():
    first, second = maps((6, 5, 4)), 2 * maps((3, 10, 4), seed=1)
    pooled = np.concatenate([first.reshape(1, -1, 4), second.reshape(1, -1, 4)], 1)
    parts = [losses.moments(first), losses.moments(second)]
    mixed = losses.mix_moments(parts, jnp.array([0.5, 0.5]))
    mean, covariance = plain_moments(pooled)
    np.testing.assert_allclose(mixed.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(mixed.covariance, covariance, rtol=1e-4, atol=1e-6)
    alone = losses.mix_moments(parts, jnp.array([1.0, 0.0]))
    jax.tree.map(np.testing.assert_array_equal, alone, parts[0])


def plain_sliced(features, style, directions):
    """Of styles with as many positions: sorted differences."""
    a, b = (np.sort(flat(x) @ np.asarray(directions, np.float64), 0) for x in (features, style))
    return ((a - b) ** 2).mean()


@pytest.mark.parametrize("shape", SHAPES)
def test_sliced_wasserstein(shape):
    features, style = maps(shape), maps(shape, seed=1)
    directions = losses.random_directions(jax.random.key(0), shape[2])
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, rtol=1e-5)
    target = losses.quantiles(style, directions)
    given = losses.sliced_wasserstein_loss(features, target, directions)
    np.testing.assert_allclose(given, plain_sliced(features, style, directions), rtol=1e-4)
    given = losses.histogram_loss(features, losses.quantiles(style))
    np.testing.assert_allclose(given, plain_sliced(features, style, np.eye(shape[2])), rtol=1e-4)


@pytest.mark.parametrize("count", [None, 7, 200])
def test_quantiles(count):
    features = maps((9, 6, 8))
    given = losses.quantiles(features, count=count)
    count = count or 54
    expected = np.quantile(flat(features), (np.arange(count) + 0.5) / count, 0, method="hazen")
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)


def test_weights_of_whole_numbers_are_repetitions():
    features, style = maps((2, 5, 3)), maps((4, 4, 3), seed=1)
    times = np.array([[1, 0, 2, 3, 1], [4, 1, 0, 2, 2]])
    repeated = np.repeat(flat(features), times.ravel(), 0).reshape(1, -1, 3)
    w = times / times.sum()
    given = losses.moments(features, jnp.asarray(w))
    mean, covariance = plain_moments(repeated)
    np.testing.assert_allclose(given.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(given.covariance, covariance, rtol=1e-4, atol=1e-6)
    # A repeated value stands at the middle of its share of the distribution.
    target = losses.quantiles(style)
    order = np.argsort(flat(features)[:, 0], kind="stable")
    values, shares = flat(features)[order, 0], w.ravel()[order]
    places = (np.cumsum(shares) - shares / 2) * 16 - 0.5
    wanted = np.interp(places, np.arange(16), np.asarray(target, np.float64)[:, 0])
    given = losses.histogram_loss(features[..., :1], target[:, :1], jnp.asarray(w))
    np.testing.assert_allclose(given, (shares * (values - wanted) ** 2).sum(), rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_weights_are_none(shape):
    features, style = maps(shape), target_of(shape)
    w = jnp.full(shape[:2], 1 / (shape[0] * shape[1]))
    directions = losses.random_directions(jax.random.key(1), shape[2], 5)
    target = losses.quantiles(style, directions)
    patches = losses.extract_patches(style)

    @jax.jit
    def each(x, w):
        return [
            jax.value_and_grad(loss)(x)
            for loss in (
                lambda x: losses.covariance_loss(losses.moments(x, w), losses.moments(style)),
                lambda x: losses.sliced_wasserstein_loss(x, target, directions, w),
                lambda x: losses.patch_loss(x, patches, w),
            )
        ]

    for weighted, plain in zip(each(features, w), each(features, None), strict=True):
        (given, gradient), (expected, expected_gradient) = weighted, plain
        np.testing.assert_allclose(given, expected, rtol=1e-5)
        scale = np.abs(expected_gradient).max()
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5 * scale + 1e-12)
    np.testing.assert_allclose(
        losses.quantiles(style, weights=jnp.full(style.shape[:2], 1 / style[..., 0].size), count=9),
        losses.quantiles(style, count=9),
        rtol=1e-4,
        atol=1e-5,
    )


def test_what_does_not_count_changes_no_quantile():
    features, w = maps((9, 6, 3)), np.zeros((9, 6), np.float32)
    w[2:5, 1:4] = 1 / 9
    changed = features.copy()
    changed[w == 0] = 1000
    np.testing.assert_array_equal(
        losses.quantiles(features, weights=w, count=50),
        losses.quantiles(changed, weights=w, count=50),
    )


def plain_patches(features):
    height, width, _ = features.shape
    features = np.asarray(features, np.float64)
    return [features[i : i + 3, j : j + 3] for i in range(height - 2) for j in range(width - 2)]


def plain_patch_loss(features, style):
    total = 0
    for patch in plain_patches(features):
        similar = [
            (patch * other).sum() / np.sqrt((patch**2).sum() * (other**2).sum())
            for other in plain_patches(style)
        ]
        total += ((patch - plain_patches(style)[int(np.argmax(similar))]) ** 2).mean()
    return total / len(plain_patches(features))


@pytest.mark.parametrize("shape", SHAPES)
def test_patches(shape):
    features, style = maps(shape), target_of(shape)
    given = losses.patch_loss(features, losses.extract_patches(style))
    np.testing.assert_allclose(given, plain_patch_loss(features, style), rtol=1e-4)


def test_patches_in_blocks_and_regions(monkeypatch):
    features, style = maps((9, 6, 8)), target_of((9, 6, 8))
    patches = losses.extract_patches(style)
    whole = losses.patch_loss(features, patches)
    monkeypatch.setattr(losses._patches, "BLOCK", 5)
    np.testing.assert_allclose(losses.patch_loss(features, patches), whole, rtol=1e-6)
    allowed = jnp.arange(len(patches)) < 4
    given = losses.patch_loss(features, patches, None, allowed)
    np.testing.assert_allclose(given, losses.patch_loss(features, patches[:4]), rtol=1e-6)
    top = np.zeros((9, 6), np.float32)
    top[:6] = 1 / 36  # the patches around rows 1 to 5
    given = losses.patch_loss(features, patches, top)
    np.testing.assert_allclose(given, losses.patch_loss(features[:7], patches), rtol=1e-5)


def plain_contextual(features, style, h=0.5, epsilon=1e-5):
    x, y = flat(features), flat(style)
    x, y = x - y.mean(0), y - y.mean(0)
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    d = 1 - x @ y.T
    w = np.exp((1 - d / (d.min(1, keepdims=True) + epsilon)) / h)
    return -np.log((w / w.sum(1, keepdims=True)).max(0).mean())


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[2] > 1])
def test_contextual(shape):
    features, style = maps(shape), target_of(shape)
    given = losses.contextual_loss(features, style)
    np.testing.assert_allclose(given, plain_contextual(features, style), rtol=1e-4)


@pytest.mark.parametrize("shape", [(13, 21, 3), (12, 16, 1)])
def test_laplacian(shape):
    image, target = maps(shape), maps(shape, seed=1)

    def plain(x):
        x = np.asarray(x, np.float64)[: shape[0] // 4 * 4, : shape[1] // 4 * 4]
        x = x.reshape(shape[0] // 4, 4, shape[1] // 4, 4, -1).mean((1, 3)).sum(-1)
        return scipy.ndimage.convolve(x, [[0, -1, 0], [-1, 4, -1], [0, -1, 0]])[1:-1, 1:-1]

    given = losses.laplacian_loss(image, target)
    np.testing.assert_allclose(given, ((plain(image) - plain(target)) ** 2).mean(), rtol=1e-4)
    with pytest.raises(ValueError, match="at least 27 x 27 pixels"):
        losses.laplacian_loss(image, target, pool=9)


@pytest.mark.parametrize("shape", [(13, 21, 3), (1, 5, 1)])
def test_nine_point_variation(shape):
    image = maps(shape)
    np.testing.assert_allclose(
        losses.nine_point_variation_loss(image), plain_nine_point(image), rtol=1e-5
    )


STYLE = target_of((5, 4, 3)).astype(np.float64)
DIRECTIONS = np.random.default_rng(3).standard_normal((3, 4))
WEIGHTS = weights((5, 4)).astype(np.float64)
ALL = {
    **{
        loss.__name__: lambda x, w, loss=loss: loss(losses.moments(x, w), losses.moments(STYLE))
        for loss in MOMENT_LOSSES
    },
    "balanced_gram": lambda x, w: STYLE_LOSSES["balanced_gram"](
        x, w, losses.gram_matrix(STYLE), "relative"
    ),
    "sliced_wasserstein": lambda x, w: losses.sliced_wasserstein_loss(
        x, losses.quantiles(STYLE, DIRECTIONS), DIRECTIONS, w
    ),
    "histogram": lambda x, w: losses.histogram_loss(x, losses.quantiles(STYLE), w),
    "patches": lambda x, w: losses.patch_loss(x, losses.extract_patches(STYLE), w),
    "contextual": lambda x, w: losses.contextual_loss(x, STYLE),
    "laplacian": lambda x, w: losses.laplacian_loss(x, x[::-1] ** 2, pool=1),
    "nine_point": lambda x, w: losses.nine_point_variation_loss(x),
}


COMPILED = {name: jax.jit(loss) for name, loss in ALL.items()}
WITH_GRADIENT = {name: jax.jit(jax.value_and_grad(loss)) for name, loss in ALL.items()}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("w", [None, WEIGHTS], ids=["all", "weighted"])
def test_gradients_in_float64(name, w):
    with jax.enable_x64(True):
        features = jnp.asarray(np.random.default_rng(5).standard_normal((5, 4, 3)))
        loss = COMPILED[name]
        check_grads(lambda x: loss(x, w), (features,), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["constant", "zero", "ties", "the style itself"])
def test_gradients_are_finite_everywhere(name, kind):
    features = {
        "constant": np.full((5, 4, 3), 0.3, np.float32),
        "zero": np.zeros((5, 4, 3), np.float32),
        "ties": np.round(maps((5, 4, 3))),
        "the style itself": STYLE[:5, :4].astype(np.float32),
    }[kind]
    for w in (None, WEIGHTS.astype(np.float32)):
        value, gradient = WITH_GRADIENT[name](features, w)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ALL)
def test_vmap(name):
    images = np.stack([maps((5, 4, 3), seed) for seed in range(3)])
    together = jax.jit(jax.vmap(lambda x: ALL[name](x, None)))(images)
    alone = [COMPILED[name](image, None) for image in images]
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_wasserstein_in_float32_on_correlated_features():
    """512 channels of rank 40 and of very different sizes, as a deep layer has them."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((40, 512)) * np.geomspace(30, 0.01, 512)

    def features(seed):
        latent = np.random.default_rng(seed).standard_normal((20, 16, 40))
        return np.maximum(latent @ mixing, 0).astype(np.float32)

    a, b = features(1), features(2)
    value, gradient = of_moments(losses.wasserstein_loss, a, None, b)
    expected = plain_wasserstein(plain_moments(a), plain_moments(b))
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    with jax.enable_x64(True):
        wide = jnp.asarray(a, float), None, jnp.asarray(b, float)
        _, exact = of_moments(losses.wasserstein_loss, *wide)
    error = np.linalg.norm(gradient - exact) / np.linalg.norm(exact)
    assert error < 1e-2


def test_a_wasserstein_target_may_bring_its_root():
    rng = np.random.default_rng(5)
    image, target = maps((6, 7, 5)), losses.moments(target_of((6, 7, 5)))
    root = losses.wasserstein_root(target)
    covariance = np.asarray(target.covariance, np.float64) + 1e-4 * np.eye(5)
    np.testing.assert_allclose(root, scipy.linalg.sqrtm(covariance).real, atol=1e-5)

    def loss(image, **root):
        return losses.wasserstein_loss(losses.moments(image), target, **root)

    apart, with_root = (
        jax.value_and_grad(partial(loss, **given))(jnp.asarray(image))
        for given in ({}, {"root": root})
    )
    np.testing.assert_allclose(with_root[0], apart[0], rtol=1e-6)
    np.testing.assert_allclose(with_root[1], apart[1], rtol=1e-5, atol=1e-8)
    slope = jax.grad(lambda root: loss(image, root=root))(root + 1e-3 * rng.random((5, 5)))
    np.testing.assert_array_equal(slope, 0)
