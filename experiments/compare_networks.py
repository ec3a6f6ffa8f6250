"""Two networks side by side: what their layers do, and the pictures that they make.

    python experiments/compare_networks.py photo.jpg painting.jpg -o compare --networks embedded hed

The page has the pictures that both make with the same settings. For each layer it has the mean
activation over content and style, the share of channels that are never active, and the effective
number of channels of the style's Gram matrix: (sum g)^2 / sum g^2, with g the squares of its
diagonal. Below are the eigenvalues of the Gram matrices. What to see: where few channels carry a
Gram matrix, the relative loss measures only them, and the others can be anything. Needs matplotlib.
"""

import argparse
import html
import io
from pathlib import Path

import common
import jax
import matplotlib.figure
import numpy as np
import pages

import jnst

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def arguments() -> argparse.Namespace:
    parser = common.new_parser(__doc__)
    parser.add_argument("pictures", type=Path, nargs="*", help="a content and a style")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the page")
    parser.add_argument("--networks", nargs=2, default=["embedded", "hed"], metavar="NETWORK")
    parser.add_argument("--full", action="store_true", help="512 pixels and 200 steps")
    options = parser.parse_args()
    if len(options.pictures) not in (0, 2):
        parser.error("a content and a style are needed, or none for the demo's")
    return options


def figures(
    network: jnst.Network, content: np.ndarray, style: np.ndarray
) -> tuple[dict[str, tuple[float, float, float]], dict[str, np.ndarray]]:
    """By layer: mean activation, share of dead channels, effective channels; and eigenvalues."""
    extract = jax.jit(lambda network, image: jnst.extract_features(network, image, LAYERS))
    of_content, of_style = extract(network, content), extract(network, style)
    rows, spectra = {}, {}
    for layer in LAYERS:
        maps = np.concatenate([np.asarray(each[layer]).reshape(-1, each[layer].shape[-1])
                               for each in (of_content, of_style)])  # fmt: skip
        gram = np.asarray(jnst.gram_matrix(of_style[layer]), np.float64)
        squares = np.square(np.diag(gram))
        effective = squares.sum() ** 2 / np.square(squares).sum()
        rows[layer] = float(maps.mean()), float((maps.max(0) == 0).mean()), float(effective)
        eigenvalues = np.linalg.eigvalsh(gram)[::-1]
        spectra[layer] = np.maximum(eigenvalues / eigenvalues[0], 1e-9)
    return rows, spectra


def plot(spectra: dict[str, dict[str, np.ndarray]]) -> bytes:
    """The eigenvalues of both networks, one panel for each layer."""
    figure = matplotlib.figure.Figure(figsize=(12, 2.6), layout="constrained")
    for axes, layer in zip(figure.subplots(1, len(LAYERS), sharey=True), LAYERS, strict=True):
        for name, each in spectra.items():
            axes.loglog(np.arange(1, len(each[layer]) + 1), each[layer], label=name)
        axes.set_title(layer)
        axes.set_xlabel("number")
    figure.axes[0].set_ylabel("eigenvalue / largest")
    figure.axes[0].legend()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return out.getvalue()


def table(rows: dict[str, dict[str, tuple[float, float, float]]]) -> str:
    """What `figures` has of each network, one line for each layer."""
    head = "".join(f'<th colspan="3">{html.escape(name)}' for name in rows)
    kinds = "<th>mean<th>dead<th>effective channels" * len(rows)
    body = "".join(
        f"<tr><th>{layer}"
        + "".join(
            f"<td>{mean:.3g}<td>{dead:.0%}<td>{effective:.0f}"
            for mean, dead, effective in (each[layer] for each in rows.values())
        )
        for layer in LAYERS
    )
    return f"<table><tr><th>{head}<tr><th>layer{kinds}{body}</table>"


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    given = common.pictures(options)
    size, steps = (512, 200) if options.full else (192, 60)
    content = jnst.load_image(given["contents"], size=size)
    style = jnst.load_image(given["styles"][0], size=size)
    rows, spectra, made = {}, {}, [("content", content), ("style", style)]
    for name in options.networks:
        network = jnst.load_network(name)
        rows[name], spectra[name] = figures(network, content, style)
        config = jnst.Config(size=size, steps=steps)
        result = jnst.stylize(content, style, network=network, config=config)
        made.append((name, result.image))
    pictures = "".join(
        pages.image_tag(pages.png_of(image, options.output / f"{number}.png"), name)
        for number, (name, image) in enumerate(made)
    )
    page = options.output / "index.html"
    spectrum = pages.image_tag(plot(spectra), "Gram matrices of the style")
    pages.write_page(page, " and ".join(options.networks), pictures + table(rows) + spectrum)
    print(page)


if __name__ == "__main__":
    main()
