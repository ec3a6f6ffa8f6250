"""Files of named arrays in several formats, read one array at a time."""

import contextlib
import dataclasses
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import safetensors

from jnst.common.errors import NetworkError
from jnst.networks.files import matlab_files, torch_files
from jnst.networks.files.state_pickle import StoredTensor
from jnst.networks.layers import VGG19

LARGEST = max(math.prod(shape) for shape in VGG19.convolutions.values())
"""Elements of the largest kernel; MatConvNet's files have larger arrays, which are not read."""

LONGEST_HEADER = 1 << 16
LARGEST_MEMBER = 1 << 30
"""Bytes of the largest HDF5 file in a package; VGG-19 with its classifier has 575 MB."""

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""zipfile does not limit the unpacked size of other compressions."""

IDENTITY = {
    "name": "name",
    "source": "source",
    "license": "licence",
    "digest": "digest",
    "preset": "preset",
}
"""What identifies the network of a canonical file: each with its attribute in the file."""

ATTRIBUTES = ("mean", "pooling", *IDENTITY.values())
"""The attributes of a canonical file."""


@dataclasses.dataclass(frozen=True)
class Container:
    """An open file: the shapes of its arrays by name, and a function that reads one array."""

    format: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a file of PyTorch, safetensors, HDF5, MATLAB or numpy, or a wheel, whichever it is.

    Raises:
        NetworkError: the file is missing, damaged, or of another format. `read` raises it too.
    """
    with contextlib.ExitStack() as stack:
        with _readable():
            container = _open(path, stack)

        def read(name: str) -> np.ndarray:
            with _readable():
                return container.read(name)

        yield dataclasses.replace(container, read=read)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:  # libraries raise any exception on a damaged file
        raise NetworkError(f"cannot be read ({error})") from None


def _open(path: Path, stack: contextlib.ExitStack) -> Container:
    file = stack.enter_context(path.open("rb"))
    start = file.read(512)
    file.seek(0)
    if start.startswith(b"PK"):
        try:
            return _zip(stack.enter_context(zipfile.ZipFile(file)), stack)
        except zipfile.BadZipFile:
            raise NetworkError("is a zip file that is cut off or damaged") from None
    if start.startswith(torch_files.LEGACY_START):
        return _torch("PyTorch before 1.6", torch_files.open_legacy(file))
    if h5py.is_hdf5(path):
        return _hdf5(stack.enter_context(h5py.File(path, "r")))
    if start.startswith(matlab_files.START):
        return _matlab(file)
    if start[8:9] == b"{":
        return _safetensors(stack.enter_context(safetensors.safe_open(path, "numpy")))
    if start.lstrip().startswith(b"<"):
        raise NetworkError("is a web page: the download went wrong")
    raise NetworkError(
        "has an unknown format; accepted: PyTorch (.pth), safetensors, HDF5, MATLAB 5 (.mat), "
        ".npz, a wheel (.whl)"
    )


def _torch(name: str, file: torch_files.TorchFile) -> Container:
    tensors = _tensors(file.content)
    if not tensors and isinstance(file.content, dict):  # a checkpoint has more than the weights
        tensors = max(map(_tensors, file.content.values()), key=len, default={})
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    return Container(name, shapes, lambda key: file.read(tensors[key]))


def _tensors(content: Any) -> dict[str, StoredTensor]:
    items = content.items() if isinstance(content, dict) else ()
    return {
        key: tensor
        for key, tensor in items
        if isinstance(key, str) and isinstance(tensor, StoredTensor)
    }


def _safetensors(file: Any) -> Container:
    def read(name: str) -> np.ndarray:
        array = file.get_tensor(name)
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array

    shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    return Container("safetensors", shapes, read)


def _zip(archive: zipfile.ZipFile, stack: contextlib.ExitStack) -> Container:
    if any(info.compress_type not in COMPRESSIONS for info in archive.infolist()):
        raise NetworkError("has a compression that is not accepted")
    if any(name.endswith(".h5") for name in archive.namelist()):
        return _wheel(archive, stack)
    if any(name.endswith(".npy") for name in archive.namelist()):
        return _npz(archive)
    return _torch("PyTorch", torch_files.open_zip(archive))


def _wheel(archive: zipfile.ZipFile, stack: contextlib.ExitStack) -> Container:
    """The HDF5 file in a Python package, in memory."""
    members = [info for info in archive.infolist() if info.filename.endswith(".h5")]
    if len(members) != 1 or members[0].file_size > LARGEST_MEMBER:
        names = ", ".join(f"{each.filename} of {each.file_size} bytes" for each in members[:4])
        raise NetworkError(f"is a zip file with {names}; one HDF5 file is accepted")
    with archive.open(members[0]) as member:
        content = io.BytesIO(member.read(LARGEST_MEMBER))
    return _hdf5(stack.enter_context(h5py.File(content, "r")))


def _npz(archive: zipfile.ZipFile) -> Container:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    shapes = {name: _npy_header(archive, name)[0] for name in names}

    def read(name: str) -> np.ndarray:
        shape, fortran_order, dtype, start = _npy_header(archive, name)
        with archive.open(f"{name}.npy") as file:
            file.seek(start)
            data = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")

    attributes = {name: read(name) for name in ATTRIBUTES if math.prod(shapes.get(name, (9,))) <= 3}
    return Container("npz", shapes, read, attributes)


def _npy_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order, type and position of an array; numpy itself would trust a damaged header."""
    with archive.open(f"{name}.npy") as file:
        start = io.BytesIO(file.read(LONGEST_HEADER))
    version = np.lib.format.read_magic(start)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(start)
    else:
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(start)
    text = dtype.kind == "U" and dtype.itemsize <= LONGEST_HEADER
    if not (text or _is_number(dtype)) or any(side < 0 for side in shape):
        raise NetworkError(f"{name[:80]} is of {dtype} and shape {shape}, not numbers")
    return shape, fortran_order, dtype, start.tell()


def _is_number(dtype: np.dtype) -> bool:
    return dtype.kind in "fiu" and dtype.itemsize <= 8


def _hdf5(file: h5py.File) -> Container:
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset) or not isinstance(name, str):
            return  # a damaged name is bytes
        if item.shape is not None:  # as of a dataset that is empty
            shapes[name] = item.shape

    def read(name: str) -> np.ndarray:
        dataset = file[name]
        if dataset.external or dataset.is_virtual:
            raise NetworkError(f"{name} is kept in another file, which is not read")
        if not _is_number(dataset.dtype) or math.prod(dataset.chunks or ()) > LARGEST:
            raise NetworkError(f"{name} is of {dataset.dtype}, not numbers, or too large")
        scale = _attributes(dataset, ["scale"]).get("scale")
        if scale is None:
            return np.asarray(dataset)
        if scale.shape not in ((), dataset.shape[-1:]) or not _is_number(scale.dtype):
            raise NetworkError(f"{name} has a scale of shape {scale.shape} and type {scale.dtype}")
        return dequantize(np.asarray(dataset), scale)

    file.visititems(note)
    return Container("HDF5", shapes, read, _attributes(file, ATTRIBUTES))


def _attributes(item: h5py.Group | h5py.Dataset, names: Iterable[str]) -> dict[str, Any]:
    attributes = {}
    for name in names:
        if name in item.attrs:
            if item.attrs.get_id(name).get_storage_size() > LONGEST_HEADER:
                raise NetworkError(f"has a {name} that is too long")
            value = item.attrs[name]
            attributes[name] = value if isinstance(value, str) else np.asarray(value)
    return attributes


def dequantize(array: np.ndarray, scale: Any) -> np.ndarray:
    """The float32 values of an array that is stored in a smaller type: array * scale."""
    return array.astype(np.float32) * np.asarray(scale, np.float32)


def _matlab(file: IO[bytes]) -> Container:
    """A network of MatConvNet: `layers`, alone or in a struct `net`, with any nesting."""
    arrays = {}
    for variable, value in matlab_files.read_variables(file, largest=LARGEST):
        for layer in _layers(value) if variable in ("layers", "net") else ():
            # Before MatConvNet 1.0-beta8 filters and biases are separate fields.
            pair = layer.get("weights") or [layer.get("filters"), layer.get("biases")]
            name, kinds = layer.get("name"), ("filters", "biases")
            for kind, array in zip(kinds, pair, strict=False):
                if isinstance(name, str) and isinstance(array, np.ndarray):
                    arrays[f"{name}.{kind}"] = array.ravel() if kind == "biases" else array
    shapes = {name: array.shape for name, array in arrays.items()}
    return Container("MATLAB", shapes, arrays.__getitem__)


def _layers(value: Any) -> Iterator[dict[str, Any]]:
    """All structs with a name, at any depth."""
    if isinstance(value, dict):
        if "name" in value:
            yield value
        yield from _layers(value.get("layers"))
    elif isinstance(value, list):
        for item in value:
            yield from _layers(item)
