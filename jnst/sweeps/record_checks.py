"""Whether what was read from the folder of a sweep is what a sweep writes."""

import re
from typing import Any

from jnst.sweeps.picture_names import is_picture_name
from jnst.sweeps.table import KINDS

FORMAT = 1


def is_index(value: Any) -> bool:
    """Whether it is what sweep.json holds."""
    if not _has(value, format=int, title=str, axes=dict, inputs=dict, points=list):
        return False
    axes = value["axes"]
    return (
        value["format"] == FORMAT
        and all(_is_axis(name, values) for name, values in axes.items())
        and all(isinstance(path, str) for path in value["inputs"].values())
        and all(_is_point(point, axes) for point in value["points"])
    )


def _is_axis(name: str, values: Any) -> bool:
    together = len(name.split(", "))
    return isinstance(values, list) and (
        together == 1 or all(isinstance(v, list) and len(v) == together for v in values)
    )


def _is_point(value: Any, axes: dict[str, list]) -> bool:
    # The id is a part of paths and addresses.
    if not _has(value, id=str, at=list) or not re.fullmatch(r"[\w-]+", value["id"], re.ASCII):
        return False
    at = value["at"]
    return len(at) == len(axes) and all(
        type(place) is int and 0 <= place < len(values)
        for place, values in zip(at, axes.values(), strict=True)
    )


def is_record(value: Any) -> bool:
    """Whether it is the record of a point."""
    number = (int, float)
    number_or_none = (*number, type(None))
    text_or_none = (str, type(None))
    if not _has(value, id=str, settings=dict, recipe=(dict, type(None)), error=text_or_none):
        return False
    if not _has(value, picture=str, sha256=text_or_none) or not is_picture_name(value["picture"]):
        return False
    history = value.get("history")
    if history is not None and not (
        _has(history, loss=list, size=list)
        and history.keys() <= {"loss", "size", *KINDS}
        and all(isinstance(column, list) for column in history.values())
        and len({len(column) for column in history.values()}) == 1
        and all(isinstance(size, number) for size in history["size"])
        and all(isinstance(x, number_or_none) for column in history.values() for x in column)
    ):
        return False
    metrics = value.get("metrics", {})
    if not isinstance(metrics, dict) or not all(
        isinstance(figure, number_or_none) for figure in metrics.values()
    ):
        return False
    recipe = value["recipe"]
    if recipe is None:
        return value["error"] is not None
    return (
        _has(value, seconds=number, gradient_evaluations=int)
        and _has(recipe, content=str, styles=list, network=dict, config=dict)
        and _has(recipe, steps=int, losses=dict)
        and _has(recipe["network"], load=str, digest=str)
        and all(isinstance(style, str) for style in recipe["styles"])
        and all(isinstance(loss, number_or_none) for loss in recipe["losses"].values())
    )


def _has(value: Any, **types: type | tuple[type, ...]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name, ...), kind) for name, kind in types.items()
    )
