"""The axes of a sweep: settings, some of them zipped, with the values that they go through."""

from typing import Any


def separate(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of zipped axes one by one: {"a, b": [1, 2]} is {"a": 1, "b": 2}."""
    separated: dict[str, Any] = {}
    for name, value in settings.items():
        names = name.split(", ")
        separated |= zip(names, value, strict=True) if len(names) > 1 else {name: value}
    return separated


def varying_settings(axes: dict[str, list[Any]]) -> list[str]:
    """The settings of the axes that have several values, in order."""
    return [name for axis, values in axes.items() if len(values) > 1 for name in axis.split(", ")]
