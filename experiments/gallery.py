"""A page of twelve pictures with their recipes, made from paintings in the public domain.

    python experiments/gallery.py --pictures FOLDER -o gallery --network hed

The folder has these four, which museums and Wikimedia Commons offer: starry_night.jpg (van Gogh
1889), the_scream.jpg (Munch 1893), great_wave.jpg (Hokusai about 1831), shipwreck.jpg (Turner about
1810). What to see: shapes of one painting and strokes of the other, without frames, ripples or
seams; then what the options do: colors kept, larger strokes, two styles mixed or apart, a texture.
Every picture carries its recipe: `jnst show gallery/wave_scream.png` prints it.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import common
import numpy as np
import pages

import jnst


class Work(NamedTuple):
    """One picture of the gallery. Without a content it is a texture."""

    name: str
    title: str
    content: str | None
    styles: tuple[str, ...]
    options: dict[str, Any]


def halves(image: np.ndarray) -> list[np.ndarray]:
    """Masks of the upper and the lower part of a picture, with a soft edge."""
    height, width = image.shape[:2]
    lower = np.clip((np.arange(height) / height - 0.45) * 10, 0, 1)
    mask = np.tile(lower[:, None], (1, width)).astype(np.float32)
    return [1 - mask, mask]


PAINTINGS = STARRY, SCREAM, WAVE, WRECK = "starry_night", "the_scream", "great_wave", "shipwreck"
WORKS = (
    Work("wreck_starry", "The Shipwreck as The Starry Night", WRECK, (STARRY,), {}),
    Work("wave_starry", "The Great Wave as The Starry Night", WAVE, (STARRY,), {}),
    Work("scream_wave", "The Scream as The Great Wave", SCREAM, (WAVE,), {}),
    Work("starry_scream", "The Starry Night as The Scream", STARRY, (SCREAM,), {}),
    Work("wave_scream", "The Great Wave as The Scream", WAVE, (SCREAM,), {}),
    Work("starry_wave", "The Starry Night as The Great Wave", STARRY, (WAVE,), {}),
    Work(
        "colors", "The Shipwreck as The Scream, in its own colors", WRECK, (SCREAM,),
        {"color": "luminance"},
    ),
    Work(
        "strokes", "The Shipwreck as The Starry Night, strokes twice as large", WRECK, (STARRY,),
        {"style_scale": 2.0},
    ),
    Work(
        "blend", "The Great Wave as The Starry Night and The Scream, mixed", WAVE,
        (STARRY, SCREAM), {"style_blend": (0.5, 0.5)},
    ),
    Work(
        "regions", "The Shipwreck: sky as The Starry Night, sea as The Great Wave", WRECK,
        (STARRY, WAVE), {"regions": halves},
    ),
    Work("subtle", "The Scream as The Shipwreck, subtle", SCREAM, (WRECK,), {"style_weight": 5.0}),
    Work("texture", "A texture of The Starry Night", None, (STARRY,), {}),
)  # fmt: skip


def find_paintings(folder: Path) -> dict[str, Path]:
    """The files of the paintings, in whatever format."""
    found = {name: sorted(folder.glob(f"{name}.*"))[:1] for name in PAINTINGS}
    missing = [f"{name}.jpg" for name, paths in found.items() if not paths]
    if missing:
        raise SystemExit(f"{folder} has no {', '.join(missing)}: see --help for what is needed")
    return {name: path for name, [path] in found.items()}


def make(
    work: Work, paintings: Mapping[str, Path], network: jnst.Network, size: int, steps: int
) -> jnst.Result:
    """The picture of one work."""
    options = {"network": network, "size": size, "steps": steps, **work.options}
    styles = [paintings[name] for name in work.styles]
    if work.content is None:
        return jnst.texture(styles[0], progress=True, **options)
    content = paintings[work.content]
    if "regions" in options:
        options["content_masks"] = options.pop("regions")(jnst.load_image(content, size=size))
    return jnst.stylize(content, styles, progress=True, **options)


def entry(work: Work, path: Path) -> str:
    """A work on the page: the picture, what it is, and its recipe."""
    recipe = html.escape(json.dumps(jnst.load_recipe(path)["config"], indent=1, default=str))
    return (
        pages.image_tag(path.read_bytes(), work.title)
        + f"<details><summary>{path.name}</summary><pre>{recipe}</pre></details>"
    )


def main() -> None:
    parser = common.new_parser(__doc__)
    needed = ", ".join(f"{name}.jpg" for name in PAINTINGS)
    parser.add_argument("--pictures", type=Path, required=True, help=f"folder with {needed}")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the page")
    parser.add_argument("--network", default="embedded")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--only", nargs="+", choices=[work.name for work in WORKS])
    options = parser.parse_args()
    paintings = find_paintings(options.pictures)
    options.output.mkdir(parents=True, exist_ok=True)
    network = jnst.load_network(options.network)
    works = [work for work in WORKS if not options.only or work.name in options.only]
    paths = [options.output / f"{work.name}.png" for work in works]
    for work, path in zip(works, paths, strict=True):
        make(work, paintings, network, options.size, options.steps).save(path)
    page = options.output / "index.html"
    body = "".join(entry(work, path) for work, path in zip(works, paths, strict=True))
    pages.write_page(page, "From four paintings", body)
    sheet = jnst.contact_sheet(paths, [work.name for work in works], columns=4)
    jnst.save_image(options.output / "sheet.png", sheet)
    print(page)


if __name__ == "__main__":
    main()
