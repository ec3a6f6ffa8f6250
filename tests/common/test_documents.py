"""Documents by hand, of every kind that nobody should write."""

import json
import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jnst.common.documents import DEEPEST, parse_json, parse_toml, read_document

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_json_is_read_as_python_reads_it(value):
    assert parse_json(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_a_document_or_a_value_error(text):
    for parse, library in ((parse_json, json.loads), (parse_toml, tomllib.loads)):
        try:
            parsed = parse(text)
        except ValueError:
            continue
        assert parsed == library(text)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 5000, 200_000])
def test_nested_too_deep(depth):
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
            parse_json(text)
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
        parse_toml("a = " + "[" * depth + "]" * depth)


def test_as_deep_as_is_accepted():
    text = "[" * (DEEPEST - 2) + "1" + "]" * (DEEPEST - 2)
    assert parse_json(f"[{text}]") == list(parse_toml(f"a = {text}").values())
    with pytest.raises(ValueError, match="nested"):
        parse_toml(".".join("a" * DEEPEST) + " = 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("[1e999]", "1e999 is too large for a float"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ("[" + "9" * 5000 + "]", "digits"),
        ("", "Expecting value"),
    ],
)
def test_what_is_not_json(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_files(tmp_path):
    path = tmp_path / "a"
    path.write_text("Zürich", encoding="utf-8")
    assert read_document(path, most_bytes=7) == "Zürich"
    with pytest.raises(ValueError, match="7 bytes, at most 6 are accepted"):
        read_document(path, most_bytes=6)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not text in UTF-8"):
        read_document(path, most_bytes=9)
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="not a regular file"):
            read_document(tmp_path / other, most_bytes=9)
    with pytest.raises(ValueError, match="there is no such file"):
        read_document(tmp_path / "b", most_bytes=9)
