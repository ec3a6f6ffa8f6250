"""File names of a sweep's pictures: the settings that vary, and a short id."""

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from jnst.common.atomic import LONGEST_NAME

SHORT = 8  # digits of a short id
_FILES = ("content", "style", "network")
_MARKS = "_+-"
_SUFFIX = ".png"


def picture_names(points: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A file name for each point, by id, from those of its settings that vary.

    Example: starry_night-style_weight-10-2677d942.png. Pictures and networks are named by their
    stems, other settings have their names too. All names differ, also where upper and lower case
    are the same; names that would be equal get the whole id.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for id, settings in points.items():
        name = _name(settings, id[:SHORT])
        if name.casefold() in taken:
            name = _name(settings, id)
        taken.add(name.casefold())
        names[id] = name
    return names


def is_picture_name(text: str) -> bool:
    """Whether a name in a record is the name of a PNG file without a folder, on any system."""
    stem = text.removesuffix(_SUFFIX)
    return (
        stem != text
        and stem.strip(".") == stem != ""
        and all(_is_plain(c) or c == "." for c in stem)
        and len(text.encode()) <= LONGEST_NAME
    )


def short_id(name: str) -> str:
    """The short id at the end of a picture's name."""
    return name.removesuffix(_SUFFIX).rpartition("-")[2][:SHORT]


def _name(settings: Mapping[str, Any], id: str) -> str:
    words = [_words(name, value) for name, value in settings.items()]
    room = LONGEST_NAME - len(f"-{id}{_SUFFIX}")
    if len("-".join(words).encode()) > room:
        words = [_cut(text, room // len(words) - 1) for text in words]
    return "-".join([*filter(None, words), id]) + _SUFFIX


def _words(name: str, value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    if name in _FILES:
        return "+".join(_plain(os.path.splitext(each)[0]) for each in values)
    return f"{name}-{'+'.join(map(_setting, values))}"


def _setting(value: Any) -> str:
    # Only numbers have a point: what is before the first one must not be the name of a device.
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if isinstance(value, int) else _plain(str(value))


def _plain(text: str) -> str:
    """The text with an underscore for each character but letters and digits of any alphabet."""
    normal = unicodedata.normalize("NFC", text)
    plain = "".join(c if _is_plain(c) else "_" for c in normal)
    return re.sub("_+", "_", plain).strip("_-")


def _is_plain(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "LMN"


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
