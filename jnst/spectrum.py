"""Frequencies of an image, weighed."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def smooth(image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Each frequency of an (H, W, C) image divided by the root of its magnitude.

    F^-1(F(image) s), s = c / sqrt |f|, |f| in cycles a pixel and for the mean that of a period of
    max(H, W); c makes the mean of s^2 over all frequencies 1. The map is linear and symmetric, and
    takes the image as periodic. What an image shows falls with its frequency (Field 1987), so that
    steps in coordinates z, with the image smooth(z), move large shapes as easily as small ones.
    """
    height, width, _ = image.shape
    across = jnp.fft.fftfreq(width)
    down = jnp.fft.fftfreq(height)[:, None]
    power = 1 / jnp.maximum(jnp.hypot(down, across), 1 / max(height, width))
    weights = jnp.sqrt(power / power.mean())[:, : width // 2 + 1, None]
    spectrum = jnp.fft.rfft2(image, axes=(0, 1)) * weights
    return jnp.fft.irfft2(spectrum, s=(height, width), axes=(0, 1)).astype(image.dtype)
