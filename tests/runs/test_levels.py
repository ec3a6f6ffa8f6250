import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnst.objective import style_targets
from jnst.objective.margin import add_margin, remove_margin
from jnst.runs import engine, problems
from jnst.runs.jobs import Job
from jnst.runs.levels import plan_levels, style_shape
from jnst.settings.config import Config

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


@settings(repeatable, max_examples=40)  # each shape is compiled
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


def run_levels(network, content, style, initial_image, *configs, resume=None):
    jobs = [Job(content, (style,), initial_image, config) for config in configs]
    return engine.run_levels(network, jobs, resume=resume)


CONFIG = Config(steps=5, levels=2, margin=16, content_layers="relu1_1", style_layers="relu1_1")


class FakeInfo(NamedTuple):
    loss: np.ndarray
    finite: np.ndarray


def fake_info(steps, finite=True):
    return FakeInfo(np.zeros((steps, 1)), np.full((steps, 1), finite))


def test_levels_are_run_in_turn_each_from_the_last_ones_image(network, monkeypatch):
    """`run_prepared_batch` is replaced by one that ends with a gray, brighter at each level."""
    calls = []

    def run_batch(optimizer, state, problem, *, steps, **_):
        calls.append((state.variable[0], problem.targets, steps))
        gray = jnp.full_like(state.variable, 0.25 * len(calls))
        yield state.replace(best_image=gray, best_loss=jnp.zeros(1)), fake_info(steps)

    monkeypatch.setattr(engine, "run_prepared_batch", run_batch)
    content, style = np.zeros((128, 96, 3), np.float32), np.ones((40, 200, 3), np.float32)
    start = np.full((7, 9, 3), 0.125, np.float32)
    first, second = run_levels(network, content, style, start, CONFIG)
    assert [(at.level, at.steps) for at, _ in (first, second)] == [(0, 3), (1, 2)]
    assert [steps for *_, steps in calls] == [3, 2]
    assert [image.shape for image, *_ in calls] == [(96, 80, 3), (160, 128, 3)]
    np.testing.assert_allclose(calls[0][0], 0.125, atol=1e-6)
    np.testing.assert_allclose(calls[1][0], 0.25, atol=1e-6)
    assert first[0].images[0].shape == (64, 48, 3)
    assert second[0].images[0].shape == (128, 96, 3)
    assert (second[0].images[0] == 0.5).all()
    assert [targets.content["relu1_1"].shape for _, targets, _ in calls] == [
        (1, 96, 80, 2), (1, 160, 128, 2),
    ]  # fmt: skip


def test_a_narrow_style_is_never_too_small_for_the_layers(network, monkeypatch):
    shapes = []

    def describe_style(network, image, mask, layout):
        shapes.append(image.shape[:2])
        return style_targets.describe_style(network, image, mask, layout)

    monkeypatch.setattr(problems, "_describe_style", describe_style)
    monkeypatch.setattr(engine, "run_prepared_batch", lambda *_, **__: iter(()))
    content, style = np.zeros((64, 64, 3), np.float32), np.zeros((20, 200, 3), np.float32)
    config = CONFIG.replace(style_layers="relu5_1", levels=1)
    assert list(run_levels(network, content, style, content, config)) == []
    assert list(run_levels(network, content, style.swapaxes(0, 1), content, config)) == []
    assert shapes == [(16, 160), (160, 16)]


def test_divergence_counts_the_steps_of_earlier_levels(network, monkeypatch):
    def run_batch(optimizer, state, problem, *, steps, **_):
        fine = state.variable.shape[1] >= 128
        lost = jnp.inf if fine else 0.0
        yield state.replace(best_loss=jnp.full(1, lost)), fake_info(steps, not fine)

    monkeypatch.setattr(engine, "run_prepared_batch", run_batch)
    image = np.random.default_rng(0).random((128, 96, 3), np.float32)
    first, second = run_levels(network, image, image, image, CONFIG)
    assert (first[0].diverged, second[0].diverged) == ((None,), (3,))
    assert second[0].images[0].shape == image.shape


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_run_goes_on_from_any_progress_to_the_same_image(network, optimizer):
    rng = np.random.default_rng(0)
    content, style = rng.random((2, 128, 96, 3), np.float32)
    configs = [
        CONFIG.replace(steps=13, optimizer=optimizer, style_weight=weight) for weight in (1, 10)
    ]

    def kept(position):  # the state is donated to the next step
        return position._replace(state=jax.tree.map(jnp.copy, position.state))

    def run(resume=None):
        for position, info in run_levels(network, content, style, content, *configs, resume=resume):
            yield kept(position), info

    whole = list(run())
    assert [(at.level, at.steps) for at, _ in whole] == [(0, 5), (0, 7), (1, 5), (1, 6)]
    for number, (position, _) in enumerate(whole[:-1], 1):
        rest = list(run(kept(position)))
        assert len(rest) == len(whole) - number
        np.testing.assert_array_equal(rest[-1][0].images, whole[-1][0].images)
        np.testing.assert_array_equal(rest[-1][1].loss, whole[-1][1].loss)


@pytest.mark.parametrize(
    ("shape", "longest"),
    [((300, 400), 400), ((25, 400), 400), ((400, 25), 400), ((20, 4000), 1131), ((9, 400), 240)],
)
def test_styles_of_strips_are_of_a_size_with_them(shape, longest):
    style = 3000, 4000
    assert style_shape(style, shape, Config()) == (round(longest * 3 / 4), longest)
    double = style_shape(style, shape, Config(style_scale=2.0))
    assert abs(double[1] - 2 * longest) <= 1
