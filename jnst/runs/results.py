"""What a run leaves: `Result`, its recipe inside the picture file, and the way back."""

import dataclasses
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import struct
from jaxtyping import Float, Int
from PIL import Image as PillowImage

from jnst.common.brief import brief
from jnst.common.validation import several, shown
from jnst.common.version import __version__
from jnst.images.encoding import save_image
from jnst.images.files import check_writable
from jnst.images.pixels import to_uint8
from jnst.optimizers.state import Info
from jnst.runs.footprint import WHOLE, Fit
from jnst.runs.levels import plan_levels
from jnst.runs.notebook import STRIP_HEIGHT, picture_bundle, strip
from jnst.settings.config import Config
from jnst.settings.terms import Terms

VERSIONS_OF = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")

_LARGEST_RANGE = 1e6
"""From the largest value down to the linear part of a plot, which shows what is not positive."""


def number_or_none(value: Float[np.ndarray, ""]) -> float | None:
    """A number for JSON, which has none that are not finite: None in their place."""
    return float(value) if np.isfinite(value) else None


class History(struct.PyTreeNode):
    """One entry a step: the values before the image moved, and the longer side it had."""

    loss: Float[np.ndarray, " steps"]
    terms: Terms
    gradient_norm: Float[np.ndarray, " steps"]
    evaluations: Int[np.ndarray, " steps"]
    size: Int[np.ndarray, " steps"]

    def __repr__(self) -> str:
        return brief(self)

    @classmethod
    def empty(cls, weights: Terms) -> "History":
        """The history before the first step, with the terms that there are weights for."""
        nothing = np.zeros(0, np.float32)
        terms = jax.tree.map(lambda _: nothing, weights)
        return cls(nothing, terms, nothing, nothing.astype(int), nothing.astype(int))

    def extend(self, size: int, info: Info, item: int) -> "History":
        """The history with more steps at one size: those of an item in an Info (steps, items)."""
        taken = jax.tree.map(lambda values: np.asarray(values)[:, item], info)
        sizes = np.full(len(taken.loss), size)
        more = History(taken.loss, taken.terms, taken.gradient_norm, taken.evaluations, sizes)
        return jax.tree.map(np.append, self, more)

    def by_term(self) -> dict[str, Float[np.ndarray, " steps"]]:
        """The unweighted terms by name: "content/relu4_2", "total_variation"."""
        terms = jax.tree_util.tree_leaves_with_path(self.terms)
        return {
            jax.tree_util.keystr(path, simple=True, separator="/"): term for path, term in terms
        }

    def to_dict(self) -> dict[str, np.ndarray]:
        """A flat column for each value, with an entry a step: for `pandas.DataFrame`.

        Losses have the names of a sweep's results.csv: "loss", "loss/content/relu4_2". Terms are
        unweighted.
        """
        return {
            "step": np.arange(1, len(self.loss) + 1),
            "size": self.size,
            "loss": self.loss,
            **{f"loss/{name}": term for name, term in self.by_term().items()},
            "gradient_norm": self.gradient_norm,
            "evaluations": self.evaluations,
        }

    def plot(self, axes: Any = None) -> Any:
        """Draw the loss and its unweighted terms by step, on matplotlib's `axes` or new ones.

        Returns the axes. A dotted line is where the next size begins. The axis of losses is
        logarithmic; if a term is 0 or negative, it is linear around 0 ("symlog").

        Raises:
            ImportError: there is no matplotlib.
        """
        if axes is None:
            from matplotlib import pyplot

            axes = pyplot.figure().add_subplot()
        steps = np.arange(1, len(self.loss) + 1)
        for name, term in self.by_term().items():
            axes.plot(steps, term, linewidth=0.8, label=name)
        axes.plot(steps, self.loss, color="black", label="loss, weighted")
        for step in np.flatnonzero(np.diff(self.size)) + 1:
            axes.axvline(step + 0.5, color="gray", linestyle=":")
        axes.set(xlabel="step", ylabel="loss")
        axes.set_yscale(**_scale(np.array([self.loss, *self.by_term().values()])))
        axes.legend(fontsize="small")
        return axes


def _scale(values: Float[np.ndarray, "terms steps"]) -> dict[str, Any]:
    """matplotlib's logarithmic scale, or the one that shows what is not positive too."""
    finite = values[np.isfinite(values)]
    if (finite > 0).all():
        return {"value": "log"}
    sizes = np.abs(finite[finite != 0])
    linear = max(sizes.min(), sizes.max() / _LARGEST_RANGE) if sizes.size else 1.0
    return {"value": "symlog", "linthresh": linear}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A stylized image with everything that it takes to make it again.

    `image` is (H, W, 3) float32 sRGB in [0, 1], `alpha` the content's (H, W) or None; `network`
    says which network it was, `content` and `styles` which pictures, by name. `diverged` is the
    step at which the run could not go on; the image is then the best one before. `extra_terms`
    has the weights of a program's own terms, `pictures` the content, if there is one, and styles.
    `fit` says how the last size was made to fit into memory.
    """

    image: Float[np.ndarray, "h w 3"]
    alpha: Float[np.ndarray, "h w"] | None
    history: History
    config: Config
    network: dict[str, str]
    content: str
    styles: list[str]
    diverged: int | None = None
    extra_terms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pictures: tuple[Float[np.ndarray, "_h _w 3"], ...] = ()
    fit: Fit = WHOLE

    def __repr__(self) -> str:
        return f"<Result: {self.summary()}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: the picture, and a line."""
        return picture_bundle(self.image, self.summary())

    def summary(self) -> str:
        """One line: the pictures, the size, the steps, the loss of the image and the network."""
        height, width = self.image.shape[:2]
        pictures = " in the manner of ".join(
            part for part in (self.content, ", ".join(filter(None, self.styles))) if part
        )
        loss = self._losses().get("total")
        parts = [
            pictures,
            f"{height} x {width} pixels",
            f"{self.steps} of {self.planned_steps} steps",
            "" if loss is None else f"loss {loss:.4g}",
            "" if self.diverged is None else f"diverged at step {self.diverged}",
            f"network {self.network['name']}",
        ]
        return ", ".join(part for part in parts if part)

    def compare(self) -> PillowImage.Image:
        """The content, the styles and the result side by side, in the height of the result."""
        image = strip([*self.pictures, self.image], self.image.shape[0])
        return PillowImage.fromarray(to_uint8(image))

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.history.loss)

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run: of its levels together, without those too small to be run."""
        return sum(level.steps for level in plan_levels(self.image.shape[:2], self.config))

    def recipe(self) -> dict[str, Any]:
        """Settings, network, versions, steps taken and the image's losses, as plain values.

        A loss that is not finite is None.
        """
        return {
            "jnst": __version__,
            "content": self.content,
            "styles": self.styles,
            "network": self.network,
            "config": self.config.plain(),
            **({"extra_terms": dict(self.extra_terms)} if self.extra_terms else {}),
            **({"fit": self.fit.plain()} if self.fit != WHOLE else {}),
            "steps": len(self.history.loss),
            "diverged": self.diverged,
            "losses": self._losses(),
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS_OF},
        }

    def _losses(self) -> dict[str, float | None]:
        """Those of the image, the best at the last size; of the last step if it is an average."""
        if not self.steps:
            return {}
        loss, size = self.history.loss, self.history.size
        at_size = np.where((size == size[-1]) & np.isfinite(loss), loss, np.inf)
        best = -1 if self.config.averaging else int(at_size.argmin())
        values = {"total": loss, **self.history.by_term()}
        return {name: number_or_none(each[best]) for name, each in values.items()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, in the format of the suffix, with its recipe inside.

        Raises:
            ImageError: the suffix is unknown or the file cannot be written.
        """
        save_image(path, self.image, alpha=self.alpha, recipe=json.dumps(self.recipe()))


class Results(list[Result]):
    """Results, which a notebook shows as a strip; `save` writes them all."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not self:
            return {"text/plain": "[]"}
        return picture_bundle(
            strip([result.image for result in self], STRIP_HEIGHT), f"{len(self)} results"
        )

    def save(
        self, folder: str | os.PathLike[str], *, names: Sequence[str] | None = None
    ) -> list[Path]:
        """Write every picture with its recipe into a folder, made if need be; returns the paths.

        `names` are names of files, in the order of the results, each with the suffix of its format.
        Without them they are numbers from 1 on with as many digits as the last: 01.png to 12.png.
        As with `Result.save`, a file that is there is replaced, and each is whole or as before.

        Raises:
            ValueError: there is not one name for each result, or one comes twice or has a folder.
            ImageError: a suffix is unknown or a file cannot be written; nothing is, if that is
                known before.
        """
        if names is None:
            digits = len(str(len(self)))
            names = [f"{number:0{digits}}.png" for number in range(1, len(self) + 1)]
        _check_names(names, len(self))
        paths = [Path(folder) / name for name in names]
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path in paths:
            check_writable(path)
        for path, result in zip(paths, self, strict=True):
            result.save(path)
        return paths


def _check_names(names: Sequence[str], count: int) -> None:
    """ValueError unless these are `count` different names of files, without folders."""
    names = several("names", names)
    if len(names) != count:
        raise ValueError(f"names are {len(names)}; one for each of {count} results is accepted")
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name:
            raise ValueError(f"names has {shown(name)}; a file's name without a folder is accepted")
    if len({name.casefold() for name in names}) < count:
        raise ValueError(f"names has one twice: {', '.join(names)}")
