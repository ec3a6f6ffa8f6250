import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.images.color import luminance, match_colors, match_luminance, with_luminance

repeatable = settings(derandomize=True, deadline=None, max_examples=50)
METHODS = ("cholesky", "pca", "symmetric", "histogram")
IQ = np.array([[0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


def picture(seed, shape=(17, 23, 3)):
    rng = np.random.default_rng(seed)
    mixing = rng.random((3, 3)) / 3
    return (rng.random(shape) @ mixing).astype(np.float32)


def statistics(image):
    pixels = image.reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), np.cov(pixels.T, bias=True)


@pytest.mark.parametrize("method", METHODS[:3])
def test_mean_and_covariance_become_the_targets(method):
    image, target = picture(0), picture(1, (31, 9, 3))
    matched = match_colors(image, target, method=method)
    for given_, wanted in zip(statistics(matched), statistics(target), strict=True):
        np.testing.assert_allclose(given_, wanted, atol=1e-3 * np.abs(wanted).max())
    assert matched.dtype == np.float32


def test_the_papers_formulas():
    image, target = picture(0), picture(1)
    (mean, s), (target_mean, t) = statistics(image), statistics(target)
    values, vectors = np.linalg.eigh(s)
    inverse_root = vectors @ np.diag(values**-0.5) @ vectors.T
    values, vectors = np.linalg.eigh(t)
    root = vectors @ np.diag(values**0.5) @ vectors.T
    transforms = {
        "cholesky": np.linalg.cholesky(t) @ np.linalg.inv(np.linalg.cholesky(s)),
        "symmetric": root @ inverse_root,
    }
    for method, transform in transforms.items():
        expected = (image.astype(np.float64) - mean) @ transform.T + target_mean
        np.testing.assert_allclose(match_colors(image, target, method=method), expected, atol=2e-3)


def test_histograms_become_the_targets():
    image, target = picture(0), picture(1)
    matched = match_colors(image, target, method="histogram")
    for channel in range(3):
        np.testing.assert_allclose(
            np.sort(matched[..., channel], None), np.sort(target[..., channel], None), atol=1e-6
        )
        order = np.argsort(image[..., channel], None)
        assert (np.diff(matched[..., channel].ravel()[order]) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_of_one_color(method):
    gray, target = np.full((4, 5, 3), 0.3, np.float32), picture(1)
    assert np.isfinite(match_colors(gray, target, method=method)).all()
    np.testing.assert_allclose(match_colors(target, gray, method=method), 0.3, atol=1e-3)


def test_a_picture_keeps_its_own_colors():
    image = picture(3)
    for method in METHODS:
        np.testing.assert_allclose(match_colors(image, image, method=method), image, atol=1e-4)


@repeatable
@given(st.integers(0, 999))
def test_chroma_stays(seed):
    rng = np.random.default_rng(seed)
    image, values = rng.random((6, 7, 3), np.float32), rng.random((6, 7), np.float32) * 2 - 0.5
    given_ = with_luminance(image, values)
    assert given_.min() >= -1e-6 and given_.max() <= 1 + 1e-6
    chroma = (given_ - image) @ IQ.T
    assert np.abs(chroma).max() <= 1 / 255
    reachable = np.abs(luminance(given_) - values) < 1e-5
    at_an_end = (np.abs(given_.min(-1)) < 1e-5) | (np.abs(given_.max(-1) - 1) < 1e-5)
    assert (reachable | at_an_end).all()


def test_luminance_is_matched():
    values, target = picture(0)[..., 0], picture(1)[..., 1]
    matched = match_luminance(values, target)
    np.testing.assert_allclose(
        [matched.mean(), matched.std()], [target.mean(), target.std()], rtol=1e-4
    )
    assert np.isfinite(match_luminance(np.zeros((3, 3), np.float32), target)).all()


def test_unknown_method():
    with pytest.raises(ValueError, match="method is 'mean'; accepted: cholesky, pca, symmetric"):
        match_colors(picture(0), picture(1), method="mean")


def test_equal_values_stay_equal_and_the_order_stays():
    rng = np.random.default_rng(0)
    image = np.round(rng.random((40, 50, 3)), 1).astype(np.float32)
    image[:20] = 0.5
    target = rng.random((30, 60, 3)).astype(np.float32)
    matched = match_colors(image, target, method="histogram")
    for channel in range(3):
        given_, result = image[..., channel].ravel(), matched[..., channel].ravel()
        for value in np.unique(given_):
            below, equal = (given_ < value).sum(), (given_ == value).sum()
            middle = (below + equal / 2) / given_.size
            expected = np.quantile(target[..., channel].astype(float), middle, method="hazen")
            np.testing.assert_allclose(result[given_ == value], expected, atol=1e-6)
        assert (np.diff(result[np.argsort(given_, kind="stable")]) >= 0).all()
