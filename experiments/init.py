"""The first image: figure 6 of Gatys, Ecker, Bethge 2016.

    python experiments/init.py photo.jpg painting.jpg -o init

Columns: the first image is the content, the style, gray, or one of four noises. Rows: the share of
the content in it. What to see: from the content, edges are sharpest. From the style, some shapes of
the painting stay. Each noise gives another picture in the same style; they differ most where the
photograph is flat.
"""

import common


def main() -> None:
    options = common.arguments(__doc__)
    plan = common.pictures(options) | {
        "title": "The first image",
        "networks": options.network,
        "settings": {
            "size": 512 if options.full else 128,
            "steps": 500 if options.full else 100,
        },
        "grid": {"init_content": [0.0, 0.3, 0.6]},
        "zip": [
            {
                "init": ["content", "style", "gray", "noise", "noise", "gaussian", "colors"],
                "seed": [0, 0, 0, 1, 2, 3, 4],
            }
        ],
    }
    common.sweep(plan, options)


if __name__ == "__main__":
    main()
