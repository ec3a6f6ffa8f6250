"""Losses of style transfer as pure functions of arrays.

Letters: H, W height and width; C channels (the paper's N); M = H W positions (the paper's M).
The literature hides different scales under the same names, so every loss takes its `convention`:

"paper"     Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016
"code"      its authors' published code (github.com/leongatys/PytorchNeuralStyleTransfer)
"johnson"   Johnson's neural-style (github.com/jcjohnson/neural-style)
"relative"  dimensionless: 0 is a perfect match, 1 the loss of a map of zeros; the default
"""

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Convention = Literal["relative", "paper", "code", "johnson"]
Normalization = Literal["positions", "none", "elements"]
Norm = Literal["l2", "l1"]
Reduction = Literal["mean", "sum"]
Scalar = Float[Array, ""]


@jax.custom_jvp
def _gram(matrix: Float[Array, "m c"]) -> Float[Array, "c c"]:
    return matrix.T @ matrix


@_gram.defjvp
def _gram_jvp(primals, tangents):
    # d(F'F) = F'dF + (F'dF)': transposed, the gradient F (S + S') is one matrix product
    # where differentiating both factors makes two.
    (matrix,), (tangent,) = primals, tangents
    half = matrix.T @ tangent
    return _gram(matrix), half + half.T


def gram_matrix(
    features: Float[Array, "h w c"], *, normalization: Normalization = "positions"
) -> Float[Array, "c c"]:
    """Correlations of the channels over all positions: G_ij = sum_m F_mi F_mj / n.

    `features` is (H, W, C), the result (C, C). n is 1 for `normalization="none"` (Gatys et al.
    2016, equation 3), H W for "positions" (its authors' code; independent of the image's size)
    and C H W for "elements" (Johnson's neural-style). Its gradient costs one matrix product.

    Raises:
        ValueError: an unknown normalization.
    """
    height, width, channels = features.shape
    gram = _gram(features.reshape(height * width, channels))
    match normalization:
        case "positions":
            return gram / (height * width)
        case "none":
            return gram
        case "elements":
            return gram / (height * width * channels)
    raise _unknown("normalization", normalization, Normalization)


def content_loss(
    features: Float[Array, "h w c"],
    target: Float[Array, "h w c"],
    *,
    convention: Convention = "relative",
) -> Scalar:
    """Squared distance of feature maps F (`features`) and P (`target`), both (H, W, C).

    "paper"     1/2 sum (F - P)^2   (Gatys et al. 2016, equation 1)
    "code"      mean (F - P)^2
    "johnson"   mean (F - P)^2
    "relative"  mean (F - P)^2 / mean P^2  (undivided where P is all zero)

    Raises:
        ValueError: an unknown convention; shapes that differ.
    """
    _check_same_shape("features", features, target)
    squared = jnp.square(features - target)
    match convention:
        case "paper":
            return squared.sum() / 2
        case "code" | "johnson":
            return squared.mean()
        case "relative":
            return squared.mean() / _mean_square(target)
    raise _unknown("convention", convention, Convention)


def style_loss(
    gram: Float[Array, "c c"],
    target: Float[Array, "c c"],
    *,
    convention: Convention = "relative",
) -> Scalar:
    """Squared distance of Gram matrices G (`gram`) and A (`target`), both (C, C).

    Both are as `gram_matrix` gives them by default, F'F / M, so that image and style may differ in
    size. N = C channels:

    "paper"     sum (G - A)^2 / (4 N^2)   (Gatys et al. 2016, equation 4, where M is one for both)
    "code"      mean (G - A)^2            (the code weights layer l by 1e3 / N^2)
    "johnson"   mean (G/N - A/N)^2
    "relative"  mean (G - A)^2 / mean A^2  (undivided where A is all zero)

    Raises:
        ValueError: an unknown convention; shapes that differ.
    """
    _check_same_shape("gram", gram, target)
    distance = jnp.square(gram - target).mean()
    match convention:
        case "paper":
            return distance / 4
        case "code":
            return distance
        case "johnson":
            return distance / gram.shape[-1] ** 2
        case "relative":
            return distance / _mean_square(target)
    raise _unknown("convention", convention, Convention)


def total_variation_loss(
    image: Float[Array, "h w c"],
    *,
    norm: Norm = "l2",
    reduction: Reduction = "mean",
) -> Scalar:
    """Roughness of an image: its differences d between vertical and horizontal neighbours.

    `image` is (H, W, C). `norm` "l2" takes d^2 (Mahendran and Vedaldi 2015, beta = 2), "l1"
    takes |d| (Rudin, Osher, Fatemi 1992, anisotropic). `reduction` "sum" adds all of them up,
    "mean" adds the mean over vertical neighbours and the mean over horizontal ones.

    Raises:
        ValueError: an unknown norm or reduction.
    """
    vertical, horizontal = jnp.diff(image, axis=0), jnp.diff(image, axis=1)
    match norm:
        case "l2":
            vertical, horizontal = jnp.square(vertical), jnp.square(horizontal)
        case "l1":
            vertical, horizontal = jnp.abs(vertical), jnp.abs(horizontal)
        case _:
            raise _unknown("norm", norm, Norm)
    match reduction:
        case "mean":
            # An image of one row or column has no neighbours that way.
            counts = max(1, vertical.size), max(1, horizontal.size)
            return vertical.sum() / counts[0] + horizontal.sum() / counts[1]
        case "sum":
            return vertical.sum() + horizontal.sum()
    raise _unknown("reduction", reduction, Reduction)


def _mean_square(target: Array) -> Scalar:
    # Nothing is relative to a target of zeros, a layer that is dead on it: taken as it is.
    scale = jnp.square(target).mean()
    return jnp.where(scale > 0, scale, 1)


def _check_same_shape(name: str, array: Array, target: Array) -> None:
    if array.shape != target.shape:
        raise ValueError(f"{name} has shape {array.shape}; its target has {target.shape}")


def _unknown(name: str, value: str, literal: Any) -> ValueError:
    return ValueError(f"{name} is {value!r}; accepted: {', '.join(get_args(literal))}")
