"""Losses of style transfer as pure functions of arrays.

Letters: H, W height and width; C channels (the papers' N); M = H W positions (the papers' M).
The literature hides different scales under the same names, so content and Gram losses take a
`convention`:

"paper"     Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016
"code"      its authors' published code (github.com/leongatys/PytorchNeuralStyleTransfer)
"johnson"   Johnson's neural-style (github.com/jcjohnson/neural-style)
"relative"  dimensionless: 0 is a perfect match, 1 the loss of a map of zeros; the default

All others are means over channels and positions, with the formula of their paper beside them.
"""

from jnst.losses._common import Convention
from jnst.losses._content import content_loss, laplacian_loss
from jnst.losses._gram import gram_matrix, style_loss
from jnst.losses._moments import (
    Moments,
    covariance_loss,
    gram_mean_deviation_loss,
    mean_variance_loss,
    mix_moments,
    moments,
    wasserstein_loss,
    wasserstein_root,
)
from jnst.losses._patches import contextual_loss, extract_patches, patch_loss
from jnst.losses._transport import (
    histogram_loss,
    quantiles,
    random_directions,
    sliced_wasserstein_loss,
)
from jnst.losses._variation import (
    nine_point_variation_loss,
    temporal_loss,
    total_variation_loss,
)

__all__ = [
    "Convention",
    "Moments",
    "content_loss",
    "contextual_loss",
    "covariance_loss",
    "extract_patches",
    "gram_matrix",
    "gram_mean_deviation_loss",
    "histogram_loss",
    "laplacian_loss",
    "mean_variance_loss",
    "mix_moments",
    "moments",
    "nine_point_variation_loss",
    "patch_loss",
    "quantiles",
    "random_directions",
    "sliced_wasserstein_loss",
    "style_loss",
    "temporal_loss",
    "total_variation_loss",
    "wasserstein_loss",
    "wasserstein_root",
]
