import pytest

from jnst.runs.enlarging import enlarged
from jnst.settings.config import Config


@pytest.mark.parametrize(
    ("settings", "size", "sizes", "steps"),
    [
        ({"levels": 1, "steps": 100}, 513, (), (75,)),
        ({"levels": 2, "steps": 70}, 1500, (750,), (22, 17)),
        ({"level_steps": (50, 40, 8)}, 4096, (1024, 2048), (6, 4, 3)),
        ({"level_sizes": (128,), "level_factor": 4, "steps": 7}, 8192, (2048,), (2, 2)),
        ({"level_steps": (5, 1, 1)}, 2048, (1024,), (1, 1)),
        ({"size": 2, "levels": 1, "level_factor": 1.1, "steps": 4}, 3, (2,), (3, 2)),
    ],
)
def test_only_the_sizes_that_are_lacking_are_left(settings, size, sizes, steps):
    config = enlarged(Config(init_content=0.5, **settings), size)
    assert (config.size, config.level_sizes, config.level_steps) == (size, sizes, steps)
    assert config.init_content == 0


@pytest.mark.parametrize("size", [1, 512])
def test_a_size_that_is_not_larger_is_refused(size):
    with pytest.raises(ValueError, match=f"size is {size}; more than the 512"):
        enlarged(Config(), size)
