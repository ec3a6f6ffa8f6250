"""What a run is given: pictures, a first image and settings."""

import dataclasses
import hashlib
from collections.abc import Hashable, Sequence

import jax
import numpy as np
from jaxtyping import Float

from jnst.common.brief import brief
from jnst.images.resizing import resize_image
from jnst.objective.extra_terms import ExtraTerms
from jnst.runs.colors import colored_after
from jnst.runs.footprint import WHOLE, Fit
from jnst.runs.levels import Level, plan_levels
from jnst.runs.results import History, Result
from jnst.settings.config import Config
from jnst.settings.terms import Terms

Image = Float[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One picture to be made. Pictures are sRGB in [0, 1]; the result has the size of `content`.

    `initial_image` and `styles` are each of a size of their own. `content_masks` holds one mask
    (H, W) in [0, 1] for each region, style k being for region k; without any there is one region.
    `style_masks` says for each style which part of it counts. `previous` is the last frame of a
    video, moved to this one, and where that is reliable. `extra_terms` are a program's own: see
    `make_targets`.

    The rest is for the result. `original` is the content in its own colors, `alpha` its
    transparency; `content_name` and `style_names` are the names of the pictures, and `pictures` are
    what they show.
    """

    content: Image
    styles: tuple[Image, ...]
    initial_image: Image
    config: Config
    content_masks: tuple[Mask, ...] = ()
    style_masks: tuple[Mask | None, ...] = ()
    previous: tuple[Image, Mask] | None = None
    extra_terms: ExtraTerms = dataclasses.field(default_factory=dict)
    original: Image | None = None
    alpha: Mask | None = None
    content_name: str = ""
    style_names: tuple[str, ...] = ()
    pictures: tuple[Image, ...] = ()

    def __repr__(self) -> str:
        return brief(self)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The sizes that it goes through, and the steps at each."""
        return plan_levels(self.content.shape[:2], self.config)

    def masks_of_styles(self) -> tuple[Mask | None, ...]:
        """A mask or None for each style."""
        return self.style_masks or (None,) * len(self.styles)

    def weights(self) -> Terms:
        """The weight of each term."""
        return self.config.weights(self.extra_terms)

    def image(self, image: Image) -> Image:
        """An image of any level as the result that it is so far: a copy, the caller's own."""
        original = self.content if self.original is None else self.original
        resized = resize_image(image, original.shape[:2])
        colored = colored_after(self.config, resized, original)
        return colored.copy() if colored is image else colored

    def result(
        self,
        image: Image,
        history: History,
        network: dict[str, str],
        diverged: int | None = None,
        fit: Fit = WHOLE,
    ) -> Result:
        """The Result with an image of any level."""
        return Result(
            self.image(image),
            self.alpha,
            history,
            self.config,
            network,
            self.content_name,
            [*self.style_names],
            diverged,
            {name: weight for name, (weight, _) in self.extra_terms.items()},
            self.pictures,
            fit,
        )


def share_pictures(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, those with equal pictures holding the same one: targets are then made once."""
    if len(jobs) == 1:
        return [*jobs]
    seen: dict[Hashable, np.ndarray] = {}
    digests: dict[int, Hashable] = {}

    def shared(array: np.ndarray) -> np.ndarray:
        if id(array) not in digests:
            values = hashlib.blake2b(np.ascontiguousarray(array).data).digest()
            digests[id(array)] = array.shape, values
        return seen.setdefault(digests[id(array)], array)

    return [
        dataclasses.replace(
            job,
            **{
                name: jax.tree.map(shared, getattr(job, name))
                for name in ("content", "styles", "content_masks", "style_masks", "previous")
            },
        )
        for job in jobs
    ]
