"""Files of named arrays, whatever wrote them, read one array at a time."""

import contextlib
import dataclasses
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import safetensors

from jnst import matlab_files, torch_files
from jnst.vgg import CONVOLUTIONS, NetworkError

LARGEST = max(math.prod(shape) for shape in CONVOLUTIONS.values())
"""Elements of the largest kernel; MatConvNet's files hold larger ones, of layers after them."""


@dataclasses.dataclass(frozen=True)
class Container:
    """An open file: the shapes of its arrays by name, and the function that reads one."""

    format: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a file of PyTorch, safetensors, HDF5, MATLAB or numpy; its first bytes say which.

    Raises:
        NetworkError: there is no such file, it is damaged, or of none of these formats. `read`
            raises it too.
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
    except Exception as error:  # libraries raise anything on a damaged file
        raise NetworkError(f"cannot be read ({error})") from None


def _open(path: Path, stack: contextlib.ExitStack) -> Container:
    file = stack.enter_context(path.open("rb"))
    start = file.read(512)
    file.seek(0)
    if start.startswith(b"PK"):
        archive = stack.enter_context(zipfile.ZipFile(file))
        if any(name.endswith(".npy") for name in archive.namelist()):
            return _npz(archive)
        return _torch("PyTorch", torch_files.open_zip(archive))
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
        "is of no known format: PyTorch (.pth), safetensors, HDF5, MATLAB 5 (.mat) and .npz are"
    )


def _torch(name: str, file: torch_files.TorchFile) -> Container:
    content = file.content
    for key in ("state_dict", "model"):  # a checkpoint holds more than the weights
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise NetworkError(f"holds a {type(content).__name__}, not a state dict")
    tensors = {
        key: tensor
        for key, tensor in content.items()
        if isinstance(key, str) and isinstance(tensor, torch_files.StoredTensor)
    }
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    return Container(name, shapes, lambda key: file.read(tensors[key]))


def _safetensors(file: Any) -> Container:
    shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    return Container("safetensors", shapes, file.get_tensor)


def _npz(archive: zipfile.ZipFile) -> Container:
    shapes = {}
    for name in archive.namelist():
        with archive.open(name) as file:
            shapes[name.removesuffix(".npy")] = _npy_header(file)[0]

    def read(name: str) -> np.ndarray:
        with archive.open(f"{name}.npy") as file:
            shape, fortran_order, dtype = _npy_header(file)
            data = file.read(int(np.prod(shape)) * dtype.itemsize)
            return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")

    small = [name for name, shape in shapes.items() if np.prod(shape) <= 3]
    return Container("npz", shapes, read, {name: read(name) for name in small})


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Of an array in a file: `numpy.load` would allocate whatever a damaged one says."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(file)
    else:
        header = np.lib.format.read_array_header_2_0(file)
    if header[2].hasobject:
        raise NetworkError("holds Python objects, which are not read")
    return header


def _hdf5(file: h5py.File) -> Container:
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and isinstance(name, str):  # a damaged name is bytes
            shapes[name] = item.shape

    def read(name: str) -> np.ndarray:
        array, scale = np.asarray(file[name]), file[name].attrs.get("scale")
        return array if scale is None else dequantise(array, scale)

    file.visititems(note)
    return Container("HDF5", shapes, read, dict(file.attrs))


def dequantise(array: np.ndarray, scale: Any) -> np.ndarray:
    """The float32 values of an array that is stored in a smaller type, as multiples of `scale`."""
    return array.astype(np.float32) * np.asarray(scale, np.float32)


def _matlab(file: IO[bytes]) -> Container:
    """MatConvNet's networks: `layers`, by itself or in a struct `net`, of any nesting."""
    arrays = {}
    for variable, value in matlab_files.read_variables(file, largest=LARGEST):
        for layer in _layers(value) if variable in ("layers", "net") else ():
            # Files before MatConvNet 1.0-beta8 have the two as fields of their own.
            pair = layer.get("weights") or [layer.get("filters"), layer.get("biases")]
            name, kinds = layer.get("name"), ("filters", "biases")
            for kind, array in zip(kinds, pair, strict=False):
                if isinstance(name, str) and isinstance(array, np.ndarray):
                    arrays[f"{name}.{kind}"] = array.ravel() if kind == "biases" else array
    shapes = {name: array.shape for name, array in arrays.items()}
    return Container("MATLAB", shapes, arrays.__getitem__)


def _layers(value: Any) -> Iterator[dict[str, Any]]:
    """Every struct with a name, however deep."""
    if isinstance(value, dict):
        if "name" in value:
            yield value
        yield from _layers(value.get("layers"))
    elif isinstance(value, list):
        for item in value:
            yield from _layers(item)
