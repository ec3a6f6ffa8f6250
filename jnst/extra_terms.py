"""Terms of the objective that a program brings."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jaxtyping import Array, Float

from jnst.checks import finite_number, shown
from jnst.settings import LARGEST_NUMBER

Term: TypeAlias = Callable[[Float[Array, "h w 3"], Mapping[str, Array]], Float[Array, ""]]
"""A function of the image (H, W, 3), sRGB in [0, 1], and its features (H', W', C) by layer."""

ExtraTerms: TypeAlias = Mapping[str, tuple[float, Term]]
"""Own terms by name, each with its weight."""


def check_extra_terms(terms: Any) -> ExtraTerms:
    """The own terms; ValueError unless they have names, weights and functions."""
    if terms is None:
        return {}
    if not isinstance(terms, Mapping):
        raise ValueError(
            f"extra_terms is {shown(terms)}; names with a weight and a function are accepted"
        )
    checked = {}
    for name, term in terms.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"extra_terms has the name {shown(name)}; text is accepted")
        if not isinstance(term, tuple | list) or len(term) != 2 or not callable(term[1]):
            raise ValueError(
                f"extra term {name!r} is {shown(term)}; a weight and a function of "
                "(image, features) are accepted"
            )
        weight = f"the weight of extra term {name!r}"
        checked[name] = (finite_number(weight, term[0], minimum=0, maximum=LARGEST_NUMBER), term[1])
    return checked


def extra_term(
    name: str, function: Term, image: Float[Array, "h w 3"], features: Mapping[str, Array]
) -> Float[Array, ""]:
    """The value of an own term; ValueError if it is no scalar."""
    value = function(image, features)
    if getattr(value, "shape", None) != ():
        raise ValueError(f"extra term {name!r} is {shown(value)}; an array of shape () is accepted")
    return value.astype(image.dtype)
