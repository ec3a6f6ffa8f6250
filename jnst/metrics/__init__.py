"""Figures of a stylized picture without a network, so that none judges its own work.

They show faults that losses do not show, and order the points of a sweep. Judge a picture by eye
all the same. Pictures are paths, PIL images or arrays; sRGB in [0, 1] inside.
"""

from jnst.metrics._detail import fine_detail, gradient_correlation
from jnst.metrics._judging import StyleMetrics, style_metrics
from jnst.metrics._patches import patch_distance

__all__ = [
    "StyleMetrics",
    "fine_detail",
    "gradient_correlation",
    "patch_distance",
    "style_metrics",
]
