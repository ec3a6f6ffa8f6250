"""The total variation of an image by the name of its norm."""

from collections.abc import Callable, Mapping
from functools import partial

from jaxtyping import Array, Float

from jnst import losses
from jnst.objective.regions import masked_variation

Image = Float[Array, "h w 3"]

VARIATIONS: Mapping[str, Callable[[Image], Array]] = {
    "l2": losses.total_variation_loss,
    "l1": partial(losses.total_variation_loss, norm="l1"),
    "nine_point": losses.nine_point_variation_loss,
}


def variation_of(
    image: Image, mask: Float[Array, "h w"] | None, variation: str
) -> Float[Array, ""]:
    """The total variation of an image, or of the part of it that a mask leaves."""
    if mask is None:
        return VARIATIONS[variation](image)
    return masked_variation(image, mask, variation)
