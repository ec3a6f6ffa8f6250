"""Mean and covariance of features as a style, and distances between them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from jnst.losses._common import Scalar, safe_sqrt
from jnst.losses._gram import gram_matrix

WASSERSTEIN_EPSILON = 1e-4
"""Added to every variance, so that the root of a singular covariance has a gradient."""


class Moments(struct.PyTreeNode):
    """The mean (C,) and the covariance E (f - mean)(f - mean)' (C, C) of features."""

    mean: Float[Array, " c"]
    covariance: Float[Array, "c c"]

    @property
    def second(self) -> Float[Array, "c c"]:
        """E f f', the Gram matrix over positions."""
        return self.covariance + jnp.outer(self.mean, self.mean)

    @property
    def deviation(self) -> Float[Array, " c"]:
        """The standard deviation of each channel, with gradient 0 where it is 0."""
        return safe_sqrt(jnp.diag(self.covariance))


def moments(features: Float[Array, "h w c"], weights: Float[Array, "h w"] | None = None) -> Moments:
    """Mean and covariance of features (H, W, C) over positions.

    `weights` (H, W), at least 0 with sum 1, are the weights of the positions; by default all are
    equal. With weights T^2 / sum T^2, `second` is the guided Gram matrix of a mask T (Gatys et al.
    2017, "Controlling perceptual factors in neural style transfer", equation 4).
    """
    if weights is None:
        mean = features.mean((0, 1))
        return Moments(mean, gram_matrix(features - mean[None, None]))
    # Scaled so that equal weights are exactly 1 and cause no rounding.
    amounts = (weights * weights.size)[..., None]
    mean = (amounts * features).mean((0, 1))
    return Moments(mean, gram_matrix(safe_sqrt(amounts) * (features - mean[None, None])))


def mix_moments(parts: Sequence[Moments], shares: Float[Array, " n"]) -> Moments:
    """The moments of a mixture of parts; `shares` are their probabilities, with sum 1."""
    mean = sum(share * part.mean for share, part in zip(shares, parts, strict=True))
    covariance = sum(
        share * (part.covariance + jnp.outer(part.mean - mean, part.mean - mean))
        for share, part in zip(shares, parts, strict=True)
    )
    return Moments(mean, covariance)


def mean_variance_loss(given: Moments, target: Moments) -> Scalar:
    """Distance of means and standard deviations, mean (m - n)^2 + mean (s - t)^2 over channels.

    Li, Wang, Liu, Hou 2017, "Demystifying neural style transfer", equation 10 (batch normalization
    statistics).
    """
    deviation = jnp.square(given.deviation - target.deviation).mean()
    return jnp.square(given.mean - target.mean).mean() + deviation


def covariance_loss(given: Moments, target: Moments) -> Scalar:
    """Distance of covariances: the mean over C x C of (C1 - C2)^2.

    It is the Gram loss of centered features, which does not compare the means.
    """
    return jnp.square(given.covariance - target.covariance).mean()


def gram_mean_deviation_loss(given: Moments, target: Moments) -> Scalar:
    """Gram matrices, means and standard deviations together, each a mean of squares.

    mean (G - A)^2 + mean (m - n)^2 + mean (s - t)^2: the statistics of Gatys et al. 2016 and of Li
    et al. 2017 together.
    """
    return jnp.square(given.second - target.second).mean() + mean_variance_loss(given, target)


def wasserstein_loss(
    given: Moments,
    target: Moments,
    *,
    epsilon: float = WASSERSTEIN_EPSILON,
    root: Float[Array, "c c"] | None = None,
) -> Scalar:
    """Squared 2-Wasserstein distance of the Gaussians with these moments, divided by C.

    |m - n|^2 + tr (A + B - 2 (A^1/2 B A^1/2)^1/2), with A, B the covariances and `epsilon` added to
    every variance (Dowson and Landau 1982; as a style loss Crowson 2021, style-transfer-pytorch).
    `root` is `wasserstein_root` of a target that many are compared with, A^1/2; the target is then
    taken for constant.
    """
    ridge = epsilon * jnp.eye(len(target.mean), dtype=target.mean.dtype)
    a, b = target.covariance + ridge, given.covariance + ridge
    if root is None:
        trace = _trace_of_root(a, b)
    else:
        trace = _trace_of_root_by_second(jax.lax.stop_gradient(root), b)
    traces = jnp.trace(a) + jnp.trace(b) - 2 * trace
    return jnp.square(given.mean - target.mean).mean() + traces / len(target.mean)


def wasserstein_root(
    target: Moments, *, epsilon: float = WASSERSTEIN_EPSILON
) -> Float[Array, "c c"]:
    """The root of the target's covariance, with `epsilon` added to every variance."""
    ridge = epsilon * jnp.eye(len(target.mean), dtype=target.mean.dtype)
    return _root(target.covariance + ridge)


@jax.custom_jvp
def _trace_of_root(a: Float[Array, "c c"], b: Float[Array, "c c"]) -> Scalar:
    """tr (a^1/2 b a^1/2)^1/2 of symmetric a, b with positive eigenvalues."""
    return _root_of_product(_root(a), b)[0]


@_trace_of_root.defjvp
def _trace_of_root_jvp(primals, tangents):
    # Automatic differentiation would divide by differences of eigenvalues, which may be 0.
    a, b = primals
    value, by_a, by_b = _root_of_product(_root(a), b)
    return value, jnp.vdot(by_a, tangents[0]) + jnp.vdot(by_b, tangents[1])


@jax.custom_jvp
def _trace_of_root_by_second(root_a: Float[Array, "c c"], b: Float[Array, "c c"]) -> Scalar:
    """As `_trace_of_root`, with a derivative by b alone."""
    return _root_of_product(root_a, b)[0]


@_trace_of_root_by_second.defjvp
def _trace_of_root_by_second_jvp(primals, tangents):
    value, _, by_b = _root_of_product(*primals)
    return value, jnp.vdot(by_b, tangents[1])


def _root_of_product(root_a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The trace, which is the nuclear norm of a^1/2 b^1/2 = U S V', and its derivatives.

    By b it is a^1/2 U S^-1 U' a^1/2 / 2, by a b^1/2 V S^-1 V' b^1/2 / 2. (The eigenvalues of the
    product are the squares of S, whose small ones float32 loses.)
    """
    root_b = _root(b)
    u, s, v = jnp.linalg.svd(root_a @ root_b)
    inverse = jnp.where(s > jnp.finfo(s.dtype).eps * s[0], 1 / s, 0) / 2
    left, right = root_a @ u, root_b @ v.T
    return s.sum(), (right * inverse[None]) @ right.T, (left * inverse[None]) @ left.T


def _root(a: Float[Array, "c c"]) -> Float[Array, "c c"]:
    values, vectors = jnp.linalg.eigh(a)
    return (vectors * safe_sqrt(values)[None]) @ vectors.T
