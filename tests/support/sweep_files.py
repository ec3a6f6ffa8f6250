"""The folder of a sweep, written as a sweep writes it, with pictures that are noise."""

import csv
import dataclasses
import hashlib
import itertools
import json
import os

import numpy as np

from jnst.images.encoding import save_image
from jnst.images.files import file_digest
from jnst.settings.config import Config
from jnst.sweeps.axes import separate, varying_settings
from jnst.sweeps.folder import picture_path, record_path
from jnst.sweeps.picture_names import picture_names
from jnst.sweeps.report import show_inputs

AXES = {
    "content": ["photo.jpg"],
    "style": ["a.jpg", ["a.jpg", "b c.jpg"]],
    "style_weight": [1.0, 10.0, 100.0],
    "content_weight, seed": [[1.0, 1], [2.0, 5]],
}


def write_inputs(folder, names, shape=(30, 40)):
    """Pictures of these names in a folder; {name: absolute path}."""
    rng = np.random.default_rng(1)
    folder.mkdir(exist_ok=True)
    for name in names:
        # Whatever the suffix says.
        save_image(folder / "picture.png", rng.random((*shape, 3), np.float32))
        (folder / "picture.png").rename(folder / name)
    return {name: str(folder / name) for name in names}


def write_sweep(folder, axes=AXES, *, inputs=None, missing=(), failed=(), title="plan", **options):
    """Write the folder; the ids of all points in order, of which some, by index, are not there."""
    folder.mkdir(exist_ok=True)
    for name in ("points", "pictures"):
        (folder / name).mkdir(exist_ok=True)
    places = list(itertools.product(*(range(len(values)) for values in axes.values())))
    points = [{"id": hashlib.sha256(str(at).encode()).hexdigest()[:12], "at": at} for at in places]
    named = {name: os.path.relpath(path, folder) for name, path in (inputs or {}).items()}
    show_inputs(folder, (inputs or {}).values())
    index = {"format": 1, "title": title, "axes": axes, "inputs": named, "points": points}
    (folder / "sweep.json").write_text(json.dumps(index))
    settings = {point["id"]: settings_at(axes, point["at"]) for point in points}
    varied = {
        id: {name: separate(each)[name] for name in varying_settings(axes)}
        for id, each in settings.items()
    }
    names = picture_names(varied)
    for number, (id, each) in enumerate(settings.items()):
        if number in missing:
            continue
        record = make_record(id, each, number, failed=number in failed, **options)
        record["picture"] = names[id]
        if record["recipe"]:
            save_picture(folder, record, number)
        record_path(folder, id).write_text(json.dumps(record))
    return [point["id"] for point in points]


def settings_at(axes, at):
    return {name: values[place] for (name, values), place in zip(axes.items(), at, strict=True)}


def picture_of(folder, id):
    """The path of a point's picture."""
    return picture_path(folder, json.loads(record_path(folder, id).read_text()))


def save_picture(folder, record, seed, shape=(24, 32)):
    image = np.random.default_rng(seed).random((*shape, 3), np.float32)
    path = picture_path(folder, record)
    save_image(path, image, recipe=json.dumps(record["recipe"]))
    record["sha256"] = file_digest(path)


def make_record(id, settings, number=0, *, failed=False, steps=60):
    record = {"id": id, "settings": settings, "recipe": None, "history": None}
    record |= {"seconds": 12.5 + number, "gradient_evaluations": steps, "error": None}
    record |= {"picture": f"{id}.png", "sha256": None}
    if failed:
        return record | {"error": "the loss is not finite in step 3"}
    levels = [48] * (steps // 3) + [96] * (steps - steps // 3)
    loss = [(5 + number) / (1 + step) + 0.01 * (number % 7) for step in range(steps)]
    history = {"loss": loss, "size": levels}
    history |= {"content": [0.125] * steps, "style": [x / 10 for x in loss]}
    return record | {"recipe": make_recipe(settings), "history": history}


def make_recipe(settings):
    settings = separate(settings)
    style = settings.pop("style", "a.jpg")
    content = settings.pop("content", "photo.jpg")
    weight = float(settings.get("style_weight", 30))
    config = dataclasses.asdict(Config(**settings))
    return {
        "jnst": "0.1",
        "content": content,
        "styles": style if isinstance(style, list) else [style],
        "network": {"load": "embedded", "name": "embedded", "digest": "sha256:00ff"},
        "config": json.loads(json.dumps(config)),
        "steps": config["steps"],
        "losses": {"total": 0.5 / weight, "style/relu1_1": 0.25, "content/relu4_2": 0.125},
        "versions": {"jax": "0.10.2"},
    }


def toml(plan):
    """JSON's values are TOML's, but for tables."""
    lines = [f"{key} = {json.dumps(plan[key])}" for key in ("contents", "styles", "networks")]
    for section in ("settings", "grid"):
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in plan[section].items()]
    return "\n".join(lines)


def table(folder):
    """The lines of results.csv."""
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def untimed(folder):
    """The lines of the table without their seconds, and the bytes of the pictures."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in table(folder)]
    return rows, {path.name: path.read_bytes() for path in (folder / "pictures").iterdir()}
