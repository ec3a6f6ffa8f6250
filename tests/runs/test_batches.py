import itertools

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

import jnst
from jnst.objective.targets import Style, make_targets
from jnst.objective.total import total_loss
from jnst.optimizers.loop import stack
from jnst.runs import fitting
from jnst.runs.batch_sizes import fit_batch, group, program, split
from jnst.runs.batches import stylize_batch_steps
from jnst.runs.opening import open_job
from jnst.settings.config import Config


@pytest.fixture(scope="module")
def pictures():
    """Two contents of one size, and three styles of other sizes: colors that rise, and noise."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:32, :24].astype(np.float32) / 32
    contents = [np.stack([rows, columns, share * (rows + columns)], -1) for share in (0.5, 0.25)]
    shapes = [(28, 36), (40, 40), (50, 33)]
    return contents, [rng.random((*shape, 3), np.float32) for shape in shapes]


def close(result, expected):
    np.testing.assert_allclose(result.image, expected.image, atol=2 / 255)
    np.testing.assert_allclose(result.history.loss, expected.history.loss, rtol=0.01)
    assert result.recipe()["losses"].keys() == expected.recipe()["losses"].keys()
    assert result.config == expected.config
    assert (result.history.size == expected.history.size).all()
    assert result.history.terms.style.keys() == expected.history.terms.style.keys()


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_batch_is_as_single_runs(network, pictures, small, optimizer):
    [content, _], styles = pictures
    settings = small | {"optimizer": optimizer, "levels": 2, "size": 64, "steps": 9}
    settings |= {"level_sizes": (48,)}
    results = jnst.stylize_batch(content, styles, network=network, **settings)
    for result, style in zip(results, styles, strict=True):
        close(result, jnst.stylize(content, style, network=network, **settings))


def test_weights_seeds_rates_and_starts_of_each_item(network, pictures, small):
    contents, styles = pictures
    base = Config(**small).replace(optimizer="adam", averaging=0.5)
    configs = [
        base.replace(style_weight=3, learning_rate=0.01, init="noise", seed=1),
        base.replace(content_weight=0.1, averaging=0.9, init="noise", seed=2),
    ]
    results = jnst.stylize_batch(contents, styles[:2], network=network, config=configs)
    for result, content, style, config in zip(results, contents, styles, configs, strict=False):
        close(result, jnst.stylize(content, style, network=network, config=config))
    starts = [np.full((8, 8, 3), gray, np.float32) for gray in (0.2, 0.7)]
    results = jnst.stylize_batch(
        *pictures[0][:1], styles[0], starts=starts, network=network, **small
    )
    for result, start in zip(results, starts, strict=True):
        close(result, jnst.stylize(contents[0], styles[0], start=start, network=network, **small))


def test_one_for_all_or_one_for_each(network, pictures, small):
    contents, styles = pictures
    settings = small | {"steps": 1, "network": network}
    assert len(jnst.stylize_batch(contents[0], styles, **settings)) == 3
    assert len(jnst.stylize_batch(contents, styles[0], **settings)) == 2
    assert len(jnst.stylize_batch(np.stack(contents), styles[:2], **settings)) == 2
    [mixed] = jnst.stylize_batch(contents[0], [styles[:2]], style_blend=(1, 3), **settings)
    close(mixed, jnst.stylize(contents[0], styles[:2], style_blend=(1, 3), **settings))
    with pytest.raises(ValueError, match="contents has 2 entries; expected 1 or 3"):
        jnst.stylize_batch(contents, styles, **settings)
    with pytest.raises(ValueError, match="config is empty"):
        jnst.stylize_batch(contents[0], styles, config=[], **settings)
    with pytest.raises(ValueError, match="contents is empty; one for all"):
        jnst.stylize_batch([], styles, **settings)
    with pytest.raises(ValueError, match=r"start is float64 of shape \(3,\); \(height, width\)"):
        jnst.stylize_batch(contents[0], styles, starts=[np.zeros(3)], **settings)
    with pytest.raises(ValueError, match=r"start is NaN in 2304 of 2304 values"):
        jnst.stylize_batch(contents[0], styles, starts=np.nan * contents[0], **settings)
    with pytest.raises(ValueError, match="batch_size is 0; a whole number of at least 1"):
        jnst.stylize_batch(contents[0], styles, batch_size=0, **settings)


def test_everything_is_checked_before_the_first_step(pictures, small):
    """And before the network is loaded."""
    contents, styles = pictures
    for given in ({"config": Config(**small), "network": "no network"}, {"network": "hed"}):
        with pytest.raises(ValueError, match=r"picture 2: style has values from .* floats in"):
            stylize_batch_steps(contents[0], [styles[0], 2 * styles[0]], **given)
    with pytest.raises(jnst.NetworkError, match="no network: no such file"):  # which has no preset
        stylize_batch_steps(contents[0], styles[0], network="no network")


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_an_item_that_diverges_leaves_the_others_alone(network, pictures, small, optimizer):
    [content, _], [style, *_] = pictures
    base = Config(**small).replace(optimizer=optimizer)
    configs = [base, base.replace(style_weight=3e38), base.replace(style_weight=3)]
    results = jnst.stylize_batch(content, style, network=network, config=configs)
    assert [result.diverged for result in results] == [None, 0, None]
    assert np.isfinite(results[1].image).all()
    assert results[1].recipe()["diverged"] == 0
    for index in (0, 2):
        close(results[index], jnst.stylize(content, style, network=network, config=configs[index]))


def test_an_item_that_diverges_later_keeps_its_best_image(network, pictures, small):
    [content, _], [style, *_] = pictures
    base = Config(**small).replace(optimizer="sgd", steps=20, learning_rate=1e-3)
    configs = [base, base.replace(learning_rate=3e38)]
    fine, lost = jnst.stylize_batch(content, style, network=network, config=configs)
    assert (fine.diverged, lost.diverged) == (None, 1)
    with pytest.raises(jnst.DivergedError) as caught:
        jnst.stylize(content, style, network=network, config=configs[1])
    assert caught.value.step == 1
    np.testing.assert_allclose(lost.image, caught.value.image, atol=1e-6)


def test_an_item_that_diverges_is_not_begun_again_at_the_next_level(network, pictures, small):
    [content, _], [style, *_] = pictures
    base = Config(**small | {"size": 64, "level_sizes": [48], "steps": 20})
    base = base.replace(optimizer="sgd", learning_rate=1e-3)
    configs = [base, base.replace(learning_rate=3e38)]
    fine, lost = jnst.stylize_batch(content, style, network=network, config=configs)
    [alone] = jnst.stylize_batch(content, style, network=network, config=configs[1])
    assert (fine.steps, lost.steps, alone.steps) == (20, 5, 5)
    np.testing.assert_allclose(lost.image, alone.image, atol=1e-6)
    np.testing.assert_allclose(lost.history.loss, alone.history.loss, rtol=1e-5)


def test_when_all_have_diverged_it_ends(network, pictures, small):
    [content, _], [style, *_] = pictures
    batches = stylize_batch_steps(
        content, style, config=[Config(**small, style_weight=3e38)] * 2, network=network, steps=500
    )  # fmt: skip
    assert len(list(batches)) == 2


def test_what_is_traced_shares_a_program_and_batches_are_of_one_size(
    network, pictures, small, programs
):
    """Seven items in batches of at most three: sizes 3, 3 and 1, which is filled up."""
    [content, _], styles = pictures
    configs = [Config(**small).replace(style_weight=weight, seed=weight) for weight in range(1, 8)]
    results = jnst.stylize_batch(content, styles[0], network=network, config=configs, batch_size=3)
    assert programs() == 1
    assert [result.config.style_weight for result in results] == list(range(1, 8))
    for number in (0, 6):
        close(
            results[number],
            jnst.stylize(content, styles[0], network=network, config=configs[number]),
        )


def test_what_is_static_comes_in_batches_of_its_own(network, pictures, small):
    [content, _], styles = pictures
    base = Config(**small).replace(steps=2)
    configs = [base, base.replace(size=40), base.replace(style_weight=1), base.replace(steps=3)]
    seen = list(stylize_batch_steps(content, styles[0], network=network, config=configs))
    ended = [list(progress.results) for progress in seen if progress.finished]
    assert ended == [[0, 2], [1], [3]]
    jobs = [open_job(content, style, base) for style in styles]
    assert len({program(job) for job in jobs}) == 1
    patches = base.replace(style_loss="patches")
    assert len({program(open_job(content, style, patches)) for style in styles}) == 3


def test_group_and_split():
    assert group(iter("abcab")) == [[0, 3], [1, 4], [2]]
    assert split(range(7), 3) == [range(3), range(3, 6), range(6, 7)]


def test_the_batch_is_what_half_of_the_memory_holds(network, pictures, small, monkeypatch):
    [content, _], [style, *_] = pictures
    job = open_job(content, style, Config(**small))
    needed = {count: fitting.bytes_of_level(network, [job] * count, 0) for count in (1, 2, 8)}
    assert 3 < needed[8] / needed[2] < 5
    assert needed[1] < needed[2]

    def available(amount):
        memory = type("Memory", (), {"available": amount})
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    available(2 * needed[8] + 100)
    assert fit_batch(network, job, 8) == 8
    assert fit_batch(network, job, 1) == 1
    available(needed[8])
    assert fit_batch(network, job, 8) == 4
    available(0)
    assert fit_batch(network, job, 8) == 1
    available(10**15)
    assert fit_batch(network, job, 100) == 15  # seven batches of at most 16
    assert fit_batch(network, job, 100, 40) == 34


def test_interpolate_goes_from_one_style_to_the_other(network, pictures, small):
    [content, _], [one, other, _] = pictures
    strip = jnst.interpolate(content, [one, other], count=3, network=network, **small)
    assert [result.config.style_blend for result in strip] == [(1, 0), (0.5, 0.5), (0, 1)]
    close(strip[1], jnst.stylize(content, [one, other], network=network, **small,
                                 style_blend=(0.5, 0.5)))  # fmt: skip
    gram = {result.styles[0] for result in strip}
    assert gram == {""}
    with pytest.raises(ValueError, match="styles has 1 pictures; two are accepted"):
        jnst.interpolate(content, [one], network=network, **small)
    with pytest.raises(ValueError, match="style_blend is what interpolate varies"):
        jnst.interpolate(content, [one, other], style_blend=(1, 2), network=network, **small)
    with pytest.raises(ValueError, match="count is 1"):
        jnst.interpolate(content, [one, other], count=1, network=network, **small)


def test_functions_under_a_users_own_vmap(network, pictures):
    """Images, targets and weights, alone and together, with grad and jit."""
    contents, styles = pictures
    config = Config(content_layers="relu2_1", style_layers=("relu1_1", "relu2_1"), margin=0)
    targets = [
        make_targets(network, content, Style(style), config)
        for content, style in zip(contents, styles, strict=False)
    ]
    weights = [config.replace(style_weight=weight).weights() for weight in (2, 5)]
    images = jnp.stack([contents[1], contents[0]])

    def loss(image, targets, weights):
        return total_loss(network, image, targets, weights)[0]

    gradient_of = jax.jit(jax.grad(loss))
    single = np.array([[[gradient_of(x, t, w) for w in weights] for t in targets] for x in images])
    batched = (images, stack(targets), stack(weights))
    for axes in itertools.product((0, None), repeat=3):
        if axes == (None, None, None):
            continue
        given = [
            many if axis == 0 else jax.tree.map(lambda leaf: leaf[0], many)
            for many, axis in zip(batched, axes, strict=True)
        ]
        gradients = jax.jit(jax.vmap(jax.grad(loss), in_axes=axes))(*given)
        for number in range(2):
            expected = single[tuple(number if axis == 0 else 0 for axis in axes)]
            scale = np.abs(expected).max()
            np.testing.assert_allclose(gradients[number] / scale, expected / scale, atol=1e-4)
    nested = jax.vmap(jax.vmap(jax.grad(loss), (None, 0, None)), (0, None, None))
    gradients = jax.jit(nested)(images, stack(targets), weights[0])
    scale = np.abs(single).max()
    np.testing.assert_allclose(gradients / scale, single[:, :, 0] / scale, atol=1e-4)
