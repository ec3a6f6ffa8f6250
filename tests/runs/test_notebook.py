import base64
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jnst
from jnst.common.brief import brief
from jnst.images.loading import Picture
from jnst.objective.targets import make_targets
from jnst.optimizers.named import named_optimizer
from jnst.optimizers.state import init


@pytest.fixture
def result(arrays, small, network):
    return jnst.stylize(*arrays, network=network, **small)


def picture(bundle):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))))


def test_a_result_is_its_picture_with_a_line(result):
    bundle = result._repr_mimebundle_(include=None, exclude=None)
    np.testing.assert_array_equal(picture(bundle), np.rint(result.image * 255))
    line = bundle["text/plain"]
    assert line.startswith("32 x 24 pixels, 6 of 6 steps, loss ")
    assert line.endswith("network random")
    assert f"<div>{line}</div>" in bundle["text/html"]
    assert repr(result) == f"<Result: {line}>"


def test_a_line_is_no_markup(result, tmp_path):
    bundle = jnst.Result(**vars(result) | {"content": "<b>&.png"})._repr_mimebundle_()
    assert "&lt;b&gt;&amp;.png" in bundle["text/html"]


def test_large_pictures_are_shown_small(result):
    large = jnst.Result(**vars(result) | {"image": np.zeros((900, 1536, 3), np.float32)})
    assert picture(large._repr_mimebundle_()).shape == (450, 768, 3)


def test_several_are_a_strip(arrays, small, network):
    content, style = arrays
    results = jnst.stylize_batch(content, [style, style[::-1]], network=network, **small)
    bundle = results._repr_mimebundle_()
    shown = picture(bundle)
    assert shown.shape == (32, 48, 3)
    np.testing.assert_array_equal(shown[:, :24], np.rint(results[0].image * 255))
    assert bundle["text/plain"] == "2 results"
    assert jnst.Results()._repr_mimebundle_() == {"text/plain": "[]"}


def test_every_repr_fits_on_a_screen(result, arrays, small, network):
    content, style = map(jnp.asarray, arrays)
    config = jnst.Config(**small)
    targets = make_targets(network, content, style, config)
    values = [
        result,
        network,
        jnst.prepare_network(network, config.layers()),
        targets,
        targets.style["relu1_1"][0],
        init(named_optimizer("lbfgs"), content),
        result.history,
        config,
        config.weights(),
        Picture(content, None),
        jnst.Style(style),
        jnst.Job(content, (arrays[1],), content, config),
        jnst.Problem(network, targets, config.weights()),
    ]
    for value in values:
        assert len(repr(value)) < 3000, type(value)
        assert type(value).__name__ in repr(value)


def test_brief():
    assert brief(Picture(np.zeros((2, 3, 3), np.float32), None)) == (
        "Picture(image=float32[2,3,3], alpha=None)"
    )
    assert brief({"a": (jnp.ones(2, jnp.int32),), "b": [1, "c"]}) == (
        "{'a': (int32[2],), 'b': [1, 'c']}"
    )
    assert brief(jax.ShapeDtypeStruct((), jnp.bfloat16)) == "bfloat16[]"
