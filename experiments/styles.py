"""One content in many styles, in one program.

    python experiments/styles.py photo.jpg painting.jpg other.jpg ... -o styles

Columns: the styles. Rows: the style weight. All are run together by `jax.vmap`. What to see: the
same shapes in every style, with one compilation. Without pictures, the styles are the painting of
the demo, and three versions of it: with colors exchanged, turned, and larger.
"""

import common
import numpy as np

import jnst


def versions(styles: list[str]) -> list[str]:
    """The painting, and three pictures made from it."""
    path = styles[0]
    image = jnst.load_image(path)
    others = {
        "warm": image[..., ::-1],
        "turned": np.rot90(image).copy(),
        "large": image[60:180, 80:240],
    }
    for name, other in others.items():
        styles = [*styles, path.replace("painting.png", f"{name}.png")]
        jnst.save_image(styles[-1], other)
    return styles


def main() -> None:
    options = common.arguments(__doc__)
    given = common.pictures(options)
    if not options.pictures:
        given["styles"] = versions(given["styles"])
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
