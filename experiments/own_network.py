"""A network of your own: one layer of random filters in three sizes, with no learning at all.

    python experiments/own_network.py photo.jpg painting.jpg -o random.png

As Ustyuzhaninov, Brendel, Gatys, Bethge 2016 ("Texture synthesis using shallow convolutional
networks with random filters"). What to see: colors and strokes of the painting on the photograph.
"""

import common
import flax.linen as nn
import jax
from flax import struct

import jnst

options = common.picture_arguments(__doc__)

# %% Any module of Flax will do. Its maps are (H, W, C), by name.


class Filters(nn.Module):
    @nn.compact
    def __call__(self, image):
        return {f"size{n}": nn.relu(nn.Conv(96, (n, n))(image - 0.5)) for n in (3, 7, 11)}


# %% jnst takes a pytree with `strides`, the pixels between two positions of a map, and `features`.
class Random(struct.PyTreeNode):
    params: dict
    strides = {"size3": 1, "size7": 1, "size11": 1}  # noqa: RUF012

    def features(self, image, layers):
        return Filters().apply(self.params, image)


network = Random(Filters().init(jax.random.key(0), jax.numpy.zeros((32, 32, 3))))
config = jnst.Config(content_layers=("size11",), style_layers=tuple(Random.strides))
config = config.replace(size=options.size, steps=options.steps)
jnst.stylize(*options.pictures, network=network, config=config).save(options.output)
