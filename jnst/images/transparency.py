"""Pictures with transparent parts."""

import numpy as np
from jaxtyping import Bool, Float

from jnst.images.loading import Picture
from jnst.images.resizing import resize_image
from jnst.images.samples import block_means

Image = Float[np.ndarray, "h w 3"]
Seen = Bool[np.ndarray, "h w"]


def drawn_colors(picture: Picture) -> Image:
    """The colors of a picture without the white that shows through its transparency."""
    image, alpha = picture
    if alpha is None:
        return image
    opacity = np.where(alpha > 0, alpha, 1)[..., None]
    return ((image - (1 - alpha[..., None])) / opacity).clip(0, 1)


def seen_part(picture: Picture) -> Seen | None:
    """Where a picture counts as visible; None: everywhere.

    Visible is an alpha of at least 1/2, or the largest alpha where no pixel has so much.

    Raises:
        ValueError: the picture is transparent everywhere.
    """
    if picture.alpha is None:
        return None
    most = picture.alpha.max()
    if most == 0:
        raise ValueError("it is transparent everywhere")
    return picture.alpha >= min(0.5, most)


def fill_unseen(image: Image, seen: Seen) -> Image:
    """The image with its invisible parts filled with the colors of the nearest visible parts.

    From coarse to fine: an invisible square of 2 x 2 pixels takes the color of the square twice as
    large (Gortler, Grzeszczuk, Szeliski, Cohen 1996, "The lumigraph", section 3.4).
    """
    if seen.all():
        return image
    height, width = seen.shape
    means, share = block_means(image, seen.astype(np.float32), 2)
    assert share is not None
    coarse = fill_unseen(means, share > 0)
    finer = resize_image(coarse, seen.shape, extent=(height / 2, width / 2))
    return np.where(seen[..., None], image, finer)
