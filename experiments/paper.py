"""The figures of Gatys, Ecker, Bethge 2016, "Image style transfer using CNNs", drawn again.

    python experiments/paper.py 3 photo.jpg painting.jpg other.jpg ... -o figure3.png --network hed

1: what the layers keep of a content and of a style. In the paper objects stay up to conv5_2, but
   not their details. Here conv1_2 and conv2_2 give the photograph back, and deeper layers ever
   less: of conv4_2 there are outlines in noise. Of the style, conv1_1 has the colors; with each
   layer the structures become larger, as in the paper.
3: one photograph in many styles. What to see: each picture has the colors and the strokes of its
   painting. At 128 pixels only outlines of houses are left; those of the paper are whole.
4: alpha / beta from 1e-3 to 1 in the columns, style layers from conv1_1 to conv1_1 ... conv5_1 in
   the rows. What to see: to the right the photograph comes back. The first row has only the colors
   of the painting, the second fine lines, from the third on there are large strokes, as in the
   paper; the last two rows are alike. (Rows are figure 3 of the preprint, arXiv:1508.06576.)
5: content from conv2_2 or conv4_2. In the paper the fine structure of the photograph stays with
   conv2_2 and changes with conv4_2. Here both start from the photograph and differ little: edges
   are sharper with conv2_2.
6: the first image. What to see: from the content its houses stay, from the style its cypress and
   its stars. Each noise gives another picture in the same style. In the paper all have the content;
   here those from noise have at most the skyline, as figure 1 explains.

What was seen is of hed and the embedded network at 128 pixels. The paper's network, --network
imagenet, was not tried. Other differences: losses are relative, so that alpha / beta has other
values; figures 4 and 5 start from the photograph; 128 pixels and 150 steps (with --full 512 and
500); and the settings that are the default of the network: coarse to fine, layers after their ReLU.
Pooling, and the layers of figures 1 and 4, are the paper's. For its own losses see the preset
"gatys2016". Figure 2 is a drawing, figure 7 needs photographs: jnst stylize makes it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import common
import numpy as np

import jnst

CONTENT_LAYERS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


class Inputs(NamedTuple):
    """What a figure is made from."""

    content: np.ndarray
    styles: Sequence[np.ndarray]
    network: jnst.Network
    config: jnst.Config

    def batch(self, changes: Sequence[dict], style: Sequence[np.ndarray] | None = None) -> list:
        """Pictures with some settings changed, in the first style or in those given."""
        results = jnst.stylize_batch(
            self.content,
            self.styles[0] if style is None else list(style),
            config=[self.config.replace(**change) for change in changes],
            network=self.network,
            progress=True,
        )
        return [result.image for result in results]


Figure = tuple[list[np.ndarray], list[str], int]
"""Pictures, their labels, and the number of columns."""


def reconstructions(inputs: Inputs) -> Figure:
    """Figure 1: content and style, layer by layer, from noise."""
    config = inputs.config.replace(levels=1, init="noise")
    contents = [
        jnst.reconstruct(
            inputs.content,
            network=inputs.network,
            config=config.replace(content_layers=(layer,)),
            progress=True,
        )
        for layer in CONTENT_LAYERS
    ]
    styles = [
        jnst.texture(
            inputs.styles[0],
            network=inputs.network,
            config=config.replace(style_layers=STYLE_LAYERS[:depth]),
            progress=True,
        )
        for depth in range(1, 6)
    ]
    labels = [*CONTENT_LAYERS, "conv1_1", *(f"... {layer}" for layer in STYLE_LAYERS[1:])]
    return [result.image for result in (*contents, *styles)], labels, 5


def styles(inputs: Inputs) -> Figure:
    """Figure 3: the photograph, and it in the manner of each painting above."""
    images = inputs.batch([{}], inputs.styles)
    count = len(images)
    labels = [f"style {number}" for number in range(1, count + 1)]
    return [*inputs.styles, *images], [*labels, *labels], count


def ratios(inputs: Inputs) -> Figure:
    """Figure 4: rows of style layers, columns of alpha / beta."""
    values = (1e-3, 1e-2, 1e-1, 1.0)
    changes = [
        {
            "style_layers": STYLE_LAYERS[:depth],
            "content_weight": ratio * inputs.config.style_weight,
        }
        for depth in range(1, 6)
        for ratio in values
    ]
    labels = [
        f"to conv{depth}_1, alpha / beta {ratio:g}" for depth in range(1, 6) for ratio in values
    ]
    return inputs.batch(changes), labels, len(values)


def content_layers(inputs: Inputs) -> Figure:
    """Figure 5: the pictures, and content from two layers."""
    layers = ("conv2_2", "conv4_2")
    images = inputs.batch([{"content_layers": (layer,)} for layer in layers])
    return [inputs.content, inputs.styles[0], *images], ["content", "style", *layers], 4


def first_images(inputs: Inputs) -> Figure:
    """Figure 6: from the content, from the style, and from four noises."""
    changes = [
        {"init": "content"},
        {"init": "style"},
        *({"init": "noise", "seed": seed} for seed in range(4)),
    ]
    labels = ["from the content", "from the style", *(f"noise {seed}" for seed in range(4))]
    return inputs.batch(changes), labels, 3


FIGURES: dict[str, Callable[[Inputs], Figure]] = {
    "1": reconstructions,
    "3": styles,
    "4": ratios,
    "5": content_layers,
    "6": first_images,
}


def main() -> None:
    parser = common.new_parser(__doc__)
    parser.add_argument("figure", choices=FIGURES)
    common.add_arguments(parser, picture=True)
    parser.add_argument("--size", type=int, help="in the place of 128, or 512 with --full")
    parser.add_argument("--steps", type=int, help="in the place of 150, or 500 with --full")
    options = common.parse(parser)
    if options.figure != "3" and len(options.pictures) > 2:
        parser.error("only figure 3 has more than one style")
    given = common.pictures(options)
    if not options.pictures:
        given["styles"] = common.versions(given["styles"])
    network = jnst.load_network(options.network)
    size, steps = (512, 500) if options.full else (128, 150)
    config = jnst.preset(
        network.preset,
        size=options.size or size,
        steps=options.steps or steps,
        pooling="average",
    )
    content, *paintings = (
        jnst.load_image(path, size=config.size) for path in (given["contents"], *given["styles"])
    )
    images, labels, columns = FIGURES[options.figure](Inputs(content, paintings, network, config))
    sheet = jnst.contact_sheet(images, labels, columns=columns, cell=max(160, config.size))
    jnst.save_image(options.output, sheet)
    print(options.output)


if __name__ == "__main__":
    main()
