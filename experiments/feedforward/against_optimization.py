"""A trained network against optimization: the loss of their pictures, and their time.

    python experiments/feedforward/against_optimization.py starry photo.jpg -o against.png

Both have the loss that the network was trained with, `jnst.total_loss` with the first style, of
the picture before its values are cut to [0, 1]. It is the whole photograph at twice the side of the
training squares, as the network saw it. L-BFGS starts from the photograph; its time is that of its
steps, without compilation. What to see: the network takes less than a step of L-BFGS does. Its
loss says how many steps it is worth: Johnson reports 50 to 100, after 40,000 steps of training.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import jax
import model
import numpy as np

import jnst

STEPS = (10, 20, 50, 100, 200)


class Made(NamedTuple):
    """A picture, its loss, and the seconds it took."""

    image: np.ndarray
    loss: float
    seconds: float


def optimized(problem: jnst.Problem, content: np.ndarray) -> dict[str, Made]:
    """The best pictures after some numbers of steps of L-BFGS."""
    optimizer = jnst.named_optimizer("lbfgs")
    step = jax.jit(jnst.make_step(optimizer))
    state = jnst.init(optimizer, content)
    jax.block_until_ready(step(state, problem))  # compiles
    made, start = {}, time.perf_counter()
    for number in range(1, STEPS[-1] + 1):
        state, _ = step(state, problem)
        if number in STEPS:
            image, loss = np.asarray(state.best_image), float(state.best_loss)
            made[f"L-BFGS, {number} steps"] = Made(image, loss, time.perf_counter() - start)
    return made


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("model", type=Path, help="folder of the network")
    parser.add_argument("photograph", type=Path, help="one that it was not trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the PNG")
    options = parser.parse_args()
    if options.output.suffix.lower() != ".png":
        parser.error(f"{options.output} does not end in .png")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    settings = model.read_settings(options.model)
    state = model.load(options.model, settings)
    loaded = jnst.load_network(settings.network)
    config = settings.config(loaded)
    network = jnst.prepare_network(loaded, config.layout().layers())
    content = jnst.load_image(options.photograph, size=2 * settings.size)
    style = jnst.load_image(settings.styles[0], size=2 * settings.size)
    targets = jnst.make_targets(network, content, style, config)
    problem = jnst.Problem(network, targets, config.weights())
    loss_of = jax.jit(lambda image: jnst.total_loss(network, image, targets, config.weights())[0])

    paint = jax.jit(state.apply_fn)
    shares = np.eye(len(settings.styles))[0]
    jax.block_until_ready(paint(state.average, content, shares))  # compiles
    start = time.perf_counter()
    image = np.asarray(paint(state.average, content, shares))
    seconds = time.perf_counter() - start
    made = {
        "photograph": Made(content, float(loss_of(content)), 0),
        "network": Made(image, float(loss_of(image)), seconds),
        **optimized(problem, content),
    }
    for name, each in made.items():
        print(f"{name:>18}: loss {each.loss:8.4f}, {1000 * each.seconds:8.0f} ms")
    labels = [f"{name}: {each.loss:.3g}, {each.seconds:.3g} s" for name, each in made.items()]
    sheet = jnst.contact_sheet([each.image.clip(0, 1) for each in made.values()], labels, columns=4)
    jnst.save_image(options.output, sheet)


if __name__ == "__main__":
    main()
