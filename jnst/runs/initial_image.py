"""The first image of a run."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jnst.images.loading import load_picture
from jnst.images.resizing import resize_image
from jnst.images.transparency import Seen
from jnst.settings.config import Config

Image = Float[np.ndarray, "h w 3"]

IMAGENET_MEAN = np.array([123.68, 116.779, 103.939], np.float32) / 255


def first_image(
    config: Config, content: Image, styles: Sequence[Image], seen: Sequence[Seen | None] = ()
) -> Image:
    """The image that `config.init` names, of the content's shape, in [0, 1].

    "content", which is also meant if it is unset; "style", the first, resized; "gray", 0.5; "mean",
    the mean color of ImageNet, which the networks trained on it subtract; "noise", uniform in
    [0, 1]; "gaussian", 0.5 with deviation 0.25; "colors", gaussian with the mean and the
    covariance of the first style's colors, where it is `seen`; else a picture file, resized.
    `config.init_content` is the share of the content that is blended in, `config.seed` that of the
    noise.

    Raises:
        ValueError: the start needs a style, and there is none.
        ImageError: the file cannot be read.
    """
    image = _start(config, content, styles, seen)
    if not config.init_content:
        return image
    share = np.float32(config.init_content)
    return image + share * (content - image)


def _start(
    config: Config, content: Image, styles: Sequence[Image], seen: Sequence[Seen | None]
) -> Image:
    random, init = np.random.default_rng(config.seed), config.init or "content"
    if init in ("style", "colors") and not styles:
        raise ValueError(f"init is {init!r}, and there is no style")
    match init:
        case "content":
            return content
        case "style":
            return resize_image(styles[0], content.shape[:2])
        case "gray":
            return np.full_like(content, 0.5)
        case "mean":
            return np.broadcast_to(IMAGENET_MEAN, content.shape)
        case "noise":
            return random.random(content.shape, np.float32)
        case "gaussian":
            noise = 0.5 + 0.25 * random.standard_normal(content.shape, np.float32)
            return noise.clip(0, 1)
        case "colors":
            part = seen[0] if seen else None
            pixels = styles[0].reshape(-1, 3) if part is None else styles[0][part]
            covariance = np.cov(pixels.T, bias=len(pixels) == 1) + 1e-8 * np.eye(3)
            noise = random.standard_normal(content.shape, np.float32)
            colors = noise @ np.linalg.cholesky(covariance).T + pixels.mean(0)
            return colors.astype(np.float32).clip(0, 1)
    return resize_image(load_picture(init, size=4 * max(content.shape)).image, content.shape[:2])
