"""The one convolution of VGG-19, with an input gradient that stays fast inside loops on CPU."""

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero, linear_call
from jaxtyping import Array, Float


@jax.custom_jvp
def convolve(
    image: Float[Array, "h w i"], kernel: Float[Array, "3 3 i o"]
) -> Float[Array, "h w o"]:
    """3 x 3 cross-correlation of an (H, W, I) map with an (3, 3, I, O) kernel, zeros beyond it.

    out[y, x, o] = sum over a, b, i of kernel[a, b, i, o] image[y + a - 1, x + b - 1, i]

    Differentiable in both arguments, forward and backward, to any order.
    """
    return _correlate(kernel, image)


def _derivative(primals, tangents):
    (image, kernel), (image_tangent, kernel_tangent) = primals, tangents
    tangent = jnp.zeros_like(out := convolve(image, kernel))
    if not isinstance(image_tangent, SymbolicZero):
        tangent += linear_call(_correlate, _correlate_transposed, kernel, image_tangent)
    if not isinstance(kernel_tangent, SymbolicZero):
        tangent += convolve(image, kernel_tangent)
    return out, tangent


convolve.defjvp(_derivative, symbolic_zeros=True)


def _correlate(kernel: Array, image: Array) -> Array:
    return jax.lax.conv_general_dilated(
        image[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def _correlate_transposed(kernel: Array, cotangent: Array) -> Array:
    # JAX's own transpose asks for a reversed kernel with I and O swapped in its dimension numbers,
    # which XLA's CPU compiler runs without its convolution library inside `scan` and `cond`
    # (github.com/jax-ml/jax/issues/12868): 1470 against 477 ms a step at 256 px on two cores.
    return _correlate(kernel[::-1, ::-1].swapaxes(2, 3), cotangent)
