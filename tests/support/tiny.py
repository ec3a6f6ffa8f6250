"""VGG-19 with few channels, for files small enough to keep and to damage by the thousand."""

import numpy as np

BLOCKS = ((2, 2), (3, 2), (4, 4), (5, 4), (6, 4))
NUMBERS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def _shapes():
    channels_in = 3
    for block, (channels, depth) in enumerate(BLOCKS, 1):
        for index in range(1, depth + 1):
            yield f"conv{block}_{index}", (3, 3, channels_in, channels)
            channels_in = channels


SHAPES = dict(_shapes())
FEATURES = dict(zip(SHAPES, NUMBERS, strict=True))


def pattern(name, shape):
    """Value k is ((k k + s) mod 251) / 251 - 0.5, with s the sum of the name's character codes."""
    k = np.arange(int(np.prod(shape)))
    return (((k * k + sum(map(ord, name))) % 251) / 251 - 0.5).astype(np.float32).reshape(shape)


def kernel(name, shape):
    """The pattern of a kernel, which is laid out OIHW, as HWIO."""
    return pattern(f"{name}.weight", [shape[axis] for axis in (3, 2, 0, 1)]).transpose(2, 3, 1, 0)


def bias(name, shape):
    return pattern(f"{name}.bias", shape[3:])
