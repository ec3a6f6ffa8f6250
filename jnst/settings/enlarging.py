"""Settings that go on with a finished picture at a larger size."""

from jnst.settings.config import Config

SHARE_OF_STEPS = 0.75
"""Steps of a size, of those at the size before it."""

LEAST_GROWTH = 1.1


def enlarged(config: Config, size: int) -> Config:
    """The settings for `size` pixels that go on with a picture made with `config`.

    Only the sizes that it has not been through are left, each at most `level_factor` times the
    last, and each with 3/4 of the steps of the one before it. The first image is the caller's to
    set.

    Raises:
        ValueError: the size is not larger.

    >>> config = enlarged(jnst.Config(size=512, levels=3, steps=200), 2048)
    >>> config.size, config.level_sizes, config.level_steps
    (2048, (1024,), (32, 24))
    """
    if size <= config.size:
        raise ValueError(f"size is {size}; more than the {config.size} of the picture is accepted")
    sizes = [size]
    while sizes[0] / config.level_factor > LEAST_GROWTH * config.size:
        sizes.insert(0, int(sizes[0] / config.level_factor))
    steps = _last_steps(config)
    counts = [max(1, round(steps * SHARE_OF_STEPS**power)) for power in range(1, len(sizes) + 1)]
    return config.replace(
        size=size, level_sizes=tuple(sizes[:-1]), level_steps=tuple(counts), init_content=0.0
    )


def _last_steps(config: Config) -> float:
    """The steps at the last size of a run with these settings."""
    if config.level_steps is not None:
        return config.level_steps[-1]
    count = config.levels if config.level_sizes is None else len(config.level_sizes) + 1
    shares = [SHARE_OF_STEPS**power for power in range(count)]
    return config.steps * shares[-1] / sum(shares)
