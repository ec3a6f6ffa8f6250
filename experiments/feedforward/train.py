"""Train a network that paints photographs in one pass: Johnson, Alahi, Fei-Fei 2016.

    python experiments/feedforward/train.py starry_night.jpg -o starry --photographs photos
    python experiments/feedforward/train.py a.jpg b.jpg c.jpg -o three    # many styles in one

The loss is the `total_loss` of jnst with the preset of the network, at the square of `--size`
pixels, of a batch by `jax.vmap`; each photograph gets one of the styles. Without a style it is the
painting of the demo; without `--photographs` they are drawn. The same command goes on with a
training that was stopped. What to see in the folder: in strip.png, how the style comes into one
photograph as training goes on; in curve.png, the loss, which falls quickly and then slowly. After
half an hour on two cores photographs have the blues and yellows of The Starry Night in short
strokes, which repeat like bricks, and a clear sky is black in places. The papers train for hours on
a GPU. Needs matplotlib.
"""

import argparse
import time
from pathlib import Path

import matplotlib.figure
import model
import numpy as np
import objective
import orbax.checkpoint as ocp
import photographs

import jnst
from jnst.images import drawings


def arguments() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("styles", type=Path, nargs="*")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the network")
    parser.add_argument("--photographs", type=Path, help="folder; those in folders of it, too")
    parser.add_argument("--view", type=Path, help="the photograph of strip.png")
    parser.add_argument("--network", default="embedded")
    parser.add_argument("--style-loss", default="gram", help="as of jnst stylize; papers: gram")
    parser.add_argument("--size", type=int, default=128, help="of the squares; papers: 256")
    parser.add_argument("--batch", type=int, default=1, help="photographs a step; papers: 4")
    parser.add_argument("--channels", type=int, default=16, help="at full size; papers: 32")
    parser.add_argument("--minutes", type=float, default=30, help="of this call's steps")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=40_000, help="of all calls")
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    return parser.parse_args()


def write_views(folder: Path, state: objective.Training, view: np.ndarray, styles: int) -> None:
    """The photograph in every style now, and the strips of it so far."""
    (folder / "views").mkdir(exist_ok=True)
    for style in range(styles):
        image = model.paint(state, view, np.eye(styles)[style])
        jnst.save_image(folder / "views" / f"{style}-{int(state.step):06}.png", image)
        paths = sorted((folder / "views").glob(f"{style}-*.png"))
        shown = [paths[place] for place in np.unique(np.geomspace(1, len(paths), 6).round() - 1)
                 .astype(int)]  # fmt: skip
        labels = [f"step {int(path.stem.partition('-')[2])}" for path in shown]
        strip = jnst.contact_sheet(shown, labels, columns=6, cell=192)
        jnst.save_image(folder / ("strip.png" if styles == 1 else f"strip-{style}.png"), strip)


def read_losses(folder: Path, steps: int) -> list[float]:
    """The losses of the steps until the checkpoint.

    Raises:
        ValueError: some are missing.
    """
    losses = list(map(float, (folder / "losses.txt").read_text().split())) if steps else []
    if len(losses) < steps:
        raise ValueError(f"{folder / 'losses.txt'} has {len(losses)} losses of {steps} steps")
    return losses[:steps]


def write_losses(folder: Path, losses: list[float]) -> None:
    """The loss of every step, and their curve with means over 50 steps."""
    model.write_text(folder / "losses.txt", "".join(f"{loss:.6g}\n" for loss in losses))
    figure = matplotlib.figure.Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(np.arange(1, len(losses) + 1), losses, color="0.8")
    window = min(50, len(losses))
    means = np.convolve(losses, np.full(window, 1 / window), "valid")
    axes.loglog(np.arange(window, len(losses) + 1), means)
    axes.set(xlabel="step", ylabel="loss")
    figure.savefig(folder / "curve.png", dpi=110)


def main() -> None:
    options = arguments()
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    if not options.styles:
        options.styles = [folder / "painting.png"]
        jnst.save_image(options.styles[0], drawings.draw_painting())
    network_file = Path(options.network)
    settings = model.Settings(
        [str(path.absolute()) for path in options.styles],
        str(network_file.absolute()) if network_file.is_file() else options.network,
        options.style_loss,
        options.size,
        options.channels,
        options.learning_rate,
    )
    model.check_settings(folder, settings)
    paths = (
        photographs.find_photographs(options.photographs)
        if options.photographs
        else photographs.draw_photographs(folder / "photographs")
    )
    view = jnst.load_image(options.view or paths[0], size=2 * options.size)
    if options.view:  # is not trained on
        paths = [path for path in paths if path.resolve() != options.view.resolve()] or paths

    network = jnst.load_network(options.network)
    config = settings.config(network)
    images = [jnst.load_image(path, size=2 * options.size) for path in options.styles]
    network = jnst.prepare_network(network, config.layout().layers())
    targets = objective.style_targets(network, images, config)
    problem = jnst.Problem(network, targets, config.weights())
    model.write_settings(folder, settings)
    checkpoints = model.open_checkpoints(folder)
    state = model.restore(checkpoints, model.new_state(settings))
    losses = read_losses(folder, int(state.step))

    def keep() -> None:
        write_views(folder, state, view, len(images))
        write_losses(folder, losses)
        checkpoints.save(int(state.step), args=ocp.args.StandardSave(state))

    if state.step == 0:
        write_views(folder, state, view, len(images))
    print("compiling", flush=True)
    end = None
    try:
        while state.step < options.steps and (end is None or time.monotonic() < end):
            first = int(state.step) * options.batch
            batch = photographs.draw_batch(paths, int(state.step), options.batch, options.size)
            styles = np.arange(first, first + options.batch) % len(images)
            after, loss = objective.train_step(state, problem, batch, styles)
            losses.append(float(loss))  # an interrupt comes while this waits for the step
            state = after
            if end is None:  # the first step compiles, and is not counted
                end = time.monotonic() + 60 * options.minutes
            kept = state.step % options.every == 0
            if kept:
                keep()
            said = f"step {state.step}, loss {np.mean(losses[-50:]):.4g}   "
            print(said, end="\n" if kept else "\r", flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted: what is done is kept")
    finally:
        with checkpoints:
            if state.step and checkpoints.latest_step() != state.step:
                keep()
    print(f"\n{folder}: {state.step} steps. The same command goes on.")


if __name__ == "__main__":
    main()
