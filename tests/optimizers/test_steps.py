import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnst.common.errors import DivergedError
from jnst.objective.problem import Problem
from jnst.objective.targets import make_targets
from jnst.objective.total import total_loss
from jnst.optimizers.carrying import resize_moments
from jnst.optimizers.loop import _run_chunk, run, run_batch, stack
from jnst.optimizers.named import named_optimizer
from jnst.optimizers.state import init
from jnst.optimizers.steps import make_step
from jnst.settings.config import Config

CONFIG = Config(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), margin=0)


@pytest.fixture(scope="module")
def problem(network):
    return problem_of(network)


def problem_of(network):
    content, style = np.random.default_rng(0).random((2, 20, 24, 3), np.float32)
    return content, network, targets_of(network, content, style, CONFIG), CONFIG.weights()


targets_of = jax.jit(make_targets, static_argnums=3)
loss_and_gradient = jax.jit(jax.value_and_grad(total_loss, 1, has_aux=True))
"""Apart from steps; compiled is as eager, as test_precision.py shows."""


def run_all(optimizer, image, *problem, steps, chunk=5, learning_rate=None):
    """The last state and the losses of all steps."""
    state, losses = init(optimizer, image, learning_rate=learning_rate), []
    for state, info in run(optimizer, state, Problem(*problem), steps=steps, chunk=chunk):  # noqa: B007, B020
        losses += list(info.loss)
    return state, np.array(losses)


@pytest.mark.parametrize("name", ["lbfgs", "adam", "sgd"])
def test_named_optimizers_lower_the_loss(vgg19, name):
    """At their own rates, which are for networks as wide as VGG."""
    _, losses = run_all(named_optimizer(name), *problem_of(vgg19), steps=12)
    assert losses.shape == (12,)
    assert losses[-1] < 0.9 * losses[0]


def test_run_equals_a_plain_loop_of_optax(problem):
    image, network, targets, weights = problem
    transformation = optax.adam(0.02, b2=0.99)
    expected, state, losses = jnp.asarray(image), transformation.init(jnp.asarray(image)), []
    for _ in range(7):
        (loss, _), gradient = loss_and_gradient(network, expected, targets, weights)
        updates, state = transformation.update(gradient, state)
        expected = optax.apply_updates(expected, updates)
        losses.append(loss)
    state, ours = run_all(named_optimizer("adam"), *problem, steps=7, chunk=3)
    np.testing.assert_allclose(ours, losses, rtol=1e-4)
    np.testing.assert_allclose(state.variable, expected, atol=2e-3)


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_the_whole_state_is_donated(problem, name):
    image, *rest = problem
    optimizer = named_optimizer(name)
    state = init(optimizer, image)
    program = _run_chunk.lower(optimizer, "free", 5, False, state, Problem(*rest), 5).compile()
    bytes_of_state = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert program.memory_analysis().alias_size_in_bytes >= bytes_of_state


def test_any_transformation_of_optax_and_its_line_search(problem):
    _, losses = run_all(optax.chain(optax.clip(1e-3), optax.sgd(5.0)), *problem, steps=4)
    assert losses[-1] < losses[0]
    optimizer = optax.lbfgs()
    state = init(optimizer, problem[0])
    (_, info), *_ = run(optimizer, state, Problem(*problem[1:]), steps=3, chunk=3)
    assert info.loss[-1] < info.loss[0]
    assert info.evaluations.min() >= 2


def test_lbfgs_spends_one_gradient_an_iteration(problem):
    step = make_step(named_optimizer("lbfgs"))
    image, *rest = problem
    jaxpr = str(jax.make_jaxpr(step)(init(named_optimizer("lbfgs"), image), Problem(*rest)))
    # Three convolutions forward, three back: the loss and its gradient, once.
    assert jaxpr.count("conv_general_dilated[") == 6


def test_info_describes_the_step_before_the_image_moved(problem):
    image, network, targets, weights = problem
    state = init(named_optimizer("adam"), image)
    _, info = jax.jit(make_step(named_optimizer("adam")))(state, Problem(network, targets, weights))
    (loss, terms), gradient = loss_and_gradient(network, image, targets, weights)
    np.testing.assert_allclose(info.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(info.gradient_norm, jnp.linalg.norm(gradient), rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), info.terms, terms)
    assert info.finite and info.evaluations == 1


def test_the_best_image_has_the_lowest_loss(problem):
    _, network, targets, weights = problem
    state, losses = run_all(named_optimizer("adam"), *problem, steps=9, learning_rate=0.3)
    assert (np.diff(losses) > 0).any()
    np.testing.assert_allclose(state.best_loss, losses.min(), rtol=1e-6)
    (again, _), _ = loss_and_gradient(network, state.best_image, targets, weights)
    np.testing.assert_allclose(again, losses.min(), rtol=1e-4)


def test_vmapped_steps_equal_single_ones(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("lbfgs")
    step = make_step(optimizer)
    images = [jnp.asarray(image), jnp.asarray(image)[::-1]]
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[init(optimizer, i) for i in images])
    both = jax.jit(jax.vmap(step, in_axes=(0, None)))
    single = jax.jit(step)
    apart = [init(optimizer, image) for image in images]
    for _ in range(4):
        states, infos = both(states, Problem(network, targets, weights))
        for k in range(2):
            apart[k], info = single(apart[k], Problem(network, targets, weights))
            np.testing.assert_allclose(infos.loss[k], info.loss, rtol=1e-3)


def test_weights_images_rates_and_networks_never_recompile(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("adam")
    run_all(optimizer, image, network, targets, weights, steps=5)
    before = _run_chunk._cache_size()
    renamed = network.replace(name="another", digest="0")
    other = targets_of(network, image[::-1], image[:, ::-1], CONFIG)
    run_all(optimizer, image[::-1], renamed, targets, weights, steps=3, learning_rate=0.5)
    for values in ({"style_weight": 3.0}, {"content_weight": 0}, {"style_layer_weights": (1, 2)}):
        run_all(optimizer, image, network, other, CONFIG.replace(**values).weights(), steps=11)
    assert _run_chunk._cache_size() == before


def test_the_callers_image_survives_and_the_state_is_donated(problem):
    optimizer = named_optimizer("lbfgs")
    image = jnp.asarray(problem[0])
    state = init(optimizer, image)
    next(run(optimizer, state, Problem(*problem[1:]), steps=1))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not image.is_deleted()


@pytest.mark.parametrize("items", [1, 2])
def test_a_step_is_traced_once(problem, monkeypatch, items):
    traced = []

    def make_counted(*arguments, **options):
        step = make_step(*arguments, **options)

        def counted(*arguments):
            traced.append(step)
            return step(*arguments)

        return counted

    monkeypatch.setattr(sys.modules["jnst.optimizers.loop"], "make_step", make_counted)
    optimizer = optax.sgd(0.1)  # of its own, for which nothing has been traced
    image, network, targets, weights = problem
    state, targets, weights = (
        stack([each] * items) for each in (init(optimizer, image), targets, weights)
    )
    next(run_batch(optimizer, state, Problem(network, targets, weights), steps=1))
    assert len(traced) == 1


def test_no_steps_yield_nothing_and_compile_nothing(problem, monkeypatch):
    monkeypatch.setattr(sys.modules["jnst.optimizers.loop"], "_run_chunk", None)
    state = init(named_optimizer("adam"), problem[0])
    assert list(run(named_optimizer("adam"), state, Problem(*problem[1:]), steps=0)) == []


def test_divergence_is_raised_with_the_step_and_the_last_finite_image(problem):
    _, network, targets, weights = problem
    with pytest.raises(DivergedError, match=r"not finite at step [1-9]") as caught:
        run_all(named_optimizer("sgd"), *problem, steps=30, learning_rate=1e30)
    assert np.isfinite(caught.value.image).all()
    (loss, _), _ = loss_and_gradient(network, caught.value.image, targets, weights)
    assert np.isfinite(loss)


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
def test_a_loss_that_never_was_finite_is_raised_at_step_zero(problem, name):
    image, network, targets, weights = problem
    broken = jax.tree.map(lambda leaf: leaf * jnp.inf, weights)
    with pytest.raises(DivergedError, match="not finite at step 0") as caught:
        run_all(named_optimizer(name), image, network, targets, broken, steps=10)
    np.testing.assert_array_equal(caught.value.image, image)


def test_refusals(problem):
    with pytest.raises(ValueError, match="optimizer is 'rmsprop'; accepted: lbfgs, adam, sgd"):
        named_optimizer("rmsprop")
    with pytest.raises(ValueError, match="takes no learning_rate; adam, sgd, and what"):
        init(named_optimizer("lbfgs"), problem[0], learning_rate=1.0)


def test_a_chunk_that_ends_in_a_bad_image_names_the_step_that_would_see_it(problem):
    def update(gradient, count, params=None):
        return gradient * 0 + jnp.where(count == 4, jnp.inf, 0.0), count + 1

    optimizer = optax.GradientTransformation(lambda _: jnp.int32(0), update)
    with pytest.raises(DivergedError, match="not finite at step 5"):
        run_all(optimizer, *problem, steps=10)
    state, losses = run_all(optimizer, *problem, steps=5)
    assert np.isfinite(losses).all() and np.isfinite(state.best_image).all()


def test_a_nested_learning_rate_is_found_and_the_error_survives_pickling(problem):
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=1.0)
    state = init(optax.chain(optax.clip(1.0), adam), problem[0], learning_rate=0.5)
    assert float(optax.tree.get(state.optimizer_state, "learning_rate")) == 0.5
    error = pickle.loads(pickle.dumps(DivergedError(3, np.ones((2, 2, 3)))))
    assert error.step == 3 and error.image.shape == (2, 2, 3)


def test_sigmoid_keeps_pixels_inside(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("lbfgs")
    begin = init(optimizer, image, pixels="sigmoid")
    losses = []
    for state, info in run(
        optimizer, begin, Problem(network, targets, weights), steps=9, pixels="sigmoid"
    ):
        assert state.best_image.min() > 0 and state.best_image.max() < 1
        losses += list(info.loss)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(
        init(optimizer, image, pixels="sigmoid").variable,
        np.log(np.clip(image, 0.01, 0.99) / (1 - np.clip(image, 0.01, 0.99))),
        atol=1e-4,
    )


def test_projection_keeps_pixels_inside(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("adam")
    for pixels, inside in (("free", False), ("projected", True)):
        state = init(optimizer, image, learning_rate=0.5)
        (state, _), *_ = run(
            optimizer, state, Problem(network, targets, weights), steps=5, pixels=pixels
        )
        assert (state.variable.min() >= 0 and state.variable.max() <= 1) == inside


def test_average_of_the_iterates(problem):
    """Crowson's EMA: value = d value + (1 - d) x, divided by 1 - d^n."""
    image, network, targets, weights = problem
    optimizer = named_optimizer("adam")
    step = jax.jit(make_step(optimizer))
    state = init(optimizer, image, averaging=0.7)
    value, images = np.zeros_like(image), []
    for count in range(1, 5):
        images.append(np.asarray(state.variable))
        state, _ = step(state, Problem(network, targets, weights))
        value = 0.7 * value + 0.3 * images[-1]
        np.testing.assert_allclose(state.result, value / (1 - 0.7**count), atol=1e-5)
    assert (np.asarray(init(optimizer, image).result) == image).all()


def test_the_rate_decays(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("sgd")
    step = jax.jit(make_step(optimizer))
    moved = {}
    for decay in (1.0, 0.5):
        state = init(optimizer, image, learning_rate=1e-3, learning_rate_decay=decay)
        state, _ = step(state, Problem(network, targets, weights))
        before = state.variable
        _, gradient = loss_and_gradient(network, before, targets, weights)
        state, _ = step(state, Problem(network, targets, weights))
        moved[decay] = np.linalg.norm(state.variable - before) / np.linalg.norm(gradient)
    np.testing.assert_allclose(moved[1.0], 1e-3, rtol=1e-2)
    np.testing.assert_allclose(moved[0.5] / moved[1.0], 0.5**0.01, rtol=1e-3)


def twice(values, axis):
    """Twice as many along an axis, linearly between the centers of pixels."""
    values = np.moveaxis(values, axis, 0)
    before, after = (
        np.concatenate([values[:1], values[:-1]]),
        np.concatenate([values[1:], values[-1:]]),
    )
    between = np.stack([(before + 3 * values) / 4, (3 * values + after) / 4], 1)
    return np.moveaxis(between.reshape(-1, *values.shape[1:]), 0, axis)


def test_adams_memory_is_carried_over(problem):
    image, network, targets, weights = problem
    optimizer = named_optimizer("adam")
    (state, _), *_ = run(
        optimizer, init(optimizer, image), Problem(network, targets, weights), steps=5
    )
    larger = init(optimizer, np.zeros((2 * image.shape[0], 2 * image.shape[1], 3), np.float32))
    carried = resize_moments(state, larger, 0)
    assert carried.variable is larger.variable
    for name, scale in ("mu", 1 / 4), ("nu", 1 / 16):
        before = optax.tree.get(state.optimizer_state, name)
        moment = optax.tree.get(carried.optimizer_state, name)
        expected = scale * twice(twice(np.float64(before), 0), 1)
        np.testing.assert_allclose(moment, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert optax.tree.get(carried.optimizer_state, "nu").min() >= 0
    leaves = jax.tree.leaves(carried.optimizer_state)
    counts = [int(leaf) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.integer)]
    assert set(counts) == {5}


def test_adams_memory_of_the_margin_is_a_reflection():
    """Resized with it, the moments would lie beside the pixels that they are for."""
    optimizer = named_optimizer("adam")
    small, large = (init(optimizer, np.zeros((side, side, 3), np.float32)) for side in (16, 24))
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32)[:, None, None], (16, 16, 3))
    memory = optax.tree.set(small.optimizer_state, mu=ramp)
    carried = resize_moments(small.replace(optimizer_state=memory), large, 4)
    moment = optax.tree.get(carried.optimizer_state, "mu")[:, 0, 0]
    expected = jax.image.resize(ramp[4:-4, 0, 0], (16,), "linear") / 4
    np.testing.assert_allclose(moment, np.pad(expected, 4, mode="symmetric"), rtol=1e-5)
