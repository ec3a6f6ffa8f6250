"""VGG networks with few channels, for files small enough to keep and to damage by the thousand."""

import numpy as np

DEPTHS = {
    "VGG-11": (1, 1, 2, 2, 2),
    "VGG-13": (2, 2, 2, 2, 2),
    "VGG-16": (2, 2, 3, 3, 3),
    "VGG-19": (2, 2, 4, 4, 4),
}
NUMBERS = {
    "VGG-11": (0, 3, 6, 8, 11, 13, 16, 18),
    "VGG-13": (0, 2, 5, 7, 10, 12, 15, 17, 20, 22),
    "VGG-16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "VGG-19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
"""Where torchvision has the convolutions in `features`, as its state dicts show."""

NORMALIZED = {
    "VGG-11": (0, 4, 8, 11, 15, 18, 22, 25),
    "VGG-13": (0, 3, 7, 10, 14, 17, 21, 24, 28, 31),
    "VGG-16": (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40),
    "VGG-19": (0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49),
}
"""The same with batch normalization."""


def shapes_of(architecture):
    """The kernels' shapes of a VGG network of 2 to 6 channels."""
    shapes, channels_in = {}, 3
    for block, depth in enumerate(DEPTHS[architecture], 1):
        for index in range(1, depth + 1):
            shapes[f"conv{block}_{index}"] = (3, 3, channels_in, block + 1)
            channels_in = block + 1
    return shapes


SHAPES = shapes_of("VGG-19")


def pattern(name, shape):
    """Value k is ((k k + s) mod 251) / 251 - 0.5, with s the sum of the name's character codes."""
    k = np.arange(int(np.prod(shape)))
    return (((k * k + sum(map(ord, name))) % 251) / 251 - 0.5).astype(np.float32).reshape(shape)


def kernel(name, shape):
    """The pattern of a kernel, which is laid out OIHW, as HWIO."""
    return pattern(f"{name}.weight", [shape[axis] for axis in (3, 2, 0, 1)]).transpose(2, 3, 1, 0)


def bias(name, shape):
    return pattern(f"{name}.bias", shape[3:])
