"""Pictures that are transparent in parts: the colors that are there, and none for the rest."""

import numpy as np
from jaxtyping import Bool, Float

from jnst.images.loading import Picture
from jnst.images.resizing import resize_image
from jnst.images.samples import block_means

Image = Float[np.ndarray, "h w 3"]
Seen = Bool[np.ndarray, "h w"]


def drawn_colors(picture: Picture) -> Image:
    """The colors under the transparency, which a picture has over white."""
    image, alpha = picture
    if alpha is None:
        return image
    opacity = np.where(alpha > 0, alpha, 1)[..., None]
    return ((image - (1 - alpha[..., None])) / opacity).clip(0, 1)


def seen_part(picture: Picture) -> Seen | None:
    """Where a picture is more than half opaque, or as opaque as it is anywhere; None: all over.

    Raises:
        ValueError: nowhere.
    """
    if picture.alpha is None:
        return None
    most = picture.alpha.max()
    if most == 0:
        raise ValueError("it is transparent everywhere, which leaves nothing to see")
    return picture.alpha >= min(0.5, most)


def fill_unseen(image: Image, seen: Seen) -> Image:
    """The image with the colors of the nearest parts that are seen where nothing is.

    From coarse to fine: what is not seen of squares of 2 x 2 pixels is taken from twice as large
    ones (Gortler, Grzeszczuk, Szeliski, Cohen 1996, "The lumigraph", section 3.4).
    """
    if seen.all():
        return image
    height, width = seen.shape
    means, share = block_means(image, seen.astype(np.float32), 2)
    assert share is not None
    coarse = fill_unseen(means, share > 0)
    finer = resize_image(coarse, seen.shape, extent=(height / 2, width / 2))
    return np.where(seen[..., None], image, finer)
