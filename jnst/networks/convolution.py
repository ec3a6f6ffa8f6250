"""The convolution of VGG, with a gradient that is fast inside loops on CPU."""

import jax
from jax.custom_derivatives import CustomVJPPrimal
from jaxtyping import Array, Float

Map = Float[Array, "h w i"]
Kernel = Float[Array, "3 3 i o"]


@jax.custom_vjp
def convolve(image: Map, kernel: Kernel) -> Float[Array, "h w o"]:
    """3 x 3 cross-correlation of an (H, W, I) map with a (3, 3, I, O) kernel, padded with zeros.

    out[y, x, o] = sum over a, b, i of kernel[a, b, i, o] image[y + a - 1, x + b - 1, i]

    Differentiable in reverse mode by both arguments, to any order; `jax.jvp` is not supported.
    """
    return jax.lax.conv_general_dilated(
        image[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def _forward(image: CustomVJPPrimal, kernel: CustomVJPPrimal) -> tuple[Array, tuple]:
    # Each gradient needs the other argument, which is kept only if the gradient is asked for.
    kept = image.value if kernel.perturbed else None, kernel.value if image.perturbed else None
    return convolve(image.value, kernel.value), kept


def _backward(kept: tuple, cotangent: Array) -> tuple[Array | None, Array | None]:
    image, kernel = kept
    return (
        None if kernel is None else _image_gradient(kernel, cotangent),
        None if image is None else _kernel_gradient(image, cotangent),
    )


def _image_gradient(kernel: Kernel, cotangent: Array) -> Map:
    # JAX's own transpose swaps I and O in the dimension numbers. Inside `scan` and `cond` XLA's CPU
    # compiler then does not use its convolution library, which is three times slower
    # (github.com/jax-ml/jax/issues/12868).
    return convolve(cotangent, kernel[::-1, ::-1].swapaxes(2, 3))


def _kernel_gradient(image: Map, cotangent: Array) -> Kernel:
    # A correlation of the map with the cotangent, with I as the batch and H x W as the kernel.
    return jax.lax.conv_general_dilated(
        image[None],
        cotangent[None],
        (1, 1),
        [(1, 1), (1, 1)],
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )


convolve.defvjp(_forward, _backward, symbolic_zeros=True)
