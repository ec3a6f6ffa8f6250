import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst import pyramid
from jnst.config import Config
from jnst.objective import add_margin, remove_margin
from jnst.optimize import DivergedError
from jnst.pyramid import plan_levels

repeatable = settings(derandomize=True, deadline=None, max_examples=200)
sides = st.integers(1, 5000)


@repeatable
@given(sides, sides, st.integers(0, 2000), st.integers(1, 8))
def test_plan_levels(height, width, steps, levels):
    plan = plan_levels((height, width), Config(steps=steps, levels=levels))
    assert plan[-1].shape == (height, width)
    assert 1 <= len(plan) <= levels
    assert sum(level.steps for level in plan) == steps
    for coarse, fine in itertools.pairwise(plan):
        assert max(fine.shape) - 2 * max(coarse.shape) in (0, 1)
        # The aspect stays, to the nearest pixel.
        assert abs(min(coarse.shape) - min(fine.shape) / 2) <= 1
        assert min(coarse.shape) >= 32
        assert max(coarse.shape) >= 64
        assert abs(0.75 * coarse.steps - fine.steps) <= 2
    if len(plan) < levels:
        small = min(plan[0].shape) < 65 or max(plan[0].shape) < 128
        assert small or steps < 8 * len(plan)
    assert steps == 0 or all(level.steps for level in plan)


@pytest.mark.parametrize(
    ("shape", "levels", "expected"),
    [
        ((512, 384), 3, [(128, 96), (256, 192), (512, 384)]),
        ((333, 512), 2, [(166, 256), (333, 512)]),
        ((127, 100), 3, [(127, 100)]),
        ((128, 100), 3, [(64, 50), (128, 100)]),
        ((512, 63), 3, [(512, 63)]),
        ((512, 384), 1, [(512, 384)]),
    ],
)
def test_sizes_of_levels(shape, levels, expected):
    assert [level.shape for level in plan_levels(shape, Config(steps=9, levels=levels))] == expected


def test_each_level_takes_three_quarters_of_the_steps_of_the_last():
    plan = plan_levels((512, 512), Config(steps=370, levels=3))
    assert [level.steps for level in plan] == [160, 120, 90]


@repeatable
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9), st.integers(0, 99))
def test_margin_is_a_reflection_and_comes_off(height, width, margin, seed):
    image = np.random.default_rng(seed).random((height, width, 3), np.float32)
    padded = add_margin(image, margin)
    assert padded.shape == (height + 2 * margin, width + 2 * margin, 3)
    np.testing.assert_array_equal(remove_margin(padded, margin), image)
    rows, columns = (
        [min(k % (2 * n), 2 * n - 1 - k % (2 * n)) for k in range(-margin, n + margin)]
        for n in (height, width)
    )
    np.testing.assert_array_equal(padded, image[rows][:, columns])


def run_levels(network, content, style, start, config):
    levels = plan_levels(content.shape[:2], config)
    scene = pyramid.Scene(content, (style,))
    return pyramid.run_levels(network, scene, start, config, levels=levels)


CONFIG = Config(steps=5, levels=2, margin=16, content_layers="relu1_1", style_layers="relu1_1")


def test_levels_are_run_in_turn_each_from_the_last_ones_image(network, monkeypatch):
    """`run` is replaced by one that ends with a grey, brighter at each level."""
    calls = []

    def run(optimizer, state, network, targets, weights, *, steps, pixels):
        calls.append((state.variable, targets, steps))
        yield state.replace(best_image=jnp.full_like(state.variable, 0.25 * len(calls))), "info"

    monkeypatch.setattr(pyramid, "run", run)
    content, style = np.zeros((128, 96, 3), np.float32), np.ones((40, 200, 3), np.float32)
    start = np.full((7, 9, 3), 0.125, np.float32)
    first, second = run_levels(network, content, style, start, CONFIG)
    assert [first.level, second.level] == [((64, 48), 3), ((128, 96), 2)]
    assert [steps for *_, steps in calls] == [3, 2]
    assert [image.shape for image, *_ in calls] == [(96, 80, 3), (160, 128, 3)]
    np.testing.assert_allclose(calls[0][0], 0.125, atol=1e-6)
    np.testing.assert_allclose(calls[1][0], 0.25, atol=1e-6)
    assert first.image.shape == (64, 48, 3)
    assert second.image.shape == (128, 96, 3)
    assert (second.image == 0.5).all()
    assert [targets.content["relu1_1"].shape for _, targets, _ in calls] == [
        (96, 80, 64), (160, 128, 64),
    ]  # fmt: skip


def test_a_narrow_style_is_never_too_small_for_the_layers(network, monkeypatch):
    shapes = []

    def make_targets(network, content, styles, config, *, regions, previous):
        shapes.append(styles[0].image.shape[:2])

    monkeypatch.setattr(pyramid, "_make_targets", make_targets)
    monkeypatch.setattr(pyramid, "run", lambda *_, **__: iter(()))
    content, style = np.zeros((64, 64, 3), np.float32), np.zeros((20, 200, 3), np.float32)
    config = CONFIG.replace(style_layers="relu5_1", levels=1)
    assert list(run_levels(network, content, style, content, config)) == []
    assert list(run_levels(network, content, style.swapaxes(0, 1), content, config)) == []
    assert shapes == [(16, 160), (160, 16)]


def test_divergence_counts_the_steps_of_earlier_levels(network, monkeypatch):
    def run(optimizer, state, network, targets, weights, *, steps, pixels):
        if state.variable.shape[0] < 128:
            yield state, "info"
        else:
            raise DivergedError(1, np.asarray(state.variable))

    monkeypatch.setattr(pyramid, "run", run)
    image = np.random.default_rng(0).random((128, 96, 3), np.float32)
    progress = run_levels(network, image, image, image, CONFIG)
    next(progress)
    with pytest.raises(DivergedError, match="not finite at step 4") as caught:
        next(progress)
    assert caught.value.step == 4
    assert caught.value.image.shape == image.shape
