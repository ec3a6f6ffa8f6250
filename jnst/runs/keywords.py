"""The options of the functions that make pictures, as editors, `help` and checkers see them."""

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, get_type_hints

from jax.sharding import Mesh

from jnst.common.validation import unknown
from jnst.images.sources import Source
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.layers import Pooling, Precision
from jnst.objective.extra_terms import ExtraTerms
from jnst.runs.resuming import CheckpointFile
from jnst.settings.choices import (
    Color,
    Convention,
    Optimizer,
    Pixels,
    Propagation,
    Schedule,
    TileUntil,
    Transformation,
    Variation,
)
from jnst.settings.config import Config

AnyNetwork: TypeAlias = FeatureNetwork | str | os.PathLike[str]

Function = TypeVar("Function", bound=Callable[..., Any])


class Settings(TypedDict, total=False):
    """The fields of `Config`, which says what they mean; any sequence is a list."""

    size: int
    steps: int
    levels: int
    level_factor: float
    level_sizes: Sequence[int] | None
    level_steps: Sequence[int] | None
    optimizer: Optimizer | Transformation
    learning_rate: float | Schedule | None
    learning_rate_decay: float
    pixels: Pixels
    averaging: float
    init: str | None
    init_content: float
    seed: int
    color: Color
    content_weight: float
    style_weight: float
    tv_weight: float
    content_layers: Sequence[str]
    style_layers: Sequence[str]
    style_loss: Sequence[str]
    content_layer_weights: Sequence[float] | None
    style_layer_weights: Sequence[float] | None
    style_blend: Sequence[float] | None
    style_scale: float
    laplacian_weight: float
    laplacian_pool: int
    temporal_weight: float
    mask_propagation: Propagation
    normalize_gradients: bool
    convention: Convention
    variation: Variation
    pooling: Pooling | None
    precision: Precision
    margin: int
    tile: int | Literal["auto"] | None
    tile_until: TileUntil


class RunOptions(Settings, total=False):
    """What every run takes beside its settings."""

    network: AnyNetwork
    extra_terms: ExtraTerms | None


class OneRunOptions(RunOptions, total=False):
    """What a run takes that has one config."""

    config: Config | None


class PictureOptions(OneRunOptions, total=False):
    """What the run of one picture takes."""

    content_masks: Source | Sequence[Source]
    style_masks: Source | Sequence[Source | None]
    start: Source | None
    previous: tuple[Source, Source] | None
    checkpoint: str | os.PathLike[str] | CheckpointFile | None
    mesh: Mesh | None


DEFAULTS = {"network": "embedded", "content_masks": (), "style_masks": (), "batch_size": "auto"} | {
    field.name: field.default for field in dataclasses.fields(Config)
}
"""Of the options; None is that of all others."""

_MEANINGS = {field.name: field.metadata["help"] for field in dataclasses.fields(Config)}


def with_options(function: Function) -> Function:
    """The function, with its keyword options in its signature and the settings in its docstring.

    An option that it does not have is a ValueError that names the nearest.
    """
    own = inspect.signature(function)
    *parameters, keywords = own.parameters.values()
    [options] = keywords.annotation.__args__
    named = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS.get(name))
        for name in ("network", *_MEANINGS, *get_type_hints(options))
        if name in get_type_hints(options)
    }
    # Without the types, which are in the annotations, it can be read.
    parameters = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    own_options = {
        each.name: each for each in parameters if each.kind == inspect.Parameter.KEYWORD_ONLY
    }
    known = {**named, **own_options}
    positional = [each for each in parameters if each.name not in own_options]
    signature = own.replace(parameters=[*positional, *known.values()])

    @functools.wraps(function)
    def checked(*arguments: Any, **given: Any) -> Any:
        for name in given:
            if name not in signature.parameters:
                raise ValueError(unknown("option", name, known))
        return function(*arguments, **given)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    lines = [f"    {name}: {meaning}" for name, meaning in _MEANINGS.items()]
    checked.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Settings:", *lines])
    return checked  # type: ignore[return-value]
