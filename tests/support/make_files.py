"""Files of VGG weights by the libraries that write them in the wild, of any channel counts."""

import io
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import safetensors.numpy
import scipy.io

from support.tiny import NORMALIZED, NUMBERS, bias, kernel, pattern

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
    for number, (name, shape) in zip(_numbers(NUMBERS, shapes), shapes.items(), strict=True):
        outputs_first = kernels(name, shape).transpose(3, 2, 0, 1)
        state[f"{prefix}{number}.weight"] = np.ascontiguousarray(outputs_first, np.float32)
        state[f"{prefix}{number}.bias"] = bias(name, shape)
    return state


def normalized_features(shapes):
    """The same with batch normalization, whose statistics are `normalization(name, shape)`."""
    state = {}
    for number, (name, shape) in zip(_numbers(NORMALIZED, shapes), shapes.items(), strict=True):
        outputs_first = kernel(name, shape).transpose(3, 2, 0, 1)
        state[f"features.{number}.weight"] = np.ascontiguousarray(outputs_first, np.float32)
        state[f"features.{number}.bias"] = bias(name, shape)
        for kind, values in normalization(name, shape).items():
            state[f"features.{number + 1}.{kind}"] = values
        state[f"features.{number + 1}.num_batches_tracked"] = np.array(7)
    return state


def normalization(name, shape):
    """What a batch normalization has, by PyTorch's names."""
    statistics = {
        kind: pattern(f"{name}.{kind}", shape[3:])
        for kind in ("weight", "bias", "running_mean", "running_var")
    }
    statistics["running_var"] += 0.75
    return statistics


def _numbers(numbers, shapes):
    """The numbers of the network that has as many convolutions."""
    return next(each for each in numbers.values() if len(each) == len(shapes))


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


def wheel(path: Path, members: dict[str, bytes]) -> Path:
    """A Python package that nothing may import."""
    name, version, *_ = [*path.stem.split("-"), "1"]
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": b"raise SystemExit('imported')",
        **members,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


def keras_3(path: Path, shapes, kernels=kernel) -> Path:
    """Weights of a VGG network whose blocks are sequential models."""
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            number = "" if name[-1] == "1" else f"_{int(name[-1]) - 1}"
            variables = file.create_group(f"block{name[4]}/layers/conv2d{number}/vars")
            variables["0"], variables["1"] = kernels(name, shape), bias(name, shape)
    return path


def torch_file(name: str) -> Path:
    return Path(__file__).parent / "torch_files" / name
