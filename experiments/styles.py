"""One content in many styles, in one program.

    python experiments/styles.py photo.jpg painting.jpg other.jpg ... -o styles

One side of the grid is the styles, the other the style weight. Up to 16 pictures are run together
by `jax.vmap`. What to see: the same shapes in every style, with one compilation. Without pictures,
the styles are the painting of the demo, and three versions of it: with colors exchanged, turned,
and larger.
"""

import common


def main() -> None:
    options = common.arguments(__doc__)
    given = common.pictures(options)
    if not options.pictures:
        given["styles"] = common.versions(given["styles"])
    plan = given | {
        "title": "Styles",
        "networks": options.network,
        "settings": {
            "size": 512 if options.full else 128,
            "steps": 300 if options.full else 100,
        },
        "grid": {"style_weight": [3.0, 30.0, 300.0]},
    }
    common.sweep(plan, options)


if __name__ == "__main__":
    main()
