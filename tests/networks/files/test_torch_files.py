"""Files that PyTorch wrote (torch_files/write.py), and pickles that nobody should run."""

import contextlib
import io
import os
import pickle
import re
import sys
import tempfile
import types
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jnst.common.errors import NetworkError
from jnst.networks.files import torch_files
from support.make_files import rezip, torch_file


@pytest.fixture(params=["zip", "legacy"])
def container(request):
    return request.param


def open_bytes(data):
    if data.startswith(b"PK"):
        return torch_files.open_zip(zipfile.ZipFile(io.BytesIO(data)))
    file = tempfile.TemporaryFile()  # noqa: SIM115  # storages are read from it later
    file.write(data)
    file.seek(0)
    return torch_files.open_legacy(file)


def wrap(pickled, container):
    """A file of `torch.save` around a pickle."""
    if container == "legacy":
        head = torch_files.LEGACY_START + pickle.dumps(1001, 2)
        machine = pickle.dumps({"little_endian": True}, 2)
        return head + machine + pickled + pickle.dumps([], 2)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return out.getvalue()


class Call:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch ran",), "posix.system"),
        (eval, ("open('ran', 'w')",), "(__builtin__|builtins).eval"),
        (getattr, (1, "real"), "(__builtin__|builtins).getattr"),
    ],
)
def test_a_pickle_is_not_run(tmp_path, monkeypatch, container, function, arguments, name, protocol):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps({"features.0.weight": Call(function, *arguments)}, protocol)
    with pytest.raises(NetworkError, match=f"asks for {name}, which no state dict needs"):
        open_bytes(wrap(pickled, container))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["model.pth", "model_legacy.pth"])
def test_a_whole_model_is_refused(file):
    with pytest.raises(NetworkError, match=r"asks for torch.nn.*Sequential.*save model.state_dict"):
        open_bytes(torch_file(file).read_bytes())


@pytest.fixture
def pickled(monkeypatch):
    """Pickles `{"x": tensor}` as PyTorch would, of its storage and arguments."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        pass

    for name in ("FloatStorage", "DoubleStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            return item if isinstance(item, tuple) and item and item[0] in IDENTIFIERS else None

    def dump(identifier, *arguments):
        identifier = tuple(getattr(torch, str(part), part) for part in identifier)
        out = io.BytesIO()
        Pickler(out, 2).dump({"x": Call(_rebuild_tensor_v2, identifier, *arguments)})
        return out.getvalue()

    return dump


IDENTIFIERS = ("storage", "module")
STORAGE = ("storage", "FloatStorage", "0", "cpu", 12)


def with_numbers(pickled, numbers):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", numbers.tobytes())
    return out.getvalue()


@given(
    st.integers(0, 9),
    st.lists(st.integers(1, 3), max_size=3),
    st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_view_of_a_storage(pickled, offset, shape, data):
    strides = data.draw(st.lists(st.integers(0, 4), min_size=len(shape), max_size=len(shape)))
    numbers = np.arange(12, dtype="<f4")
    file = with_numbers(pickled(STORAGE, offset, tuple(shape), tuple(strides)), numbers)
    indices = [
        offset + sum(np.multiply(index, strides).astype(int)) for index in np.ndindex(*shape)
    ]
    if max(indices) >= 12:
        with pytest.raises(NetworkError, match="longer than its numbers"):
            open_bytes(file)
    else:
        opened = open_bytes(file)
        tensor = opened.read(opened.content["x"])
        np.testing.assert_array_equal(tensor, numbers[indices].reshape(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((STORAGE, -1, (2,), (1,)), "impossible shape"),
        ((STORAGE, 0, (2, -3), (1, 1)), "impossible shape"),
        ((STORAGE, 0, (2.0,), (1,)), "impossible shape"),
        ((STORAGE, 0, (True,), (1,)), "impossible shape"),
        ((STORAGE, 0, (2, 3), (1,)), "impossible shape"),
        ((STORAGE, 0, 7, (1,)), "without numbers"),
        ((STORAGE, 0), "without numbers"),
        (((1, 2), 0, (2,), (1,)), "without numbers"),
        ((("storage", "FloatStorage", "0", "cpu", -5), 0, (2,), (1,)), "more than tensors"),
        ((("storage", "float", "0", "cpu", 5), 0, (2,), (1,)), "more than tensors"),
        ((("storage", "FloatStorage", "0", "cpu", 9, ("1", 0, 3)), 0, (2,), (1,)), "more than"),
        ((("module", "FloatStorage", "model.py", "source"), 0, (2,), (1,)), "more than tensors"),
        ((("storage", "FloatStorage", "0", "cpu", 99), 0, (99,), (1,)), "is cut off"),
        ((("storage", "FloatStorage", "0", "cpu", 2**50), 0, (64,), (2**40,)), "spread over"),
    ],
)
def test_impossible_tensors(pickled, arguments, message):
    with pytest.raises(NetworkError, match=message):
        opened = open_bytes(with_numbers(pickled(*arguments), np.arange(12, dtype="<f4")))
        opened.read(opened.content["x"])


def test_only_what_a_tensor_covers_is_read(pickled):
    content = with_numbers(pickled(STORAGE, 3, (2, 2), (4, 1)), np.arange(12, dtype="<f4"))
    opened = open_bytes(content)
    places = []

    @contextlib.contextmanager
    def open_storage(storage, start):
        with opened.open_storage(storage, start) as file:
            places.append(file.tell())
            yield file
            places.append(file.tell())

    file = torch_files.TorchFile(opened.content, open_storage)
    np.testing.assert_array_equal(file.read(file.content["x"]), [[3, 4], [7, 8]])
    assert places == [12, 36]


@pytest.mark.parametrize("file", ["odd.pth", "odd_legacy.pth", "gatys.pth"])
def test_blocks(file, monkeypatch):
    opened = open_bytes(torch_file(file).read_bytes())
    tensors = opened.content.get("state_dict", opened.content)
    whole = {name: opened.read(tensor) for name, tensor in tensors.items()}
    monkeypatch.setattr(torch_files, "BLOCK", 7)
    for name, tensor in tensors.items():
        blocks = opened.read(tensor)
        np.testing.assert_array_equal(blocks, whole[name].astype(blocks.dtype))
        if blocks.size > 7:
            assert blocks.dtype.itemsize <= 4


def test_a_memo_of_any_size_is_not_allocated():
    pickled = b"\x80\x02}r" + (0xFFFFFFF0).to_bytes(4, "little") + b"."
    assert open_bytes(wrap(pickled, "zip")).content == {}


def test_big_endian_machines(container):
    data = torch_file(f"{container}.pth").read_bytes()
    if container == "zip":
        data = rezip(data, lambda name, part: b"big" if name.endswith("byteorder") else part)
    else:
        data = re.sub(rb"(little_endianq.)\x88", rb"\g<1>" + b"\x89", data, count=1)
    with pytest.raises(NetworkError, match="big-endian"):
        open_bytes(data)


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth", "gatys.pth"])
def test_the_rest_of_a_state_dict_is_what_pytorch_wrote(file):
    content = open_bytes(torch_file(file).read_bytes()).content
    assert content["conv1_1.bias" if file == "gatys.pth" else "features.0.bias"].shape == (2,)
    if file != "gatys.pth":
        assert content["classifier.0.weight"].shape == (5, 7)
