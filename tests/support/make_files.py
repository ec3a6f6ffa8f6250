"""Files of VGG-19 weights by the libraries that write them in the wild, of any channel counts."""

import io
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import safetensors.numpy
import scipy.io

from support.tiny import FEATURES, bias, kernel

MEAN = np.array([0.5, 0.25, 0.125], np.float32)


def keras(path, shapes, *, layout="old", folder="", kernels=kernel):
    """Keras' weights (folder "") or whole model (folder "model_weights")."""
    names = {
        "old": ("{0}/{0}_W_1:0", "{0}/{0}_b_1:0"),
        "new": ("{0}/{0}/kernel:0", "{0}/{0}/bias:0"),
    }[layout]
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = b"tensorflow"
        group = file.require_group(folder or "/")
        for name, shape in shapes.items():
            layer = re.sub("conv(.)_", r"block\1_conv", name)
            group.create_dataset(
                names[0].format(layer), data=kernels(name, shape), compression="gzip"
            )
            group[names[1].format(layer)] = bias(name, shape)
            group[layer].attrs["weight_names"] = [n.format(layer).encode() for n in names]
        for block in range(1, 6):
            group.create_group(f"block{block}_pool").attrs["weight_names"] = np.zeros(0, "S1")
    return path


def matconvnet(path, shapes, *, nesting="weights", compressed=True, net=False):
    layers = []
    for name, shape in shapes.items():
        tensors = kernel(name, shape), bias(name, shape)[:, None]
        pair = np.empty((1, 2), object)
        pair[0, 0], pair[0, 1] = tensors
        if nesting == "weights":
            fields = {"name": name, "type": "conv", "weights": pair, "pad": np.ones((1, 4))}
        else:
            fields = {"type": "conv", "filters": tensors[0], "biases": tensors[1], "name": name}
        layers += [fields, {"type": "relu", "name": name.replace("conv", "relu")}]
    cells = np.empty((1, len(layers)), object)
    cells[0, :] = layers
    content = {"layers": cells, "meta": {"normalization": {"averageImage": np.ones((2, 2, 3))}}}
    scipy.io.savemat(path, {"net": content} if net else content, do_compression=compressed)
    return path


def features(shapes, *, prefix="features.", kernels=kernel):
    """A state dict in torchvision's names, as numpy arrays."""
    state = {}
    for name, shape in shapes.items():
        outputs_first = kernels(name, shape).transpose(3, 2, 0, 1)
        state[f"{prefix}{FEATURES[name]}.weight"] = np.ascontiguousarray(outputs_first, np.float32)
        state[f"{prefix}{FEATURES[name]}.bias"] = bias(name, shape)
    return state


def safe(path, shapes, **options):
    state = features(shapes, **options) | {"classifier.0.weight": np.zeros((2, 3), np.float32)}
    safetensors.numpy.save_file(state, path, {"format": "pt"})
    return path


def npz(path, shapes):
    arrays = {"mean": MEAN, "name": np.array("by hand")}
    for name, shape in shapes.items():
        arrays |= {f"{name}/kernel": kernel(name, shape), f"{name}/bias": bias(name, shape)}
    np.savez(path, **arrays)
    return path


def canonical(path, shapes):
    with h5py.File(path, "w") as file:
        file.attrs["mean"] = MEAN
        for name, shape in shapes.items():
            file[f"{name}/kernel"] = np.rint(kernel(name, shape) * 254).astype(np.int8)
            file[f"{name}/kernel"].attrs["scale"] = np.full(shape[3], 1 / 254)
            file[f"{name}/bias"] = bias(name, shape)
    return path


def rezip(data: bytes, change) -> bytes:
    """The archive with each member's content passed through `change(name, content)`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def torch_file(name: str) -> Path:
    return Path(__file__).parent / "torch_files" / name
