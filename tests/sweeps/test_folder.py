import csv
import dataclasses
import json

import numpy as np
import pytest

from jnst.images.files import ImageError
from jnst.settings.config import Config
from jnst.sweeps.axes import varying_settings
from jnst.sweeps.folder import SweepError, labeled_pictures, read_index, read_sweep, record_path
from jnst.sweeps.table import quoted, row_of, table_columns, write_table
from support.sweep_files import make_record, picture_of, write_sweep

SETTINGS = {"content": "photo.jpg", "style": "a.jpg", "style_weight": 10.0}


def read_table(folder):
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Reading


def test_points_come_in_the_order_of_the_plan(tmp_path):
    ids = write_sweep(tmp_path)
    points = read_sweep(tmp_path)
    assert [point.id for point in points] == ids and len(ids) == 12
    assert points[3].settings == {
        "content": "photo.jpg",
        "style": "a.jpg",
        "style_weight": 10.0,
        "content_weight": 2.0,
        "seed": 5,
    }
    assert points[3].record["id"] == ids[3] and points[3].row == row_of(points[3].record)
    name = f"a-style_weight-10-content_weight-2-seed-5-{ids[3][:8]}.png"
    assert points[3].path == tmp_path / "pictures" / name


def test_pictures_come_as_arrays(tmp_path):
    write_sweep(tmp_path)
    image = read_sweep(tmp_path)[3].image
    expected = np.random.default_rng(3).random((24, 32, 3), np.float32)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=0.5 / 255 + 1e-6)


def test_points_that_are_not_there_are_left_out(tmp_path):
    ids = write_sweep(tmp_path, missing=(0, 5))
    assert [point.id for point in read_sweep(tmp_path)] == ids[1:5] + ids[6:]


def test_pictures_are_sorted_by_the_values_that_vary(tmp_path):
    axes = {"style": ["z.jpg", ["a.jpg", "b.jpg"]], "style_weight": [100.0, 9, 20.5], "seed": [4]}
    ids = write_sweep(tmp_path, axes, missing=(1,), failed=(5,))
    paths = {point.path: point.id for point in read_sweep(tmp_path)}
    pictures = labeled_pictures(tmp_path)
    assert [label for _, label in pictures] == [
        "z.jpg, style_weight 20.5",
        "z.jpg, style_weight 100",
        "a.jpg + b.jpg, style_weight 9",
        "a.jpg + b.jpg, style_weight 100",
    ]
    assert [paths[path] for path, _ in pictures] == [ids[2], ids[0], ids[4], ids[3]]


def test_one_picture_has_its_name_and_none_is_refused(tmp_path):
    [id] = write_sweep(tmp_path / "one", {"seed": [4]})
    assert labeled_pictures(tmp_path / "one") == [
        (picture_of(tmp_path / "one", id), picture_of(tmp_path / "one", id).stem)
    ]
    write_sweep(tmp_path / "none", {"seed": [4]}, failed=(0,))
    with pytest.raises(SweepError, match="none: the sweep has no picture yet"):
        labeled_pictures(tmp_path / "none")


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-20])


def changed(**values):
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | values))


DAMAGE = {
    "cut off": cut_off,
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "nested without end": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[]"),
    "of another point": changed(id="000000000000"),
    "neither recipe nor error": changed(recipe=None),
    "no losses": changed(recipe={"content": "a"}),
    "settings of a wrong kind": changed(settings=[]),
    "a history of two lengths": changed(history={"loss": [1.0], "size": []}),
    "a history of words": changed(history={"loss": ["x"], "size": [1]}),
    "a history of words beside the loss": changed(
        history={"loss": [1.0], "size": [1], "style": "x"}
    ),
    "no seconds": changed(seconds=None),
    "no picture": changed(picture=None),
    "a picture in another folder": changed(picture="../pictures/a.png"),
    "a picture at the root": changed(picture="/a.png"),
    "a picture on another drive": changed(picture="C:a.png"),
    "a picture behind a backslash": changed(picture="..\\a.png"),
    "a hidden picture": changed(picture=".a.png"),
    "a picture of no name": changed(picture=".png"),
    "a picture of too long a name": changed(picture="a" * 197 + ".png"),
    "a picture of another kind": changed(picture="a.svg"),
    "a picture whose name ends early": changed(picture="a\0.png"),
    "a picture whose name is no text": changed(picture="\udcff.png"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_records_are_left_out(tmp_path, damage):
    ids = write_sweep(tmp_path)
    DAMAGE[damage](record_path(tmp_path, ids[4]))
    assert [point.id for point in read_sweep(tmp_path)] == ids[:4] + ids[5:]


def test_a_record_whose_picture_is_gone_is_left_out(tmp_path):
    ids = write_sweep(tmp_path)
    picture_of(tmp_path, ids[4]).unlink()
    assert [point.id for point in read_sweep(tmp_path)] == ids[:4] + ids[5:]


def test_records_of_no_planned_point_are_left_out(tmp_path):
    ids = write_sweep(tmp_path)
    (tmp_path / "points" / "stray.json").write_text(json.dumps(make_record("stray", SETTINGS)))
    assert [point.id for point in read_sweep(tmp_path)] == ids


def test_a_failed_point_says_why_and_has_no_picture(tmp_path):
    ids = write_sweep(tmp_path, failed=(2,))
    point = read_sweep(tmp_path)[2]
    assert point.id == ids[2] and point.row["error"] == "the loss is not finite in step 3"
    with pytest.raises(ImageError, match="no such file"):
        _ = point.image


def test_a_loss_that_is_not_finite_can_be_read(tmp_path):
    ids = write_sweep(tmp_path)
    record = json.loads(record_path(tmp_path, ids[0]).read_text())
    record["history"]["loss"][3] = record["recipe"]["losses"]["total"] = None
    record_path(tmp_path, ids[0]).write_text(json.dumps(record))
    assert read_sweep(tmp_path)[0].row["loss"] is None


def index_with(**values):
    index = {"format": 1, "title": "t", "axes": {"seed": [1, 2]}, "inputs": {}}
    return index | {"points": [{"id": "ab", "at": [0]}]} | values


NO_INDEX = {
    "nothing": None,
    "no JSON": "format = 1",
    "cut off": json.dumps(index_with())[:-3],
    "another format": json.dumps(index_with(format=2)),
    "no title": json.dumps(index_with(title=None)),
    "axes of a wrong kind": json.dumps(index_with(axes=[])),
    "an axis of a wrong kind": json.dumps(index_with(axes={"seed": 3})),
    "a zipped axis of one": json.dumps(index_with(axes={"seed, size": [[1]]})),
    "inputs of a wrong kind": json.dumps(index_with(inputs={"a": 1})),
    "a place beyond the axis": json.dumps(index_with(points=[{"id": "ab", "at": [2]}])),
    "a place before the axis": json.dumps(index_with(points=[{"id": "ab", "at": [-1]}])),
    "a place for no axis": json.dumps(index_with(points=[{"id": "ab", "at": [0, 0]}])),
    "an id out of the folder": json.dumps(index_with(points=[{"id": "../ab", "at": [0]}])),
}


@pytest.mark.parametrize("kind", NO_INDEX)
@pytest.mark.parametrize("read", [read_index, read_sweep])
def test_what_is_no_sweep(tmp_path, kind, read):
    if NO_INDEX[kind] is not None:
        (tmp_path / "sweep.json").write_text(NO_INDEX[kind])
    with pytest.raises(SweepError) as error:
        read(tmp_path)
    assert str(error.value) == f"{tmp_path}: no sweep (there is no readable sweep.json)"


def test_the_index_that_the_others_are_made_from_is_one(tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps(index_with()))
    index = read_index(tmp_path)
    assert index.axes == {"seed": [1, 2]} and index.points == [("ab", (0,))]


def test_a_picture_is_found_by_the_name_in_its_record(tmp_path):
    ids = write_sweep(tmp_path)
    path = picture_of(tmp_path, ids[4])
    path.rename(path.with_name("the name by an earlier plan.png".replace(" ", "_")))
    assert [point.id for point in read_sweep(tmp_path)] == ids[:4] + ids[5:]
    changed(picture="the_name_by_an_earlier_plan.png")(record_path(tmp_path, ids[4]))
    assert [point.id for point in read_sweep(tmp_path)] == ids
    assert read_sweep(tmp_path)[4].path.name == "the_name_by_an_earlier_plan.png"
    assert read_sweep(tmp_path)[4].image.shape == (24, 32, 3)


# The table


def test_a_row_is_flat():
    settings = SETTINGS | {"style": ["a.jpg", "b c.jpg"], "style_layers": ["relu1_1", "relu2_1"]}
    row = row_of(make_record("ab", settings, steps=7))
    assert row["styles"] == "a.jpg + b c.jpg" and row["network"] == "embedded"
    assert row["style_layers"] == "relu1_1 relu2_1" and row["style_loss"] == "gram"
    assert row["gradient_evaluations"] == 7 and row["learning_rate"] is None
    assert {field.name for field in dataclasses.fields(Config)} <= set(row)
    assert {name: value for name, value in row.items() if name.startswith("loss")} == {
        "loss": 0.05,
        "loss/content": 0.125,
        "loss/style": 0.25,
        "loss/style/relu1_1": 0.25,
        "loss/content/relu4_2": 0.125,
    }
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())


def test_the_sums_of_a_row_are_of_unweighted_terms():
    record = make_record("ab", SETTINGS)
    record["recipe"]["losses"] = {
        "total": 9.0,
        "style/relu1_1": 0.25,
        "style/relu2_1": 0.5,
        "total_variation": 4.0,
    }
    row = row_of(record)
    assert row["loss/style"] == 0.75 and "loss/content" not in row
    record["recipe"]["losses"]["style/relu2_1"] = None  # not finite
    assert row_of(record)["loss/style"] is None


def test_the_network_is_what_was_loaded():
    record = make_record("ab", SETTINGS)
    record["recipe"]["network"] = {"load": "imagenet", "name": "vgg19-keras", "digest": "00ff"}
    assert row_of(record)["network"] == "imagenet"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_failed_row_has_its_settings_alone(zipped):
    seeds = {"content_weight, seed": [2.0, 5]} if zipped else {"content_weight": 2.0, "seed": 5}
    settings = SETTINGS | seeds | {"style_layers": ["relu1_1", "relu2_1"]}
    assert row_of(make_record("ab", settings, failed=True)) == {
        "id": "ab",
        "error": "the loss is not finite in step 3",
        "content": "photo.jpg",
        "styles": "a.jpg",
        "style_weight": 10.0,
        "content_weight": 2.0,
        "seed": 5,
        "style_layers": "relu1_1 relu2_1",
    }


def test_the_table_has_a_line_for_each_record(tmp_path):
    write_sweep(tmp_path, failed=(0,))
    points = read_sweep(tmp_path)
    write_table(tmp_path, [point.record for point in points], ["style"])
    rows = read_table(tmp_path)
    assert [row["id"] for row in rows] == [point.id for point in points]
    assert rows[0]["error"] and rows[0]["loss"] == "" and rows[0]["seed"] == "1"
    for row, point in zip(rows[1:], points[1:], strict=True):
        assert float(row["loss"]) == point.row["loss"]
        assert {name: value for name, value in row.items() if value} == {
            name: str(value) for name, value in point.row.items() if value not in (None, "")
        }
    assert not list(tmp_path.glob(".*"))


def test_columns_do_not_depend_on_what_ended_first(tmp_path):
    records = [
        make_record("aa", SETTINGS | {"seed": 3}, failed=True),
        make_record("bb", SETTINGS),
        make_record("cc", SETTINGS),
    ]
    records[1]["recipe"]["losses"] = {"total": 1.0, "style/relu3_1": 1.0}
    records[2]["recipe"]["losses"] = {"total": 1.0, "style/relu1_1": 1.0, "content/relu4_2": 1.0}
    columns = table_columns(records, ["style_weight", "seed"])
    assert table_columns(records[::-1], ["style_weight", "seed"]) == columns
    assert columns[:9] == [
        *("style_weight", "seed", "loss", "loss/content", "loss/style", "loss/content/relu4_2"),
        *("loss/style/relu1_1", "loss/style/relu3_1", "error"),
    ]
    assert columns[-2:] == ["digest", "id"]
    assert len(set(columns)) == len(columns)


def test_what_varies_comes_first(tmp_path):
    write_sweep(tmp_path)
    records = [point.record for point in read_sweep(tmp_path)]
    varying = varying_settings(read_index(tmp_path).axes)
    assert varying == ["style", "style_weight", "content_weight", "seed"]
    write_table(tmp_path, records, varying)
    [row, *_] = read_table(tmp_path)
    assert list(row)[:5] == ["styles", "style_weight", "content_weight", "seed", "loss"]
    assert list(row)[-1] == "id" and row["content"] == "photo.jpg"


def test_awkward_text_survives_the_table(tmp_path):
    records = [make_record("aa", SETTINGS), make_record("bb", SETTINGS, failed=True)]
    records[0]["recipe"]["content"] = 'a "b",\nü.jpg'
    records[1]["error"] = "line\r\nline"
    write_table(tmp_path, records, [])
    rows = read_table(tmp_path)
    assert rows[0]["content"] == 'a "b",\nü.jpg' and rows[1]["error"] == "line\r\nline"
    records[0]["recipe"]["content"] = "\udcff.jpg"  # a name of bytes that are no text
    write_table(tmp_path, records, [])
    assert read_table(tmp_path)[0]["content"] == "\\udcff.jpg"


def test_a_table_is_whole_or_as_it_was(tmp_path):
    write_table(tmp_path, [make_record("aa", SETTINGS)], [])
    before = (tmp_path / "results.csv").read_bytes()
    with pytest.raises(KeyError):
        write_table(tmp_path, [{"id": "bb"}], [])
    assert (tmp_path / "results.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_no_records_make_a_table_of_headings(tmp_path):
    write_table(tmp_path, [], ["style"])
    headings = "styles,error,content,network,seconds,gradient_evaluations,steps_taken,digest,id"
    assert (tmp_path / "results.csv").read_text() == headings + "\n"


def test_cells_that_a_spreadsheet_would_run(tmp_path):
    for text in ("=1+1", "+x", "-x", "@x", "\tx", "\r=x", "'x"):
        assert quoted(text) == "'" + text
    for plain in (-1.5, 3, "a=b", "1e-3", "", None, "5 -3"):
        assert quoted(plain) == plain
    axes = {"content": ["=cmd.png"], "style": ["-a.jpg", "b.jpg"]}
    write_sweep(tmp_path, axes)
    records = [point.record for point in read_sweep(tmp_path)]
    write_table(tmp_path, records, [])
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["content"] for row in rows] == ["'=cmd.png"] * 2
    assert [row["styles"] for row in rows] == ["'-a.jpg", "b.jpg"]
    assert float(rows[0]["loss"]) == records[0]["recipe"]["losses"]["total"]
