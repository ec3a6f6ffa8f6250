"""Files that scipy wrote, and the values that scipy was given."""

import io
import tempfile

import numpy as np
import pytest
import scipy.io

from jnst.common.errors import NetworkError
from jnst.networks.files.matlab_files import read_variables

CELL = np.empty((2, 2), object)
CELL[:] = [[np.arange(3.0), "b"], [{"x": 1.5}, np.zeros((0, 0))]]
STRUCTS = np.array([(1.0, "one"), (2.0, "two")], [("number", object), ("name", object)])

VALUES = {
    "matrix": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "small": np.arange(5, dtype=np.int16),
    "narrowed": np.arange(300.0),
    "text": "relu1_1",
    "cell": CELL,
    "struct": {"a": {"b": np.eye(2)}, "c": "d"},
    "structs": STRUCTS,
}


def read(values, *, largest=1000, compressed=True):
    with tempfile.TemporaryFile() as file:
        scipy.io.savemat(file, values, do_compression=compressed)
        file.seek(0)
        return dict(read_variables(file, largest=largest))


@pytest.mark.parametrize("compressed", [False, True])
def test_values(compressed):
    values = read(VALUES, compressed=compressed)
    assert list(values) == list(VALUES)
    np.testing.assert_array_equal(values["matrix"], VALUES["matrix"])
    assert values["matrix"].dtype == np.float32
    np.testing.assert_array_equal(values["small"], [VALUES["small"]])
    np.testing.assert_array_equal(values["narrowed"], [VALUES["narrowed"]])
    assert values["text"] == "relu1_1"
    first, second, third, fourth = values["cell"]  # column by column
    np.testing.assert_array_equal(first, [[0, 1, 2]])
    assert [item["x"].item() for item in second] == [1.5]
    assert (third, fourth.shape) == ("b", (0, 0))
    [struct] = values["struct"]
    np.testing.assert_array_equal(struct["a"][0]["b"], np.eye(2))
    assert struct["c"] == "d"
    assert [item["name"] for item in values["structs"]] == ["one", "two"]


@pytest.mark.parametrize("compressed", [False, True])
def test_large_arrays_are_passed_over(compressed):
    values = read(VALUES, largest=23, compressed=compressed)
    assert values["matrix"] is None
    assert values["narrowed"] is None
    assert values["text"] == "relu1_1"
    np.testing.assert_array_equal(values["small"], [VALUES["small"]])


def test_other_machines_and_versions():
    with pytest.raises(NetworkError, match="unsupported version or byte order"):
        list(read_variables(io.BytesIO(b"MATLAB 5.0".ljust(124) + b"\1\0MI"), largest=9))


def test_a_cell_of_more_elements_than_it_has_room_for():
    file = io.BytesIO()
    scipy.io.savemat(file, {"cell": CELL})
    data = file.getvalue()
    place = data.index(np.array([2, 2], "<i4").tobytes(), 128)
    huge = data[:place] + np.array([1 << 30, 1], "<i4").tobytes() + data[place + 8 :]
    with pytest.raises(NetworkError, match="more elements than it has room for"):
        list(read_variables(io.BytesIO(huge), largest=9))
