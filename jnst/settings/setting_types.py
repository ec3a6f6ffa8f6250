"""The types of the settings, as the command and plans read them."""

import types
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from jnst.settings.config import Config


class SettingType(NamedTuple):
    """The type of a setting's value, or of each of its values if it is a list of them.

    `words` are accepted in its place.
    """

    each: Any
    is_list: bool
    words: tuple[str, ...] = ()


def setting_type(name: str) -> SettingType:
    """What a setting is by the first of its types, which is the one that text can say."""
    hint = get_type_hints(Config)[name]
    words: tuple[str, ...] = ()
    if get_origin(hint) in (Union, types.UnionType):
        hint, *others = get_args(hint)
        words = tuple(
            word for other in others if get_origin(other) is Literal for word in get_args(other)
        )
    is_list = get_origin(hint) is tuple
    return SettingType(get_args(hint)[0] if is_list else hint, is_list, words)
