"""Files made to run, to hang, to read other files, or to take all memory; each a few kilobytes."""

import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from jnst.common.errors import NetworkError
from jnst.networks.files.formats import open_weights
from support import make_files
from support.tiny import SHAPES


def torch_zip(path, pickled, **members):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name}", content)


def text(string):
    return b"X" + len(string).to_bytes(4, "little") + string.encode()


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x40tQ"
SHAPE = b"K\x40\x85"


def build(path):
    """BUILD gives a checked tensor another state."""
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00" + SHAPE + b"K\x01\x85tR"
    torch_zip(path, b"\x80\x02}" + text("x") + tensor + b"]K\x00ab" + b"s.")


def build_name(path):
    """BUILD on what stands for a class."""
    torch_zip(path, b"\x80\x02ctorch\nFloatStorage\n]K\x01ab.")


def nested_key(path):
    """A key that takes the whole stack to hash."""
    torch_zip(path, b"\x80\x02})" + b"\x85" * 500_000 + b"K\x01s.")


def doubled_key(path):
    """A key that takes 2 ** 60 steps to hash, by two references to each half."""
    half = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    torch_zip(path, b"\x80\x02})" + half + b"K\x01s.")


def compressed_pickle(path):
    """Python's zip file expands a chunk of bzip2 whole, however little is asked for."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 1000)


def npz(header):
    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mean.npy", b"\x93NUMPY\x01\x00v\x00" + header.ljust(118).encode())

    return write


def change_hdf5(change):
    def write(path):
        make_files.canonical(path, SHAPES)
        with h5py.File(path, "r+") as file:
            change(file)

    return write


def replace(file, name, *arguments, **options):
    del file[name]
    return file.create_dataset(name, *arguments, **options)


def virtual(file):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2,))
    del file["conv1_1/bias"]
    file.create_virtual_dataset("conv1_1/bias", layout)


def matlab_cells(path):
    """A million cells in a cell array that says it has room for them."""
    count = 1_000_000
    flags = np.array([6, 8, 1, 0], "<u4").tobytes()
    size = np.array([5, 8, count, 1], "<u4").tobytes()
    name = np.array([1, 6], "<u4").tobytes() + b"layers\0\0"
    body = flags + size + name + np.array([14, 0] * count, "<u4").tobytes()
    matrix = np.array([14, len(body)], "<u4").tobytes() + body
    packed = zlib.compress(matrix)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    path.write_bytes(header + np.array([15, len(packed)], "<u4").tobytes() + packed)


def matlab_zeros(path):
    """Arrays of zeros, 19 MB each, in a few kilobytes each."""
    cells = np.empty((1, 20), object)
    for index in range(20):
        cells[0, index] = np.zeros(2_300_000)
    scipy.io.savemat(path, {"layers": cells}, do_compression=True)


def long_names(path):
    torch_zip(path, b"\x80\x02}" + text("block1_conv1/" * 40_000) + b"K\x01s.")


FILES = {
    build: "pickle is damaged",
    build_name: "pickle is damaged",
    nested_key: "pickle is damaged",
    doubled_key: "pickle is damaged",
    compressed_pickle: "has a compression that is not accepted",
    long_names: "holds no VGG network",
    npz("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"): r"shape \(-1,\)",
    npz("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}"): "is of object",
    npz("{'descr': '|S2000000000', 'fortran_order': False, 'shape': ()}"): "is of .S2000000000",
    change_hdf5(
        lambda file: file["conv1_1/kernel"].attrs.create("scale", np.ones((300, 1, 1, 1, 1)))
    ): "has a scale of shape",
    change_hdf5(lambda file: replace(file, "conv1_1/bias", (2,), "S40000000")): "not numbers",
    change_hdf5(
        lambda file: replace(
            file, "conv1_1/bias", (2,), "f4", chunks=(500_000_000,), maxshape=(None,),
            compression="gzip", fillvalue=1,
        )
    ): "or too large",
    change_hdf5(
        lambda file: replace(
            file, "conv1_1/bias", (2,), "f4", external=[("/etc/passwd", 0, 8)]
        )
    ): "is kept in another file",
    change_hdf5(virtual): "is kept in another file",
    matlab_cells: "has more data than a VGG-19",
    matlab_zeros: "has more data than a VGG-19",
}  # fmt: skip


@pytest.mark.parametrize("write", FILES)
def test_hostile_files(tmp_path, write):
    path = tmp_path / "hostile"
    write(path)
    with pytest.raises(NetworkError, match=FILES[write]), open_weights(path) as weights:
        for _ in weights.tensors():
            pass
