import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from jax.tree_util import Partial

from jnst.optimizers.lbfgs import lbfgs


def minimize(function, start, steps, **options):
    """Losses at every evaluated point, and the state at the end."""
    optimizer = lbfgs(**options)

    def step(carry, _):
        params, state = carry
        value, gradient = jax.value_and_grad(function)(params)
        updates, state = optimizer.update(gradient, state, params, value=value)
        return (optax.apply_updates(params, updates), state), value

    start = jnp.asarray(start, jnp.float32)
    (_, state), values = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return values, state


def quadratic(x):
    return jnp.sum(jnp.linspace(1, 100, x.size) * jnp.square(x - 1)) / 2


def rosenbrock(x):
    return jnp.sum(100 * jnp.square(x[1:] - jnp.square(x[:-1])) + jnp.square(1 - x[:-1]))


def test_quadratic_is_solved():
    values, _ = minimize(quadratic, np.zeros(10), 40)
    assert values[-1] < 1e-8 * values[0]


def test_as_good_per_gradient_as_scipy():
    start = np.array([-1.2, 1, -0.5, 0.8])
    values, _ = minimize(rosenbrock, start, 80)
    best = []

    def recorded(x):
        value, gradient = jax.value_and_grad(rosenbrock)(jnp.asarray(x, jnp.float32))
        best.append(float(value))
        return float(value), np.asarray(gradient, np.float64)

    scipy.optimize.minimize(
        recorded, start, jac=True, method="L-BFGS-B", options={"maxfun": 80, "ftol": 0}
    )
    assert values.min() <= max(min(best), 1e-6)


def test_pairs_in_bfloat16_solve_as_well():
    values, state = minimize(quadratic, np.zeros(10), 60, memory_type="bfloat16")
    assert state.pairs.steps.dtype == state.pairs.changes.dtype == jnp.uint16
    assert values.min() < 1e-8 * values[0]
    rough, _ = minimize(rosenbrock, [-1.2, 1, -0.5, 0.8], 80, memory_type="bfloat16")
    assert rough.min() < 1e-5


@pytest.mark.parametrize("memory_type", [None, "bfloat16"])
def test_the_pairs_are_not_copied(memory_type):
    """They are nearly all of the memory of a large run."""
    shape = (64, 64, 3)
    optimizer, image = lbfgs(memory_type=memory_type), jax.ShapeDtypeStruct(shape, jnp.float32)

    def step(_, carry):
        params, state = carry
        updates, state = optimizer.update(2 * params, state, params, value=jnp.sum(params**2))
        return optax.apply_updates(params, updates), state

    def steps(carry):
        return jax.lax.fori_loop(0, 3, step, carry)

    carry = image, jax.eval_shape(optimizer.init, image)
    memory = jax.jit(steps, donate_argnums=0).lower(carry).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 10 * 4 * np.prod(shape)


def test_first_step_has_a_length_of_at_most_one():
    for scale in (1e-3, 1e6):
        start = jnp.full(4, 2.0)
        value, gradient = scale * jnp.sum(start**2), 2 * scale * start
        optimizer = lbfgs()
        updates, _ = optimizer.update(gradient, optimizer.init(start), start, value=value)
        length = min(1, float(jnp.linalg.norm(gradient)))
        np.testing.assert_allclose(jnp.linalg.norm(updates), length, rtol=1e-4)
        assert jnp.vdot(updates, gradient) < 0


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e9])
def test_a_loss_that_rises_or_is_not_finite_is_taken_back(bad):
    def walled(x):
        return jnp.where(x[2] > 1.001, bad, quadratic(x))

    values, state = minimize(walled, np.zeros(3), 60)
    values = np.asarray(values)
    accepted = values[np.isfinite(values) & (values < 1e8)]
    assert len(accepted) < len(values)  # the wall was met
    assert state.value == accepted.min() < 1e-6 * values[0]
    assert np.isfinite(state.params).all()


@pytest.mark.parametrize("size", [1e-39, 1e-30, 1e-9, 1.0])
def test_curvature_that_is_rounding_is_forgotten(size):
    """s'y > 0, and so small beside |s| |y| that 1 / s'y overflows or means nothing."""
    optimizer, start = lbfgs(), jnp.array([1.0, 1.0])
    gradient = jnp.array([0.5, 0.0])
    updates, state = optimizer.update(gradient, optimizer.init(start), start, value=jnp.array(2.0))
    # The step is along the first axis; the gradient bends along the second, and hardly there.
    bent = gradient + jnp.array([-1e-9 * size, size], jnp.float32)
    updates, state = optimizer.update(bent, state, start + updates, value=jnp.array(1.0))
    assert state.points == 1  # it has begun anew
    length = min(1, float(jnp.linalg.norm(bent)))
    np.testing.assert_allclose(updates, -bent * length / jnp.linalg.norm(bent), rtol=1e-5)


def test_a_direction_that_is_not_finite_is_a_gradient_step():
    optimizer, start = lbfgs(), jnp.zeros(2)
    gradient = jnp.array([1e-3, 0.0])
    updates, state = optimizer.update(gradient, optimizer.init(start), start, value=jnp.array(2.0))
    pairs = state.pairs._replace(inverses=state.pairs.inverses.at[1].set(jnp.inf))
    state = state._replace(pairs=pairs)
    bent = jnp.array([2e-3, 1e-3])
    updates, state = optimizer.update(bent, state, start + updates, value=jnp.array(1.0))
    np.testing.assert_allclose(updates, -bent, rtol=1e-5)
    assert np.isfinite(state.pairs.inverses).all()


def test_a_step_back_is_a_quarter_of_the_step_on_the_same_line():
    optimizer = lbfgs()
    origin = jnp.array([1.0, 2.0])
    gradient = jnp.array([0.3, 0.4])
    updates, state = optimizer.update(
        gradient, optimizer.init(origin), origin, value=jnp.array(1.0)
    )
    tried = origin + updates
    updates, _ = optimizer.update(gradient, state, tried, value=jnp.array(2.0))
    np.testing.assert_allclose(tried + updates, origin + (tried - origin) / 4, rtol=1e-6)


@pytest.mark.parametrize("start", [[1e-3], [1e-3, 2e-3]])
def test_a_slope_too_steep_for_the_first_step_does_not_hold_it_up(start):
    values, _ = minimize(lambda x: 5e5 * jnp.sum(x**2), np.array(start), 60)
    assert values.min() < 1e-6 * values[0]


def test_negative_curvature_never_leads_uphill():
    values, state = minimize(lambda x: jnp.sum(jnp.cos(3 * x) + 0.1 * x**2), np.full(5, 0.1), 60)
    slope = jnp.vdot(state.gradient, state.direction)
    assert values.min() < -4 * 0.85 and slope >= 0


def test_every_item_of_a_batch_has_its_own_step():
    starts = np.array([[0.0, 0.0, 0.0], [3.0, -2.0, 5.0]])

    def walled(x, wall):
        return jnp.where(x[0] > wall, jnp.inf, quadratic(x))

    walls = np.array([1.2, 1e9])

    def losses(start, wall):
        return minimize(lambda x: walled(x, wall), start, 20)[0]

    together = jax.jit(jax.vmap(losses))(starts, walls)
    losses = jax.jit(losses)
    for k in range(2):
        apart = losses(starts[k], walls[k])
        np.testing.assert_allclose(together[k], apart, rtol=1e-3, atol=1e-5)


def test_preconditioning_is_a_change_of_coordinates():
    factors = jnp.array([0.5, 2.0, 3.0, 0.1])
    start = jnp.array([-1.2, 1, -0.5, 0.8])
    inside, _ = minimize(lambda z: rosenbrock(start + factors * z), np.zeros(4), 40)
    values, state = minimize(
        rosenbrock, start, 40, fit_precondition=lambda *_: Partial(jnp.multiply, factors)
    )
    np.testing.assert_allclose(state.precondition(jnp.ones(4)), factors)
    np.testing.assert_allclose(values[:10], inside[:10], rtol=1e-3)
    np.testing.assert_allclose(values.min(), inside.min(), rtol=0.1, atol=1e-4)


def test_the_root_of_the_inverse_hessian_solves_a_quadratic_at_once():
    """The gradient at 0 is the Hessian's diagonal with a minus."""
    values, _ = minimize(
        quadratic,
        np.zeros(10),
        4,
        fit_precondition=lambda gradient, _: Partial(jnp.multiply, 1 / jnp.sqrt(-gradient)),
    )
    assert values[-1] < 1e-8 * values[0]


def test_preconditioning_is_fitted_once_to_the_first_finite_gradient():
    optimizer = lbfgs(fit_precondition=lambda *each: Partial(_sum, each))
    update = jax.jit(optimizer.update)
    start = jnp.full(3, 2.0)
    state = optimizer.init(start)
    for gradient, value in ((jnp.nan, 1.0), (0.5, jnp.inf), (0.25, 1.0), (0.75, 0.5)):
        _, state = update(jnp.full(3, gradient), state, start, value=jnp.array(value))
        fitted = state.precondition.args[0]
        expected = (0.25, 2.0) if gradient in (0.25, 0.75) else (0, 0)
        for array, number in zip(fitted, expected, strict=True):
            np.testing.assert_array_equal(array, jnp.full(3, number))


def test_every_item_of_a_batch_has_its_own_precondition():
    optimizer = lbfgs(fit_precondition=lambda *each: Partial(_sum, each))
    start = jnp.full((2, 3), 2.0)
    state = jax.vmap(optimizer.init)(start)

    @jax.jit
    @jax.vmap
    def update(gradient, state, params):
        return optimizer.update(gradient, state, params, value=jnp.float32(1))

    for gradients in ((jnp.nan, 0.25), (0.5, 0.75)):
        gradients = jnp.broadcast_to(jnp.array(gradients)[:, None], (2, 3))
        _, state = update(gradients, state, start)
    np.testing.assert_array_equal(state.precondition.args[0][0][:, 0], [0.5, 0.25])


def _sum(fitted, updates):
    return updates * (1 + sum(fitted))
