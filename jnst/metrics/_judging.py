"""Three figures of a stylized picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jnst.images.resizing import fit_size, resize_image
from jnst.images.sources import Source, listed, numbered, open_image
from jnst.metrics._detail import fine_detail, gradient_correlation
from jnst.metrics._patches import patch_distance


class StyleMetrics(NamedTuple):
    """Figures of a stylized picture.

    `style`: near 0 where its patches are the style's (6000 are drawn of each, at other places), 1
    where they are as far from it as the content's.
    `content`: 1 where its edges are the content's, 0 where they have nothing in common.
    `noise`: 1 where its finest detail has the energy of the style's.
    """

    style: float
    content: float
    noise: float


def style_metrics(
    result: Source, content: Source, style: Source | Sequence[Source], *, seed: int = 0
) -> StyleMetrics:
    """How a picture stands to the content and the style that it was made from, without a network.

    style = patch_distance(result, style) / patch_distance(content, style),
    content = gradient_correlation(result, content), noise = fine_detail(result) /
    fine_detail(style), with the content in the size of the result, and the style with the result's
    longer side. With several styles `style` and `noise` are means over them. A figure is infinite
    or nan where its divisor is 0.

    Raises:
        ValueError: a picture cannot be read, or has a side of less than 7 pixels in these sizes.
    """
    image = open_image("result", result)
    photograph = resize_image(open_image("content", content), image.shape[:2])
    styles = [open_image(*each) for each in numbered("style", listed("style", style))]
    fitted = [resize_image(each, fit_size(each.shape[:2], max(image.shape[:2]))) for each in styles]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [
            np.float64(patch_distance(image, each, seed=seed))
            / patch_distance(photograph, each, seed=seed)
            for each in fitted
        ]
        noise = [np.float64(fine_detail(image)) / fine_detail(each) for each in fitted]
    return StyleMetrics(
        float(np.mean(shares)), gradient_correlation(image, photograph), float(np.mean(noise))
    )
