"""What the network is for: trained, normalized, and of random numbers.

    python experiments/networks.py photo.jpg painting.jpg -o networks

Columns: the network, the same with its activations normalized over the pictures (Gatys, Ecker,
Bethge 2016), and VGG-19 with random weights. Rows: average and maximum pooling. What to see: random
features carry colors, but no strokes; normalizing changes hardly anything; with maximum pooling
strokes are short and round, with the average they run together. Give --network imagenet for the
paper's.
"""

import common
import jax
import numpy as np

import jnst


def random_network(like: jnst.Network) -> jnst.Network:
    """Weights of He 2015, in the place of those that were learned."""
    rng = np.random.default_rng(0)

    def draw(kernel: jax.Array) -> np.ndarray:
        deviation = np.float32(np.sqrt(2 / np.prod(kernel.shape[:3])))
        return deviation * rng.standard_normal(kernel.shape, np.float32)

    params = {
        name: {"kernel": draw(layer["kernel"]), "bias": np.zeros_like(layer["bias"])}
        for name, layer in like.params.items()
    }
    return jnst.Network(params, like.mean, name="random", source="He 2015", license="none")


def main() -> None:
    options = common.arguments(__doc__)
    given = common.pictures(options)
    images = [jnst.load_image(path, size=256) for path in (given["contents"], *given["styles"])]
    trained = jnst.load_network(options.network)
    networks = {
        "trained": trained,
        "normalized": jnst.normalize_network(trained, images, pooling="average"),
        "random": random_network(trained),
    }
    plan = given | {
        "title": "Networks",
        "networks": [
            common.write_network(options, name, network) for name, network in networks.items()
        ],
        "settings": {
            "size": 512 if options.full else 128,
            "steps": 300 if options.full else 100,
        },
        "grid": {"pooling": ["average", "max"], "style_weight": [10.0, 100.0]},
    }
    common.sweep(plan, options)


if __name__ == "__main__":
    main()
