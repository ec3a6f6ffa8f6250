"""What checks annotations at run time in every test, for jaxtyping's hook: `annotations.check`.

pyproject.toml names the packages whose annotations are checked: those of arrays.

A whole number is taken where a float is expected, as type checkers do, and a NumPy array where one
of JAX is, as JAX does. The fields of a dataclass are not checked: JAX puts what is no array into
those that are pytrees. What a test expects to be refused is not checked: the refusal is.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeCallHintParamViolation

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
_raises = pytest.raises


def check(function: Any) -> Any:
    """The function, which refuses what is not as annotated, with arrays of either library."""
    if function.__name__ == "__init__":
        return function
    checked = _checked(function)

    @functools.wraps(checked)
    def with_either_array(*arguments: Any, **options: Any) -> Any:
        try:
            return checked(*arguments, **options)
        except BeartypeCallHintParamViolation:
            given = arguments, options
            arguments, options = jax.tree.map(_as_jax, given, is_leaf=dataclasses.is_dataclass)
            return checked(*arguments, **options)

    return with_either_array


def _as_jax(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, np.ndarray) else value


@contextlib.contextmanager
def _unchecked_raises(*arguments: Any, **options: Any) -> Iterator[Any]:
    with _raises(*arguments, **options) as caught:
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            yield caught
        finally:
            jaxtyping.config.update("jaxtyping_disable", False)


pytest.raises = _unchecked_raises
