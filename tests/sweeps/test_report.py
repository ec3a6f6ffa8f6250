import html.parser
import json
import math
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jnst.sweeps import report
from jnst.sweeps.folder import SweepError, read_index, read_sweep, record_path
from jnst.sweeps.report import render_page, write_report
from support.sweep_files import picture_of, write_inputs, write_sweep

HOSTILE = [
    "</script><script>alert(1)</script>.png",
    'a "b" & <i>.jpg',
    "-o.png",
    "ü & $(rm) 'x'.jpg",
]


class Parser(html.parser.HTMLParser):
    """Takes the JSON out of a page, and counts its elements."""

    def __init__(self):
        super().__init__()
        self.data, self.tags, self.title, self.inside = "", [], "", ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = "data" if dict(attrs).get("id") == "data" else tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, text):
        if self.inside == "data":
            self.data += text
        if self.inside == "title":
            self.title += text


def parse(page):
    parser = Parser()
    parser.feed(page)
    return parser


def read_page(folder):
    write_report(folder)
    return json.loads(parse((folder / "index.html").read_text()).data)


def by_id(data):
    return {point["id"]: point for point in data["points"]}


def change_record(folder, id, change):
    record = json.loads(record_path(folder, id).read_text())
    change(record)
    record_path(folder, id).write_text(json.dumps(record))


# The page


def test_the_page_is_one_file_without_addresses_of_others(tmp_path):
    write_sweep(tmp_path)
    assert write_report(tmp_path) == tmp_path / "index.html"
    page = (tmp_path / "index.html").read_text()
    assert "{{" not in page and "import " not in page and "url(" not in page
    assert page.replace("http://www.w3.org/2000/svg", "").count("http") == page.count("http-equiv")
    assert parse(page).tags.count("script") == 2 and "link" in parse(page).tags
    assert not list(tmp_path.glob(".*"))


def test_it_can_be_read_from_any_folder(tmp_path, monkeypatch):
    write_sweep(tmp_path / "sweep")
    monkeypatch.chdir(tmp_path)
    assert str(write_report("sweep")) == "sweep/index.html"
    assert not any(
        str(tmp_path) in point.get("picture", "")
        for point in read_page(tmp_path / "sweep")["points"]
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_out_of_the_page(tmp_path, name):
    axes = {"content": [name], "style": [[name, "a.jpg"]], "init": [name]}
    write_sweep(tmp_path, axes, title=name + "{{data}}{{style}}")
    harmless = write_sweep(tmp_path / "other", {"content": ["x"], "style": ["y"]})
    write_report(tmp_path)
    write_report(tmp_path / "other")
    page = parse((tmp_path / "index.html").read_text())
    assert harmless and page.tags == parse((tmp_path / "other" / "index.html").read_text()).tags
    assert page.title == name + "{{data}}{{style}}"
    data = json.loads(page.data)
    assert data["axes"][0]["values"][0] == [["content", name, [name]]]
    assert data["points"][0]["recipe"]["styles"] == [name, "a.jpg"]


def test_the_title_is_the_plans_or_the_name_of_the_folder(tmp_path, monkeypatch):
    write_sweep(tmp_path / "weights", title="Which weight?")
    assert read_page(tmp_path / "weights")["title"] == "Which weight?"
    write_sweep(tmp_path / "weights & seeds", title="")
    monkeypatch.chdir(tmp_path / "weights & seeds")
    assert read_page(Path())["title"] == "weights & seeds"
    assert parse(Path("index.html").read_text()).title == "weights & seeds"


def test_a_name_that_is_no_text(tmp_path):
    write_sweep(tmp_path, {"content": ["\udcff.jpg"], "style": ["a.jpg"]}, title="\udcff")
    data = read_page(tmp_path)
    assert data["points"][0]["recipe"]["content"] == "\udcff.jpg"


def test_numbers_that_are_not_finite_become_null(tmp_path):
    (id,) = write_sweep(tmp_path, {"content": ["x"], "style": ["y"]})

    def spoil(record):
        record["history"]["loss"][1:3] = [None, None]
        record["recipe"]["losses"]["style/relu1_1"] = -math.inf

    change_record(tmp_path, id, spoil)
    data = read_page(tmp_path)
    (point,) = data["points"]
    assert point["history"]["loss"][1:3] == [None, None] and point["history"]["loss"][0] == 5
    assert point["recipe"]["losses"]["style/relu1_1"] is None
    assert point["row"][data["columns"].index("loss/style/relu1_1")] is None


def test_rendering_is_pure():
    data = {"title": "t", "axes": [], "inputs": {}, "columns": [], "points": []}
    assert (
        render_page(data) == render_page(data) and json.loads(parse(render_page(data)).data) == data
    )
    with pytest.raises(ValueError):
        render_page(data | {"axes": [math.nan]})


# What it says


def test_axes_have_their_names_and_the_words_of_their_values(tmp_path):
    axes = {
        "content": ["photo.jpg"],
        "style": ["a.jpg", ["a.jpg", "b c.jpg"]],
        "style_weight": [0.1 + 0.2, 1e-05, 100.0],
        "style_layers": [["relu1_1"], ["relu1_1", "relu2_1"]],
        "content_weight, seed": [[1.0, 1]],
        "learning_rate": [None],
    }
    write_sweep(tmp_path, axes, missing=range(99))
    data = read_page(tmp_path)
    values = {axis["name"]: axis["values"] for axis in data["axes"]}
    assert list(values) == list(axes)
    assert values["style"] == [
        [["style", "a.jpg", ["a.jpg"]]],
        [["style", "a.jpg + b c.jpg", ["a.jpg", "b c.jpg"]]],
    ]
    assert [setting[1] for (setting,) in values["style_weight"]] == ["0.3", "1e-05", "100"]
    assert values["style_layers"][1] == [["style_layers", "relu1_1 relu2_1", []]]
    assert values["content_weight, seed"] == [[["content_weight", "1", []], ["seed", "1", []]]]
    assert values["learning_rate"] == [[["learning_rate", "None", []]]]


def test_a_done_point_has_everything(tmp_path):
    ids = write_sweep(tmp_path, steps=9)
    data = read_page(tmp_path)
    assert [point["id"] for point in data["points"]] == ids
    point = data["points"][3]
    record = json.loads(record_path(tmp_path, ids[3]).read_text())
    assert point["state"] == "done" and point["at"] == [0, 0, 1, 1]
    name = f"a-style_weight-10-content_weight-2-seed-5-{ids[3][:8]}.png"
    assert point["picture"] == f"pictures/{name}" and point["shape"] == [32, 24]
    assert point["thumbnail"] == f"thumbnails/{ids[3]}.jpg"
    assert point["recipe"] == record["recipe"]
    assert point["losses"] == {"loss": 0.05, "content": 0.125, "style": 0.25}
    assert point["history"]["levels"] == [[48, 3], [96, 6]]
    for kind in ("loss", "content", "style"):
        np.testing.assert_allclose(point["history"][kind], record["history"][kind], rtol=1e-4)
    row = dict(zip(data["columns"], point["row"], strict=True))
    assert row["loss"] == 0.05 and row["seed"] == 5 and row["styles"] == "a.jpg"


def test_failed_and_missing_points(tmp_path):
    ids = write_sweep(tmp_path, failed=(2,), missing=(4,))
    record_path(tmp_path, ids[5]).write_bytes(record_path(tmp_path, ids[5]).read_bytes()[:99])
    picture_of(tmp_path, ids[6]).unlink()
    points = by_id(read_page(tmp_path))
    assert points[ids[2]]["state"] == "failed" and points[ids[2]]["history"] is None
    assert points[ids[2]]["error"] == "the loss is not finite in step 3"
    for id in ids[4:7]:
        assert set(points[id]) == {"id", "at", "state"} and points[id]["state"] == "missing"
    assert points[ids[7]]["state"] == "done"
    assert not (tmp_path / "thumbnails" / f"{ids[2]}.jpg").exists()


def test_a_picture_that_is_not_the_one_that_was_made_is_missing(tmp_path):
    ids = write_sweep(tmp_path)
    cut, empty, foreign, led_away = (picture_of(tmp_path, id) for id in ids[:4])
    cut.write_bytes(cut.read_bytes()[:200])
    empty.write_bytes(b"")
    foreign.write_bytes(picture_of(tmp_path, ids[5]).read_bytes())
    led_away.rename(tmp_path / "elsewhere.png")
    led_away.symlink_to(tmp_path / "elsewhere.png")
    points = by_id(read_page(tmp_path))
    assert [points[id]["state"] for id in ids[:5]] == ["missing"] * 4 + ["done"]
    assert len(read_sweep(tmp_path)) == len(ids) - 4


def test_the_page_opens_nothing_that_only_the_folder_names(tmp_path):
    """A stranger's sweep.json names a picture of ours, and what never ends."""
    secret = write_inputs(tmp_path / "private", ["secret.png"])["secret.png"]
    folder = tmp_path / "sweep"
    write_sweep(folder, inputs={"secret.png": secret})
    (thumbnail,) = (folder / "thumbnails").glob("input-*.jpg")
    thumbnail.unlink()
    os.mkfifo(tmp_path / "pipe")
    index = json.loads((folder / "sweep.json").read_text())
    index["inputs"] |= {"b.jpg": str(tmp_path / "pipe"), "c.jpg": "/proc/kmsg"}
    (folder / "sweep.json").write_text(json.dumps(index))
    assert read_page(folder)["inputs"] == {"secret.png": None, "b.jpg": None, "c.jpg": None}
    assert not list((folder / "thumbnails").glob("input-*"))


def test_a_sweep_of_which_nothing_is_done_yet(tmp_path):
    write_sweep(tmp_path, missing=range(12))
    assert {point["state"] for point in read_page(tmp_path)["points"]} == {"missing"}


def test_the_command_is_quoted_for_the_shell(tmp_path):
    inputs = {name: f"/a folder/{name}" for name in HOSTILE}
    axes = {"content": [HOSTILE[0]], "style": [HOSTILE[1], HOSTILE[1:]]}
    ids = write_sweep(tmp_path, axes, inputs=inputs)

    def from_folder(name):
        return os.path.relpath(inputs[name], tmp_path)

    for id, point, styles in zip(
        ids, read_page(tmp_path)["points"], ([HOSTILE[1]], HOSTILE[1:]), strict=True
    ):
        assert shlex.split(point["command"]) == [
            *("jnst", "stylize", *(from_folder(name) for name in (HOSTILE[0], *styles))),
            *("--like", f"pictures/{picture_of(tmp_path, id).name}", "-o", "again.png"),
        ]


def test_a_folder_that_is_no_sweep(tmp_path):
    with pytest.raises(SweepError, match="no sweep"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


# Thumbnails


def thumbnails(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "thumbnails").iterdir()}


def test_thumbnails_are_small_pictures(tmp_path):
    inputs = write_inputs(tmp_path / "in", ["photo.jpg", "a.jpg"], shape=(300, 900))
    ids = write_sweep(tmp_path, inputs=inputs)
    data = read_page(tmp_path)
    assert len(thumbnails(tmp_path)) == len(ids) + 2
    with Image.open(tmp_path / data["inputs"]["photo.jpg"]) as picture:
        assert picture.size == (512, 171) and picture.format == "JPEG"
    with Image.open(tmp_path / data["points"][0]["thumbnail"]) as picture:
        assert picture.size == (32, 24)  # never enlarged


def test_thumbnails_are_made_once(tmp_path, monkeypatch):
    inputs = write_inputs(tmp_path / "in", ["photo.jpg", "a.jpg"])
    ids = write_sweep(tmp_path, inputs=inputs)
    write_report(tmp_path)
    before = thumbnails(tmp_path)
    newer = max(before.values()) + 10**9
    os.utime(picture_of(tmp_path, ids[3]), ns=(newer, newer))
    made = []
    monkeypatch.setattr(
        report, "load_image", lambda path, load=report.load_image: made.append(path) or load(path)
    )
    write_report(tmp_path)
    assert made == [picture_of(tmp_path, ids[3])]
    after = thumbnails(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {f"{ids[3]}.jpg"}


def test_inputs_without_a_picture_have_no_thumbnail_or_their_old_one(tmp_path):
    inputs = write_inputs(tmp_path / "in", ["photo.jpg"])
    write_sweep(tmp_path, inputs=inputs | {"a.jpg": "/nowhere/a.jpg", "b": str(tmp_path)})
    first = read_page(tmp_path)["inputs"]
    assert first["a.jpg"] is None and first["b"] is None and first["photo.jpg"]
    (tmp_path / "in" / "photo.jpg").unlink()
    assert read_page(tmp_path)["inputs"] == first


def test_inputs_of_one_name_in_other_folders_are_told_apart(tmp_path):
    write_sweep(tmp_path, inputs=write_inputs(tmp_path / "in", ["photo.jpg"]))
    first = read_page(tmp_path)["inputs"]["photo.jpg"]
    write_sweep(tmp_path, inputs=write_inputs(tmp_path / "other", ["photo.jpg"]))
    assert read_page(tmp_path)["inputs"]["photo.jpg"] != first


def test_the_data_is_made_of_plain_values(tmp_path):
    write_sweep(tmp_path, failed=(1,), missing=(2,))
    (tmp_path / "thumbnails").mkdir(exist_ok=True)
    data = report.page_data(tmp_path, read_index(tmp_path))
    assert json.loads(json.dumps(data, allow_nan=False))["points"] == read_page(tmp_path)["points"]
