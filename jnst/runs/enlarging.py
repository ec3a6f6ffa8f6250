"""Settings that go on with a finished picture at a larger size."""

from jnst.runs.levels import SHARE_OF_STEPS, plan_levels
from jnst.settings.config import Config

LEAST_GROWTH = 1.1
"""Of the first new size over the picture's: one that is nearly as large shows nothing new."""


def enlarged(config: Config, size: int) -> Config:
    """The settings for `size` pixels that go on with a picture made with `config`.

    Only the sizes that it has not been through are left, each at most `level_factor` times the
    last, and each with 3/4 of the steps of the one before it. The first image is the caller's to
    set.

    Raises:
        ValueError: the size is not larger.

    >>> config = enlarged(jnst.Config(size=512, levels=3, steps=200), 2048)
    >>> config.size, config.level_sizes, config.level_steps
    (2048, (1024,), (37, 28))
    """
    if size <= config.size:
        raise ValueError(f"size is {size}; more than the {config.size} of the picture is accepted")
    sizes = [size]
    while sizes[0] / config.level_factor > LEAST_GROWTH * config.size:
        sizes.insert(0, int(sizes[0] / config.level_factor))
    steps = plan_levels((config.size, config.size), config)[-1].steps
    counts = [max(1, round(steps * SHARE_OF_STEPS**power)) for power in range(1, len(sizes) + 1)]
    return config.replace(
        size=size, level_sizes=tuple(sizes[:-1]), level_steps=tuple(counts), init_content=0.0
    )
