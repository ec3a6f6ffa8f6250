"""What jnst computes, in float64 numpy, written plainly."""

import numpy as np
import scipy

from jnst.networks.layers import VGG19


def plain_convolution(image, kernel):
    height, width, _ = image.shape
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    return sum(
        padded[a : a + height, b : b + width] @ kernel[a, b].astype(np.float64)
        for a in range(3)
        for b in range(3)
    )


def plain_features(params, image, architecture=VGG19, pooling="average"):
    """Every layer in float64, with zero padding."""
    x, features = image, {}
    for name in architecture.layers:
        height, width, _ = x.shape
        if name.startswith("conv"):
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            kernel = np.asarray(params[name]["kernel"], np.float64)
            x = np.asarray(params[name]["bias"], np.float64) + sum(
                padded[i : i + height, j : j + width] @ kernel[i, j]
                for i in range(3)
                for j in range(3)
            )
        elif name.startswith("relu"):
            x = np.maximum(x, 0)
        else:
            x = x[: height // 2 * 2, : width // 2 * 2]
            corners = [x[::2, ::2], x[1::2, ::2], x[::2, 1::2], x[1::2, 1::2]]
            x = sum(corners) / 4 if pooling == "average" else np.maximum.reduce(corners)
        features[name] = x
    return features


def flat(features):
    return np.asarray(features, np.float64).reshape(-1, features.shape[-1])


def plain_moments(features, w=None):
    x = flat(features)
    w = np.full(len(x), 1 / len(x)) if w is None else np.asarray(w, np.float64).ravel()
    mean = w @ x
    return mean, (x - mean).T @ (w[:, None] * (x - mean))


def plain_wasserstein(a, b, epsilon=1e-4):
    """Crowson's: sqrtm of the product, epsilon added to both covariances."""
    (m, c), (n, d) = a, b
    c, d = c + epsilon * np.eye(len(m)), d + epsilon * np.eye(len(m))
    root = scipy.linalg.sqrtm(d).real
    cross = scipy.linalg.sqrtm(root @ c @ root).real
    return ((m - n) ** 2).mean() + np.diag(c + d - 2 * cross).mean()


def plain_nine_point(image):
    """Crowson's TVLoss, from its slices."""
    x = np.pad(np.asarray(image, np.float64), ((1, 1), (1, 1), (0, 0)), "edge")
    s1, s2, s3, s4 = slice(1, -1), slice(2, None), slice(None, -1), slice(1, None)
    d1 = ((x[s1, s2] - x[s1, s1]) ** 2).mean() / 3
    d2 = ((x[s2, s1] - x[s1, s1]) ** 2).mean() / 3
    d3 = ((x[s4, s4] - x[s3, s3]) ** 2).mean() / 12
    d4 = ((x[s4, s3] - x[s3, s4]) ** 2).mean() / 12
    return 2 * (d1 + d2 + d3 + d4)
