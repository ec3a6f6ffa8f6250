"""Colors of a picture: matching to another picture, and transfer of luminance only.

Gatys, Bethge, Hertzmann, Shechtman 2016, "Preserving color in neural artistic style transfer", and
Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6. Images are
(H, W, 3) sRGB in [0, 1].
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from jnst.common.validation import check_choice

Image = Float[np.ndarray, "h w 3"]
Match = Literal["cholesky", "pca", "symmetric", "histogram"]

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of Y in YIQ, the papers' color space, which is linear in RGB."""

_SMALLEST_VARIANCE = 1e-8


def luminance(image: Image) -> Float[np.ndarray, "h w"]:
    """Y = 0.299 R + 0.587 G + 0.114 B."""
    return image @ LUMINANCE.astype(image.dtype)


def with_luminance(image: Image, values: Float[np.ndarray, "h w"]) -> Image:
    """The image's chroma (I and Q of YIQ) with another luminance.

    The same number is added to R, G and B, which does not change I and Q. Where a color would leave
    [0, 1], the nearest luminance that is possible with that chroma is taken.
    """
    chroma = image - luminance(image)[..., None]
    lowest, highest = -chroma.min(-1), 1 - chroma.max(-1)
    return chroma + np.clip(values, lowest, highest)[..., None]


def match_luminance(
    values: Float[np.ndarray, "h w"], target: Float[np.ndarray, "h2 w2"]
) -> Float[np.ndarray, "h w"]:
    """Luminance with the mean and deviation of another: s_t / s (x - m) + m_t."""
    scale = target.std() / max(values.std(), _SMALLEST_VARIANCE**0.5)
    return scale * (values - values.mean()) + target.mean()


def match_colors(
    image: Image, target: Float[np.ndarray, "_h _w 3"], *, method: Match = "symmetric"
) -> Image:
    """The image with the color statistics of another, not clipped.

    x' = A (x - m) + m_t with A S A' = S_t for the covariances S, S_t of the colors, so that the
    mean and the covariance become those of the target:

    "cholesky"   A = L_t L^-1, L L' = S
    "pca"        A = U_t D_t^1/2 D^-1/2 U', U D U' = S, eigenvalues in falling order
    "symmetric"  A = S_t^1/2 S^-1/2, with symmetric roots ("image analogies" in the paper)
    "histogram"  each value of a channel becomes the target's value of the same rank; equal
                 values share their middle rank

    1e-8 is added to every variance.

    Raises:
        ValueError: an unknown method.
    """
    check_choice("method", method, Match)
    pixels, wanted = (x.reshape(-1, 3).astype(np.float64) for x in (image, target))
    if method == "histogram":
        matched = np.stack(
            [_match_ranks(*pair) for pair in zip(pixels.T, wanted.T, strict=True)], 1
        )
    else:
        root, other = _root(_covariance(pixels), method), _root(_covariance(wanted), method)
        transform = other @ np.linalg.inv(root)
        matched = (pixels - pixels.mean(0)) @ transform.T + wanted.mean(0)
    return matched.reshape(image.shape).astype(np.float32)


def _covariance(pixels: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3 3"]:
    centered = pixels - pixels.mean(0)
    return centered.T @ centered / len(pixels) + _SMALLEST_VARIANCE * np.eye(3)


def _root(covariance: Float[np.ndarray, "3 3"], method: Match) -> Float[np.ndarray, "3 3"]:
    """R with R R' = covariance."""
    if method == "cholesky":
        return np.linalg.cholesky(covariance)
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors * np.where(vectors.sum(0) < 0, -1, 1)  # a sign that does not flip colors
    root = vectors * np.sqrt(values)
    return root if method == "pca" else root @ vectors.T


def _match_ranks(
    values: Float[np.ndarray, " n"], target: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    places = (np.cumsum(counts) - counts / 2) / len(values)
    return np.quantile(target, places, method="hazen")[numbers]
