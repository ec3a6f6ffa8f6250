"""Style layers against the weight of the content: figure 3 of Gatys, Ecker, Bethge 2016.

    python experiments/layers.py photo.jpg painting.jpg -o layers

Rows: the style is matched up to conv1_1, conv2_1, ... conv5_1. Columns: alpha / beta from 1e-5 to
1, of relative losses (the paper has 1e-5 to 1e-2 of its own losses). What to see: the first row has
only the colors and the finest texture of the painting; with each row the strokes become larger. The
first columns show the style alone; in the last the photograph returns.
"""

import common

LAYERS = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]


def main() -> None:
    options = common.arguments(__doc__)
    plan = common.pictures(options) | {
        "title": "Style layers",
        "networks": options.network,
        "settings": {
            "size": 512 if options.full else 128,
            "steps": 500 if options.full else 100,
            "init": "noise",
            "style_weight": 1.0,
            "tv_weight": 0.0,
            "content_layers": ["conv4_2"],
        },
        "grid": {
            "style_layers": [LAYERS[:depth] for depth in range(1, 6)],
            "content_weight": {"logspace": [-5, 0, 6]},
        },
    }
    common.sweep(plan, options)


if __name__ == "__main__":
    main()
