"""The margin of an image: pixels beyond each border, which are optimized and cut off."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def add_margin(image: Float[Array, "h w c"], margin: int) -> Float[Array, "_h _w c"]:
    """The image with `margin` pixels of its reflection on each side.

    >>> row = jnp.array([[[1.0], [2.0], [3.0]]])
    >>> jnst.add_margin(row, 1)[0, :, 0]
    Array([1., 1., 2., 3., 3.], dtype=float32)
    """
    return jnp.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")


def remove_margin(image: Float[Array, "h w c"], margin: int) -> Float[Array, "_h _w c"]:
    """The image without the outer `margin` pixels on each side.

    >>> image = jnp.zeros((20, 30, 3))
    >>> jnst.remove_margin(image, 4).shape, jnst.remove_margin(jnst.add_margin(image, 4), 4).shape
    ((12, 22, 3), (20, 30, 3))
    """
    return image[margin : image.shape[0] - margin, margin : image.shape[1] - margin]


def visible_maps(
    features: Float[Array, "h w *c"], image: Float[Array, "_h _w *_c"], margin: int, stride: int
) -> Float[Array, "_h2 _w2 *c"]:
    """The features of the picture itself: the optimizer would else hide colors in the margin."""
    height, width = ((side - 2 * margin) // stride for side in image.shape[:2])
    first = margin // stride
    return features[first : first + height, first : first + width]
