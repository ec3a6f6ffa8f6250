"""Losses of style transfer as pure functions of arrays.

Letters: H, W height and width; C channels (the papers' N); M = H W positions (the papers' M).
Publications use different scales for losses of the same name. The content loss and the Gram loss
therefore take a `convention`:

"paper"     Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016
"code"      its authors' published code (github.com/leongatys/PytorchNeuralStyleTransfer)
"johnson"   Johnson's neural-style (github.com/jcjohnson/neural-style)
"relative"  dimensionless, the default: 0 for a perfect match, 1 for features of zeros

All other losses are means over channels and positions; each gives the formula of its paper.
"""

from jnst.losses._common import Convention
from jnst.losses._content import content_loss, laplacian_loss
from jnst.losses._gram import balanced_gram_loss, gram_matrix, style_loss
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
    "balanced_gram_loss",
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
