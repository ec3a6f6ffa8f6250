"""The network of Johnson, Alahi, Fei-Fei 2016 that paints a photograph in one pass.

Normalized as in Ulyanov, Vedaldi, Lempitsky 2016, with a scale and a bias for each style as in
Dumoulin, Shlens, Kudlur 2017. Other than in the papers, what the network computes is added to the
logit of the photograph, and the last convolution begins with zeros: training starts from the
photograph.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Maps = Float[Array, "h w c"]
Shares = Float[Array, " styles"]

BEYOND = 0.1
"""How far values may leave [0, 1]. At its ends the logistic function is flat and learns nothing."""


class Convolution(nn.Module):
    """A convolution of reflected maps: zeros beyond the border would show."""

    channels: int
    size: int = 3
    stride: int = 1
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Maps) -> Maps:
        edge = self.size // 2
        x = jnp.pad(x, ((edge, edge), (edge, edge), (0, 0)), "reflect")
        kernel = (self.size, self.size)
        return nn.Conv(
            self.channels, kernel, self.stride, padding="VALID", kernel_init=self.kernel_init
        )(x)


class ConditionalInstanceNorm(nn.Module):
    """Each map with mean 0 and variance 1, then scaled and shifted as the mixture of styles says.

    `shares` has one number for each style. With one style and the share 1 this is instance
    normalization.
    """

    styles: int

    @nn.compact
    def __call__(self, x: Maps, shares: Shares) -> Maps:
        shape = self.styles, x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        x = x - x.mean((0, 1))
        x = x * jax.lax.rsqrt(jnp.square(x).mean((0, 1)) + 1e-5)
        return x * (shares @ scale) + shares @ bias


class ImageTransformation(nn.Module):
    """A photograph (H, W, 3), sRGB in [0, 1], and shares of styles (S,) to an image of that size.

    Values of the image are in [-`BEYOND`, 1 + `BEYOND`]. Two strided convolutions, five residual
    blocks at a quarter of the size, two nearest-neighbor enlargements with a convolution each.
    `channels` are those at full size; Johnson has 32.
    """

    styles: int = 1
    channels: int = 16

    @nn.compact
    def __call__(self, image: Float[Array, "h w 3"], shares: Shares) -> Float[Array, "h w 3"]:
        height, width, _ = image.shape

        def layer(x: Maps, scale: int, size: int = 3, stride: int = 1) -> Maps:
            x = Convolution(scale * self.channels, size, stride)(x)
            return ConditionalInstanceNorm(self.styles)(x, shares)

        x = jnp.pad(image, ((0, -height % 4), (0, -width % 4), (0, 0)), "edge")
        x = nn.relu(layer(x, 1, size=9))
        x = nn.relu(layer(x, 2, stride=2))
        x = nn.relu(layer(x, 4, stride=2))
        for _ in range(5):
            x = x + layer(nn.relu(layer(x, 4)), 4)
        for scale in (2, 1):
            x = nn.relu(layer(x.repeat(2, 0).repeat(2, 1), scale))
        x = Convolution(3, size=9, kernel_init=nn.initializers.zeros)(x)[:height, :width]
        share = (image + BEYOND) / (1 + 2 * BEYOND)
        return (1 + 2 * BEYOND) * nn.sigmoid(jnp.log(share / (1 - share)) + x) - BEYOND
