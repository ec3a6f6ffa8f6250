"""What a style is: seven statistics of features, one content, one style, equal time.

    python experiments/style_statistics.py photo.jpg painting.jpg -o statistics --network hed

Every picture has the same layers, weights, first image and time (`--seconds`, without compilation),
but another statistic, all of them in relative units. The table has what `jnst.metrics` says of each
without a network, and the number of steps that the time was enough for. What to see, with a network
that was trained: mean and variance alone bring the colors and the swirls of The Starry Night.
Covariance changes the photograph most. Gram matrices and Wasserstein distances look alike, in twice
the time a step for the latter. Sliced Wasserstein and histograms, as slow, keep more of the
photograph. A step of patches takes five times as long: equal time brings little of the style.
"""

import time

import common
import numpy as np
import pages

import jnst

STATISTICS = {
    "mean_variance": "mean and variance of each channel (as AdaIN; Li, Wang 2017)",
    "covariance": "covariance of channels (Li, Wang 2017)",
    "gram": "Gram matrix (Gatys 2016)",
    "wasserstein": "Gaussians, by their Wasserstein distance (Crowson 2021)",
    "sliced_wasserstein": "distributions along random directions (Heitz 2021)",
    "histogram": "histogram of each channel (Risser 2017)",
    "patches": "3 x 3 patches of features (Li, Wand 2016)",
}


def in_time(
    content: np.ndarray,
    style: np.ndarray,
    network: jnst.Network,
    config: jnst.Config,
    seconds: float,
) -> jnst.Result:
    """The picture after so many seconds of steps. The first ones, with compilation, are free."""
    end = None
    try:
        for result in jnst.stylize_steps(content, style, network=network, config=config):
            if result.steps and end is None:
                end = time.monotonic() + seconds
            if end is not None and time.monotonic() >= end:
                break
    except jnst.DivergedError as error:  # the best picture before is shown
        return error.result
    return result


def main() -> None:
    parser = common.new_parser(__doc__)
    common.add_arguments(parser)
    parser.add_argument("--seconds", type=float, help="in the place of 20, or 300 with --full")
    parser.add_argument("--only", nargs="+", choices=STATISTICS, default=list(STATISTICS))
    parser.add_argument("--size", type=int, help="in the place of 128, or 512 with --full")
    options = common.parse(parser)
    if len(options.pictures) > 2:
        parser.error("all statistics are of one style")
    options.output.mkdir(parents=True, exist_ok=True)
    given = common.pictures(options)
    network = jnst.load_network(options.network)
    size = options.size or (512 if options.full else 128)
    given_time = 300 if options.full else 20
    seconds = given_time if options.seconds is None else options.seconds
    base = jnst.preset(network.preset, size=size, levels=1, steps=100_000)
    content = jnst.load_image(given["contents"], size=size)
    style = jnst.load_image(given["styles"][0], size=size)
    made, rows = [("content", content), ("style", style)], []
    for name in options.only:
        config = base.replace(style_loss=(name,))
        result = in_time(content, style, network, config, seconds)
        figures = jnst.metrics.style_metrics(result.image, content, style)
        rows.append([STATISTICS[name], str(result.steps), *(f"{figure:.2f}" for figure in figures)])
        made.append((name, result.image))
        print(name, *rows[-1][1:], flush=True)
    pictures = "".join(
        pages.image_tag(pages.png_of(image, options.output / f"{name}.png"), name)
        for name, image in made
    )
    head = ["", "steps", "style (0: the painting's)", "content (1: the photograph's)", "noise"]
    page = options.output / "index.html"
    title = f"Statistics of a style, {seconds:g} s each"
    pages.write_page(page, title, pictures + pages.table(head, rows))
    sheet = jnst.contact_sheet([image for _, image in made], [name for name, _ in made], columns=3)
    jnst.save_image(options.output / "sheet.png", sheet)
    print(page)


if __name__ == "__main__":
    main()
