"""A picture goes through the rooms once."""

import collections

import jax
import numpy as np
import pytest

import jnst
from jnst.networks import loading
from jnst.optimizers import loop
from jnst.runs import engine, problems
from jnst.runs.jobs import Job, share_pictures


@pytest.fixture
def counted(monkeypatch):
    """How often what is costly was done; not how often it was traced."""
    counts = collections.Counter()

    def count(module, name):
        function = getattr(module, name)

        def counting(*arguments, **options):
            if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
                counts[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(loading, "open_weights")
    count(loading, "load_network")
    count(engine, "prepare_network")
    count(loop, "prepare_network")
    count(engine, "level_problem")
    for name in ("_describe_content", "_describe_style", "_join_targets"):
        count(problems, name)
    return counts


LAYERS = {"content_layers": ("relu1_1",), "style_layers": ("relu1_1",)}


def test_without_a_config_a_file_also_says_its_preset(arrays, counted, network_file):
    jnst.stylize_steps(*arrays, network=network_file, size=32, levels=1, margin=16, **LAYERS)
    assert (counted["open_weights"], counted["load_network"]) == (2, 1)


def test_one_picture_at_three_levels(arrays, counted, network_file):
    content = np.tile(arrays[0], (8, 8, 1))
    options = {"size": 256, "steps": 6, "levels": 3, **LAYERS}
    config = jnst.Config(**options)
    jnst.stylize(content, arrays[1], network=network_file, config=config)
    assert counted["open_weights"] == counted["load_network"] == counted["prepare_network"] == 1
    assert counted["level_problem"] == 3


def test_a_batch_describes_a_shared_picture_once(arrays, counted, network):
    content, style = arrays
    options = {"network": network, "size": 32, "steps": 2, "levels": 1, **LAYERS}
    configs = [jnst.Config(style_weight=weight, **LAYERS) for weight in (1, 10, 100)]
    counted.clear()
    jnst.stylize_batch(content, style, config=configs, **options)
    assert counted["_describe_content"] == counted["_describe_style"] == 1
    assert counted["_join_targets"] == 3


def test_a_shared_style_is_described_at_each_of_its_sizes(arrays, network):
    content, style = arrays
    jobs = [
        Job(content, (style,), content, jnst.Config(style_scale=scale, **LAYERS))
        for scale in (1.0, 0.5)
    ]
    together = problems.level_problem(network, jobs, (32, 24)).targets.style["relu1_1"][0]
    for number, job in enumerate(jobs):
        alone = problems.level_problem(network, [job], (32, 24)).targets.style["relu1_1"][0]
        np.testing.assert_array_equal(together.statistic[number], alone.statistic[0])
    assert (together.statistic[0] != together.statistic[1]).any()


def test_kernels_are_restored_for_few_pixels(arrays, network, monkeypatch):
    """For a content of 32 x 24 and a style of 12 x 16, not for the same style of 25 x 32."""
    restored, taken = network.replace(name="restored"), []
    monkeypatch.setattr(problems, "FEW_PIXELS", 32 * 24)
    monkeypatch.setattr(problems, "restore_network", lambda network: restored)
    for name in ("_describe_content", "_describe_style"):
        describe = getattr(problems, name)

        def telling(network, image, *rest, describe=describe):
            taken.append((image.shape[:2], network.name))
            return describe(network, image, *rest)

        monkeypatch.setattr(problems, name, telling)
    content, style = arrays
    jobs = [
        Job(content, (style,), content, jnst.Config(style_scale=scale, **LAYERS))
        for scale in (1.0, 0.5)
    ]
    problems.level_problem(network, jobs, (32, 24))
    assert taken == [((32, 24), "restored"), ((25, 32), "random"), ((12, 16), "restored")]


def test_equal_pictures_are_shared():
    rng = np.random.default_rng(0)
    content, style, other = rng.random((3, 8, 8, 3), np.float32)
    config = jnst.Config()
    jobs = [
        Job(content.copy(), (style.copy(), other), content, config, style_masks=(None, None)),
        Job(content.copy(), (other.copy(),), content, config),
    ]
    first, second = share_pictures(jobs)
    assert first.content is second.content
    assert first.styles[1] is second.styles[0]
    np.testing.assert_array_equal(first.styles[0], style)
    np.testing.assert_array_equal(second.styles[0], other)


def test_jobs_of_several_programs_are_refused(arrays, network):
    content, style = arrays
    jobs = [
        Job(content, (style,), content, jnst.Config(averaging=averaging, **LAYERS))
        for averaging in (0.0, 0.5)
    ]
    with pytest.raises(ValueError, match="jobs are of several programs"):
        next(jnst.run_levels(network, jobs))
    [job] = [Job(content, (style,), content, jnst.Config(margin=5, style_layers="relu3_1"))]
    with pytest.raises(ValueError, match="margin is 5; a multiple of 4"):
        next(jnst.run_levels(network, [job]))


def test_a_style_without_a_region_is_refused(arrays, network):
    content, style = arrays
    mask = np.ones(content.shape[:2], np.float32)
    job = Job(content, (style, style), content, jnst.Config(**LAYERS), content_masks=(mask,))
    with pytest.raises(ValueError, match="a style is for region 1; there are 1"):
        problems.level_problem(network, [job], (32, 24))
