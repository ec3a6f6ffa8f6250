"""Frequencies of an image, weighed."""

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Complex, Float

LONGEST_PERIOD = 128
"""In pixels. Features of relu4_4 see 116, those of relu5_1 156."""


def smooth(
    image: Float[Array, "h w c"], exponent: Float[Array, ""] | float
) -> Float[Array, "h w c"]:
    """Each frequency of an (H, W, C) image divided by a power of its magnitude.

    F^-1(F(image) s), s = c |f|^(-exponent / 2), |f| in cycles a pixel and for the mean that of a
    period of max(H, W); c makes the mean of s^2 over all frequencies 1. The map is linear and
    symmetric, and takes the image as periodic.
    """
    height, width, _ = image.shape
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequencies = jnp.asarray(frequencies.clip(1 / max(height, width)), image.dtype)
    power = frequencies**-exponent
    weights = jnp.sqrt(power / power.mean())[:, : width // 2 + 1, None]
    spectrum = _spectrum(image)
    spectrum *= weights.astype(spectrum.dtype)
    back = [jnp.fft.irfft2(each, s=(height, width)) for each in jnp.moveaxis(spectrum, -1, 0)]
    return jnp.stack(back, -1).astype(image.dtype)


def _spectrum(image: Float[Array, "h w c"]) -> Complex[Array, "h w//2+1 c"]:
    """F of each channel.

    One after the other: with all in one call, XLA's CPU compiler fails on an image whose rows
    devices share.
    """
    return jnp.stack([jnp.fft.rfft2(each) for each in jnp.moveaxis(image, -1, 0)], -1)


def spectral_slope(image: Float[Array, "h w c"]) -> Float[Array, ""]:
    """The power of |f| that the frequencies of an (H, W, C) image follow.

    Least squares of log |F(image)|, over all channels, against log |f|, weighed by 1 / f^2 so that
    each octave counts as much, for periods from 2 to 128 pixels; 0 if there are not two of them.
    The image is taken without its mean, through a Hann window, so that its borders make no
    frequencies. About -1.2 for photographs (-1: Field 1987), and 0 for noise.
    """
    height, width, _ = image.shape
    hann = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    window = jnp.asarray(hann[..., None], image.dtype)
    image = image - (image * window).sum((0, 1), keepdims=True) / window.sum()
    # So that no square is infinite or 0.
    image = image / jnp.maximum(jnp.abs(image).max(), jnp.finfo(image.dtype).tiny)
    power = jnp.square(jnp.abs(_spectrum(image * window))).sum(-1)
    # What rounding leaves of a frequency that is not there is below a millionth.
    magnitudes = jnp.log(power + 1e-6 * power.mean() + jnp.finfo(power.dtype).tiny) / 2
    return jnp.sum(jnp.asarray(_slope_of(height, width), image.dtype) * magnitudes)


def _slope_of(height: int, width: int) -> Float[np.ndarray, "h w"]:
    """What the logarithms of the magnitudes are multiplied by: their sum is the slope."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    counted = (frequencies >= 1 / LONGEST_PERIOD) & (frequencies <= 1 / 2)
    factors = np.zeros_like(frequencies)
    if len(np.unique(frequencies[counted])) > 1:
        logarithms, weights = np.log(frequencies[counted]), frequencies[counted] ** -2
        deviations = logarithms - np.average(logarithms, weights=weights)
        factors[counted] = weights * deviations / np.sum(weights * deviations**2)
    return factors


def fit_smoothing(gradient: Float[Array, "h w c"], image: Float[Array, "h w c"]) -> Partial:
    """`smooth` with the exponent for a loss that has this gradient at this (H, W, C) image.

    Were what is still to change as strong in each frequency as the image is now, the curvature of
    the loss would be |F(gradient)| / |F(image)|. The exponent is the power of |f| that this
    follows, the difference of both slopes, from 0 to 1: smooth(smooth(x)) divides by that power. It
    is 1 if no channel's deviation is 1/255, for an image of one color. The image may be a logit,
    as its gradient then is.
    """
    exponent = jnp.clip(spectral_slope(gradient) - spectral_slope(image), 0, 1)
    uniform = jnp.std(image, axis=(0, 1)).max() < 1 / 255
    return Partial(smooth, exponent=jnp.where(uniform, 1, exponent))
