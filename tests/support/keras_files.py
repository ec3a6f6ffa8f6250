"""Weights of a VGG-16 as Keras 3 writes them: `python -m support.keras_files FOLDER`."""

import sys
from pathlib import Path

import keras

from support.tiny import bias, kernel, shapes_of


def convolutions(shapes):
    """The layers, and a pooling before each new block."""
    for name, shape in shapes.items():
        if name.endswith("_1") and name != "conv1_1":
            yield keras.layers.MaxPooling2D(2)
        layer = name.replace("conv", "block").replace("_", "_conv")
        yield keras.layers.Conv2D(
            shape[3], 3, padding="same", kernel_initializer="zeros", name=layer
        )


def functional(shapes):
    x = image = keras.Input((32, 32, 3))
    for layer in convolutions(shapes):
        x = layer(x)
    return keras.Model(image, x)


def sequential(shapes):
    return keras.Sequential([keras.Input((32, 32, 3)), *convolutions(shapes)])


class Subclassed(keras.Model):
    """Its layers are attributes."""

    def __init__(self, shapes):
        super().__init__()
        self.names = []
        for layer in convolutions(shapes):
            self.names.append(layer.name)
            setattr(self, layer.name, layer)

    def call(self, x):
        for name in self.names:
            x = getattr(self, name)(x)
        return x


class Blocks(keras.Model):
    """Its blocks are sequential models, and each has a side output, for edges."""

    def __init__(self, shapes):
        super().__init__()
        blocks = {}
        for layer in convolutions(shapes):
            if layer.name.startswith("block"):
                blocks.setdefault(layer.name[:6], []).append(layer)
        self.depth = len(blocks)
        for number, layers in enumerate(blocks.values(), 1):
            setattr(self, f"block{number}", keras.Sequential(layers))
            setattr(self, f"dsn{number}", keras.layers.Conv2D(1, 1, kernel_initializer="zeros"))

    def call(self, x):
        sides = []
        for number in range(1, self.depth + 1):
            x = getattr(self, f"block{number}")(x)
            sides.append(getattr(self, f"dsn{number}")(x))
        return sides


def main(folder):
    models = {
        "functional": functional,
        "sequential": sequential,
        "subclassed": Subclassed,
        "blocks": Blocks,
    }
    shapes = shapes_of("VGG-16")
    for kind, make in models.items():
        model = make(shapes)
        model(keras.Input((32, 32, 3)))
        layers = {each.name: each for each in model._flatten_layers()}
        for name, shape in shapes.items():
            layer = layers[name.replace("conv", "block").replace("_", "_conv")]
            layer.set_weights([kernel(name, shape), bias(name, shape)])
        model.save_weights(Path(folder) / f"{kind}.weights.h5")


if __name__ == "__main__":
    main(*sys.argv[1:])
