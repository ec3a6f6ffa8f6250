"""The role of the network: trained, normalized, and with random weights.

    python experiments/networks.py photo.jpg painting.jpg -o networks

The grid has the network, the same with activations normalized over the pictures (Gatys, Ecker,
Bethge 2016), and the same with random weights, each with average and maximum pooling and with two
style weights. What to see: random features give colors but no strokes. Normalizing changes very
little. Strokes are short and round with maximum pooling, and run together with average pooling. The
paper's network is --network imagenet.
"""

import common
import jax
import numpy as np

import jnst


def random_network(like: jnst.Network) -> jnst.Network:
    """The network with random weights (He et al. 2015) instead of the learned ones."""
    rng = np.random.default_rng(0)

    def draw(kernel: jax.Array) -> np.ndarray:
        deviation = np.float32(np.sqrt(2 / np.prod(kernel.shape[:3])))
        return deviation * rng.standard_normal(kernel.shape, np.float32)

    params = {
        name: {"kernel": draw(layer["kernel"]), "bias": np.zeros_like(layer["bias"])}
        for name, layer in like.params.items()
    }
    identity = {"name": "random", "source": "He 2015", "license": "none", "digest": ""}
    return like.replace(params=params, **identity)


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
