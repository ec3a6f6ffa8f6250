"""Damaged files for every reader of weights: `python -m support.fuzz KIND FOLDER COUNT`.

Prints how many ended in a network and how many in a NetworkError, and the megabytes at most; any
other exception goes through.
"""

import random
import re
import sys
import warnings
from pathlib import Path

from jnst.common.errors import NetworkError
from jnst.networks.files import formats
from support import make_files
from support.tiny import SHAPES, shapes_of


def make_wheel(path):
    member = make_files.keras_3(path, shapes_of("VGG-16")).read_bytes()
    return make_files.wheel(path.with_suffix(".whl"), {"a.h5": member})


KINDS = {
    "zip": lambda path: make_files.torch_file("zip.pth"),
    "zip_pickle": lambda path: make_files.torch_file("odd.pth"),
    "legacy": lambda path: make_files.torch_file("odd_legacy.pth"),
    "gatys": lambda path: make_files.torch_file("gatys.pth"),
    "keras": lambda path: make_files.keras(path, SHAPES),
    "canonical": lambda path: make_files.canonical(path, SHAPES),
    "matlab": lambda path: make_files.matconvnet(path, SHAPES, compressed=False),
    "matlab_compressed": lambda path: make_files.matconvnet(path, SHAPES),
    "safetensors": lambda path: make_files.safe(path, SHAPES),
    "npz": lambda path: make_files.npz(path.with_suffix(".npz"), SHAPES),
    "keras_3": lambda path: make_files.keras_3(path, shapes_of("VGG-16")),
    "wheel": make_wheel,
    "wheel_member": make_wheel,
    "npz_headers": lambda path: make_files.npz(path.with_suffix(".npz"), SHAPES),
}


def damage(rng: random.Random, data: bytes) -> bytes:
    """One to eight changes, most of them near the beginning or the end, where the structure is."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        span = rng.choice((64, 1024, 8192, len(data)))
        place = rng.randrange(min(span, len(data)))
        place = len(data) - 1 - place if rng.random() < 0.3 else place
        match rng.randrange(7):
            case 0 | 1 | 2:
                data[place] ^= 1 << rng.randrange(8)
            case 3:
                data[place] = rng.choice((0, 1, 127, 128, 255))
            case 4:
                size = rng.choice((2, 4, 8))
                data[place : place + size] = bytes(rng.choice((0, 127, 255)) for _ in range(size))
            case 5:
                other = rng.randrange(len(data))
                data[place : place + 16] = data[other : other + rng.choice((0, 8, 16, 24))]
            case 6:
                del data[len(data) - rng.randrange(1, len(data)) :]
        if len(data) < 2:
            return bytes(data)
    return bytes(data)


def mutate(rng: random.Random, kind: str, data: bytes) -> bytes:
    """For the kinds whose content a checksum guards, below the checksum."""
    if kind == "zip_pickle":
        return make_files.rezip(
            data, lambda name, part: damage(rng, part) if name.endswith(".pkl") else part
        )
    if kind == "wheel_member":
        return make_files.rezip(
            data, lambda name, part: damage(rng, part) if name.endswith(".h5") else part
        )
    if kind == "npz_headers":
        return make_files.rezip(
            data, lambda name, part: damage(rng, part) if rng.random() < 0.2 else part
        )
    return damage(rng, data)


def _peak() -> int:
    """Megabytes of this process at most; `getrusage` would count the one that started it."""
    [line] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) // 1024


def main(kind: str, folder: str, count: str) -> None:
    path = Path(folder) / kind
    rng = random.Random(kind)
    data = KINDS[kind](path).read_bytes()
    warnings.simplefilter("ignore")
    networks = errors = 0
    for _ in range(int(count)):
        path.write_bytes(mutate(rng, kind, data))
        try:
            with formats.open_weights(path) as weights:
                for _ in weights.tensors():
                    pass
            networks += 1
        except NetworkError:
            errors += 1
    print(networks, errors, _peak())


if __name__ == "__main__":
    main(*sys.argv[1:])
