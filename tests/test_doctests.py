"""The examples in docstrings run, and what people call first has one.

They take `jnst`, NumPy as `np` and `jax.numpy` as `jnp` as imported, and write into a new folder.
"""

import doctest
import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import jnst

NEEDED = {
    *("Config", "add_margin", "citation", "contact_sheet", "content_loss", "extract_features"),
    *("gram_matrix", "load_image", "load_network", "plan_levels", "preset", "remove_margin"),
    *("save_image", "style_loss", "stylize", "texture", "total_variation_loss"),
}


def examples(name):
    """The docstrings of a public name, and of a class's methods, that have examples."""
    value = getattr(jnst, name)
    if not callable(value):
        return []
    names = {"jnst": jnst, "np": np, "jnp": jnp}
    module = inspect.getmodule(value)
    return doctest.DocTestFinder(exclude_empty=True).find(value, name, module, names)


EXAMPLES = [test for name in jnst.__all__ for test in examples(name) if test.examples]


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_examples(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


def test_what_people_call_first_has_one():
    assert {test.name.partition(".")[0] for test in EXAMPLES} >= NEEDED
