"""Devices that share a picture or a batch come to what one device comes to."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.common.devices import check_mesh, device_mesh
from jnst.networks.vgg import extract_features
from jnst.objective.problem import Problem
from jnst.optimizers.loop import _run_chunk, run_prepared_batch, stack
from jnst.optimizers.named import named_optimizer
from jnst.optimizers.sharing import ONE_DEVICE, SharedItems, SharedRows
from jnst.optimizers.state import init
from jnst.settings.config import Config

CONFIG = Config(
    content_layers=("relu3_1",),
    style_layers=("relu1_1", "pool1"),
    style_loss=("gram", "covariance"),
)


def picture(shape, seed, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(seed).random((*shape, 3)), dtype)


def problem_of(network, shape, count, sharing=ONE_DEVICE):
    """Targets of a content in `count` styles, and the images."""
    layout = CONFIG.layout().replace(mesh=sharing.rows)
    make = jax.jit(jnst.make_targets, static_argnums=3)
    content = picture(shape, 1)
    styles = [picture((40, 51), 2 + number) for number in range(count)]
    targets = stack([make(network, content, style, layout) for style in styles])
    images = jnp.stack([jnst.add_margin(picture(shape, 9), CONFIG.margin)] * count)
    return Problem(network, targets, stack([CONFIG.weights()] * count)), images


def run_steps(network, optimizer, shape, sharing, *, count=1, steps=4):
    sharing = sharing.with_height(shape[0] + 2 * CONFIG.margin)
    problem, images = problem_of(network, shape, count, sharing)
    begin = jax.jit(lambda images: sharing.shared(jax.vmap(partial(init, optimizer))(images)))
    chunks = run_prepared_batch(
        optimizer, begin(images), sharing.place_problem(problem), steps=steps, sharing=sharing
    )
    *_, (state, info) = chunks
    return sharing.whole(state), info


@pytest.mark.parametrize(
    ("devices", "shape", "pooling"),
    [(1, (61, 50), "max"), (2, (61, 50), "average"), (4, (96, 48), "max"), (8, (61, 50), "max")],
)
def test_the_loss_the_gradient_and_the_maps_in_float64(network, devices, shape, pooling):
    """At a height that divides, with the margin, and at one that does not."""
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(leaf, "float64"), network)
        layers = ("conv1_2", "pool1", "relu3_1", "pool3")

        @partial(jax.jit, static_argnums=1)
        def evaluate(image, mesh):
            layout = CONFIG.layout().replace(mesh=mesh, pooling=pooling)
            style = picture((40, 51), 2, "float64")
            targets = jnst.make_targets(double, picture(shape, 1, "float64"), style, layout)

            def loss(image):
                return jnst.total_loss(double, image, targets, CONFIG.weights())[0]

            maps = extract_features(double, image, layers, pooling=pooling, mesh=mesh)
            return jax.value_and_grad(loss)(image), maps

        image = jnst.add_margin(picture(shape, 9, "float64"), CONFIG.margin)
        expected, values = evaluate(image, None), evaluate(image, device_mesh(devices))
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), values, expected)


def test_the_steps_of_a_picture(network):
    run = partial(run_steps, network, named_optimizer("lbfgs"), (61, 50))
    alone, expected = run(ONE_DEVICE)
    state, info = run(SharedRows(device_mesh(8)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4), info, expected)
    np.testing.assert_allclose(state.variable, alone.variable, atol=2e-4)


def test_the_items_of_a_batch(network):
    """Two for each device."""
    run = partial(run_steps, network, named_optimizer("lbfgs"), (40, 50), count=4)
    alone, expected = run(ONE_DEVICE)
    state, info = run(SharedItems(device_mesh(2)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4), info, expected)
    np.testing.assert_allclose(state.variable, alone.variable, atol=2e-4)


def memory(network, sharing, shape=(400, 256)):
    """Bytes of one device, without those of the network."""
    sharing = sharing.with_height(shape[0] + 2 * CONFIG.margin)
    optimizer = named_optimizer("lbfgs", precondition=False)
    problem, images = problem_of(network, shape, 1, sharing)
    state = jax.jit(lambda image: sharing.shared(jax.vmap(partial(init, optimizer))(image)))(images)
    program = _run_chunk.lower(
        optimizer, "free", 5, True, state, sharing.place_problem(problem), 5, sharing=sharing
    ).compile()
    counted = program.memory_analysis()
    return counted.temp_size_in_bytes + counted.argument_size_in_bytes, program.as_text()


def test_each_device_needs_its_share_of_the_memory(network):
    """And nothing is gathered: the preconditioner, which is not here, gathers an image."""
    alone, _ = memory(network, ONE_DEVICE)
    shared, program = memory(network, SharedRows(device_mesh(8)))
    assert shared < 0.35 * alone
    assert "all-gather" not in program


def test_a_state_goes_on_with_other_devices(network):
    state, _ = run_steps(network, named_optimizer("adam"), (45, 50), ONE_DEVICE, steps=1)
    three, eight = (SharedRows(device_mesh(number), 77) for number in (3, 8))
    assert three.place(state).variable.shape == (1, 78, 82, 3)
    placed = eight.place(jax.tree.map(np.asarray, three.whole(three.place(state))))
    assert placed.variable.shape == (1, 80, 82, 3)
    assert {leaf.shape[-3] for leaf in jax.tree.leaves(placed) if leaf.ndim > 3} == {80}
    jax.tree.map(np.testing.assert_array_equal, eight.whole(placed), state)


def test_what_is_no_mesh_of_one_axis_is_refused():
    with pytest.raises(ValueError, match=r"mesh is 4; a jax\.sharding\.Mesh of one axis"):
        check_mesh(4)
    with pytest.raises(ValueError, match="mesh has the axes a, b; one axis is accepted"):
        check_mesh(jax.make_mesh((2, 4), ("a", "b")))
    with pytest.raises(ValueError, match="9 devices are asked for; JAX has 8"):
        device_mesh(9)
