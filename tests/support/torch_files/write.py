"""The .pth files beside this, written by PyTorch 2.13: `python tests/support/torch_files/write.py`.

VGG-19 with few channels (see `tests/support/tiny.py`), its values a pattern, in the containers and
with the oddities that state dicts in the wild have.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from support.tiny import FEATURES, SHAPES, pattern  # noqa: E402


def tensors(name, dtype=torch.float32):
    outputs_first = [SHAPES[name][axis] for axis in (3, 2, 0, 1)]
    yield "weight", torch.tensor(pattern(f"{name}.weight", outputs_first)).to(dtype)
    yield "bias", torch.tensor(pattern(f"{name}.bias", SHAPES[name][3:])).to(dtype)


def model():
    """The modules of torchvision's VGG-19, without torchvision."""
    layers = torch.nn.Sequential()
    for name, number in FEATURES.items():
        layer = torch.nn.Conv2d(*SHAPES[name][2:], 3, padding=1)
        layer.load_state_dict(dict(tensors(name)))
        layers.add_module(str(number), layer)
    classifier = torch.nn.Sequential(torch.nn.Linear(7, 5))
    return torch.nn.Sequential(OrderedDict(features=layers, classifier=classifier))


def odd():
    """Parameters, two half precisions, channels last, slices of one storage, DataParallel names."""
    state = {}
    for index, (name, number) in enumerate(FEATURES.items()):
        for kind, tensor in tensors(name, (torch.float16, torch.bfloat16)[index % 2]):
            if tensor.ndim == 4:
                tensor = tensor.to(memory_format=torch.channels_last)
            else:
                tensor = torch.cat([torch.ones(3), tensor.float(), torch.ones(2)])[3:-2]
            state[f"module.features.{number}.{kind}"] = torch.nn.Parameter(tensor)
    return {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1, "betas": [0.9, None]}}


def main():
    state = model().state_dict()
    torch.save(state, FOLDER / "zip.pth")
    torch.save(state, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    gatys = {
        f"{name}.{kind}": tensor for name in SHAPES for kind, tensor in tensors(name, torch.float64)
    }
    torch.save(OrderedDict(gatys), FOLDER / "gatys.pth", _use_new_zipfile_serialization=False)
    torch.save(odd(), FOLDER / "odd.pth")
    torch.save(odd(), FOLDER / "odd_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(model(), FOLDER / "model.pth")
    torch.save(model(), FOLDER / "model_legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
