"""Gram matrices and their distance (Gatys, Ecker, Bethge 2016)."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses._common import Convention, Scalar, check_same_shape, mean_square, unknown

Normalization = Literal["positions", "none", "elements"]


def _products(first: Float[Array, "h w c"], second: Float[Array, "h w c"]) -> Float[Array, "c c"]:
    # Not of reshaped features: devices with unequal shares of the rows would gather all of them.
    return jnp.einsum("hwi,hwj->ij", first, second)


@jax.custom_jvp
def _gram(features: Float[Array, "h w c"]) -> Float[Array, "c c"]:
    return _products(features, features)


@_gram.defjvp
def _gram_jvp(primals, tangents):
    # d(F'F) = F'dF + (F'dF)': transposed, the gradient F (S + S') is one matrix product
    # where differentiating both factors makes two.
    (features,), (tangent,) = primals, tangents
    half = _products(features, tangent)
    return _gram(features), half + half.T


def gram_matrix(
    features: Float[Array, "h w c"], *, normalization: Normalization = "positions"
) -> Float[Array, "c c"]:
    """Correlations of the channels over all positions: G_ij = sum_m F_mi F_mj / n.

    `features` is (H, W, C), the result (C, C). n is 1 for `normalization="none"` (Gatys et al.
    2016, equation 3), H W for "positions" (its authors' code; independent of the image's size)
    and C H W for "elements" (Johnson's neural-style). Its gradient costs one matrix product.

    Raises:
        ValueError: an unknown normalization.

    >>> features = jnp.array([[[1.0, 0.0], [2.0, 1.0]]])  # a row of two positions, two channels
    >>> jnst.gram_matrix(features)
    Array([[2.5, 1. ],
           [1. , 0.5]], dtype=float32)
    """
    height, width, channels = features.shape
    gram = _gram(features)
    match normalization:
        case "positions":
            return gram / (height * width)
        case "none":
            return gram
        case "elements":
            return gram / (height * width * channels)
    raise unknown("normalization", normalization, Normalization)


def style_loss(
    gram: Float[Array, "c c"],
    target: Float[Array, "c c"],
    *,
    convention: Convention = "relative",
) -> Scalar:
    """The Gram loss: squared distance of the matrices G (`gram`) and A (`target`), both (C, C).

    Both are as `gram_matrix` gives them by default, F'F / M, so that image and style may differ in
    size. N = C channels:

    "paper"     sum (G - A)^2 / (4 N^2)   (Gatys et al. 2016, equation 4, where M is one for both)
    "code"      mean (G - A)^2            (the code weights layer l by 1e3 / N^2)
    "johnson"   mean (G/N - A/N)^2
    "relative"  mean (G - A)^2 / mean A^2  (undivided where A is all zero)

    Raises:
        ValueError: an unknown convention; shapes that differ.

    >>> gram, target = jnp.eye(2), 2 * jnp.eye(2)
    >>> float(jnst.style_loss(gram, target))
    0.25
    >>> float(jnst.style_loss(gram, target, convention="code"))
    0.5
    """
    check_same_shape("gram", gram, target)
    distance = jnp.square(gram - target).mean()
    match convention:
        case "paper":
            return distance / 4
        case "code":
            return distance
        case "johnson":
            return distance / gram.shape[-1] ** 2
        case "relative":
            return distance / mean_square(target)
    raise unknown("convention", convention, Convention)


def balanced_gram_loss(
    gram: Float[Array, "c c"], target: Float[Array, "c c"], *, floor: float = 0.01
) -> Scalar:
    """The relative Gram loss, with every channel in units of its own strength in the style.

    Both matrices, G (`gram`) and A (`target`), are (C, C), as `gram_matrix` gives them:

    mean ((G - A)_ij^2 / (s_i s_j)) / mean (A_ij^2 / (s_i s_j)),  s_i = A_ii + floor mean_k A_kk

    A few strong channels of a trained network are nearly all of `style_loss`, and the others are
    free. Here all count that the style has; `floor` bounds how much a channel counts that it hardly
    has.

    Raises:
        ValueError: shapes that differ.

    >>> gram, target = jnp.diag(jnp.array([4.0, 0.0])), jnp.diag(jnp.array([4.0, 1.0]))
    >>> round(float(jnst.losses.style_loss(gram, target)), 2)  # without the weak channel
    0.06
    >>> round(float(jnst.losses.balanced_gram_loss(gram, target)), 2)
    0.49
    """
    check_same_shape("gram", gram, target)
    power = jnp.diagonal(target)
    strength = power + floor * power.mean()
    unit = jnp.sqrt(jnp.where(strength == 0, 1, strength))
    unit = jnp.outer(unit, unit)
    return style_loss(gram / unit, target / unit)
