"""Terms of the objective that a program brings."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jaxtyping import Array, Float

from jnst.common.validation import finite_number, shown
from jnst.settings.fields import LARGEST_NUMBER

Term: TypeAlias = Callable[[Float[Array, "h w 3"], Mapping[str, Array]], Float[Array, ""]]
"""A function of the image (H, W, 3), sRGB in [0, 1], and its features (H', W', C) by layer.

The layers are those of `content_layers` and `style_layers`, one of weight 0 too. What else it reads
is fixed when it is first traced.
"""

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
        number = finite_number(weight, term[0], minimum=0, maximum=LARGEST_NUMBER)
        checked[name] = number, term[1] if isinstance(term[1], _OwnTerm) else _OwnTerm(term[1])
    return checked


class _OwnTerm:
    """A function that is equal to itself alone, whatever its object says: static under jit."""

    def __init__(self, function: Term):
        self._function = function
        # A method is another object each time that it is looked up.
        self._key = (
            id(getattr(function, "__self__", None)),
            id(getattr(function, "__func__", function)),
        )

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OwnTerm) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def functions_of(terms: ExtraTerms) -> tuple[tuple[str, Term], ...]:
    """The own terms without their weights: what is static under jit."""
    return tuple((name, function) for name, (_, function) in terms.items())


def extra_term(
    name: str, function: Term, image: Float[Array, "h w 3"], features: Mapping[str, Array]
) -> Float[Array, ""]:
    """The value of an own term; ValueError if it is no scalar."""
    value = function(image, features)
    if getattr(value, "shape", None) != ():
        raise ValueError(f"extra term {name!r} is {shown(value)}; an array of shape () is accepted")
    return value.astype(image.dtype)
