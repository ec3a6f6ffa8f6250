"""Which tensor of a file is which of a VGG network: the names of every source in the wild."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from jnst.common.errors import NetworkError
from jnst.networks.layers import ARCHITECTURES, VGG19, Architecture, architecture_of

Shapes = Mapping[str, tuple[int, ...]]

LONGEST_NAME = 200

KIND_OF = {word: "kernel" for word in ("kernel", "weight", "W", "filters")} | {
    word: "bias" for word in ("bias", "b", "biases")
}
"""What each word that a scheme's pattern takes as `kind` is."""

JOHNSON = (4096, 25088)
"""The shape of classifier.1.weight in Johnson's files; torchvision has it at classifier.0."""

STATISTICS = ("weight", "bias", "running_mean", "running_var")
"""PyTorch's names of what a batch normalization has."""


@dataclasses.dataclass(frozen=True)
class Naming:
    """The tensors of a network in a file: `names` has the file's name of each canonical one.

    `outputs_first`: kernels are OIHW. `convention` is None where the same names are in use for
    several, of which `usual` is the one to take if none is said, and None if it is to be guessed.
    It is "canonical" where the mean is in the file. `normalizations` has the names of the
    `STATISTICS` behind each convolution, of a network with batch normalization.
    """

    source: str
    architecture: Architecture
    names: Mapping[str, str]
    convention: str | None
    usual: str | None = None
    outputs_first: bool = False
    normalizations: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How one source names the tensors, with the groups `prefix`, `layer` and `kind`.

    `architecture` is None where the names of the layers tell it. `normalized`: behind each
    convolution is a batch normalization, whose number is the next.
    """

    name: str
    pattern: re.Pattern[str]
    layers: Mapping[str, str]
    convention: str | None
    outputs_first: bool = False
    architecture: Architecture | None = None
    normalized: bool = False

    def named(self, shapes: Shapes) -> Iterator[dict[str, str]]:
        """The names of canonical tensors, for each prefix that the file has."""
        found: dict[str, dict[str, str]] = {}
        for name in shapes:
            match = self.pattern.fullmatch(name) if len(name) <= LONGEST_NAME else None
            if match and match["layer"] in self.layers:
                key = f"{self.layers[match['layer']]}/{KIND_OF[match['kind']]}"
                found.setdefault(match["prefix"], {}).setdefault(key, name)
        yield from found.values()

    def naming(self, names: Mapping[str, str], shapes: Shapes) -> Naming | None:
        """The network, if these are the names of all its tensors; else None."""
        architecture = architecture_of(layers_of(names))
        if architecture is None or self.architecture not in (None, architecture):
            return None
        if len(names) < 2 * len(architecture.convolutions):
            return None
        normalizations = {}
        for layer in architecture.convolutions if self.normalized else ():
            head, dot, number = names[f"{layer}/kernel"].rpartition(".")[0].rpartition(".")
            behind = f"{head}{dot}{int(number) + 1}"
            normalizations[layer] = tuple(f"{behind}.{each}" for each in STATISTICS)
        if any(name not in shapes for each in normalizations.values() for name in each):
            return None
        johnson = shapes.get("classifier.1.weight") == JOHNSON
        return Naming(
            source=self.name,
            architecture=architecture,
            names=names,
            convention=self.convention,
            usual="caffe" if johnson else None,
            outputs_first=self.outputs_first,
            normalizations=normalizations,
        )


def torchvision_numbers(architecture: Architecture, *, normalized: bool = False) -> dict[str, str]:
    """The convolutions by their numbers in torchvision's `features`."""
    numbers, number = {}, 0
    for layer in architecture.layers:
        if layer.startswith("conv"):
            numbers[str(number)] = layer
            number += normalized
        number += 1
    return numbers


_NAMES = {name: name for name in VGG19.convolutions}
_TORCHVISION = re.compile(r"(?P<prefix>(.*\.)?)(?P<layer>\d+)\.(?P<kind>weight|bias)")

SCHEMES = (
    Scheme("canonical", re.compile(r"(?P<prefix>)(?P<layer>conv\d_\d)/(?P<kind>kernel|bias)"),
           _NAMES, "canonical"),
    Scheme("Gatys", re.compile(r"(?P<prefix>(.*\.)?)(?P<layer>conv\d_\d)\.(?P<kind>weight|bias)"),
           _NAMES, "caffe", outputs_first=True),
    Scheme("Keras", re.compile(r"(?P<prefix>(.*?/)??)(?P<layer>block\d_conv\d)/(.*/)?"
                               r"((?P=layer)_)?(?P<kind>W|b|kernel|bias)(_1)?(:0)?"),
           {re.sub("conv(.)_", r"block\1_conv", name): name for name in _NAMES}, "caffe"),
    Scheme("MatConvNet", re.compile(r"(?P<prefix>)(?P<layer>conv\d_\d)\.(?P<kind>filters|biases)"),
           _NAMES, "matconvnet"),
    *(Scheme("torchvision", _TORCHVISION, torchvision_numbers(each), None, outputs_first=True,
             architecture=each) for each in ARCHITECTURES.values()),
    *(Scheme("torchvision", _TORCHVISION, torchvision_numbers(each, normalized=True), "torchvision",
             outputs_first=True, architecture=each, normalized=True)
      for each in ARCHITECTURES.values()),
)  # fmt: skip


def find_naming(shapes: Shapes) -> Naming:
    """The VGG network that a file has, told by the names and the shapes of its tensors.

    Raises:
        NetworkError: it has none.
    """
    incomplete: list[dict[str, str]] = []
    complete: list[Naming] = []
    for scheme in SCHEMES:
        for names in scheme.named(shapes):
            if naming := scheme.naming(names, shapes):
                complete.append(naming)
            incomplete.append(names)
    if complete:
        return max(complete, key=lambda naming: len(naming.names))
    if names := max(incomplete, key=len, default={}):
        raise NetworkError(_what_is_missing(names))
    return _keras_3(shapes)


def layers_of(keys: Iterable[str]) -> list[str]:
    """The convolutions of which there are tensors, in order."""
    return list(dict.fromkeys(key.split("/")[0] for key in keys))


def _keras_3(shapes: Shapes) -> Naming:
    """The convolutions of Keras 3, by their order: it numbers layers and their variables.

    A side output of HED is a convolution of 1 x 1 with one channel, and is left out.

    Raises:
        NetworkError: they are not those of a VGG network.
    """
    kernels = {
        name.removesuffix("/0"): shape
        for name, shape in shapes.items()
        if name.endswith("/vars/0") and len(shape) == 4 and len(name) <= LONGEST_NAME
    }
    folders = [
        folder
        for folder, shape in kernels.items()
        if shape[:2] == (3, 3) and f"{folder}/1" in shapes
    ]
    if not folders:
        some = ", ".join(name[:40] for name in sorted(shapes)[:4]) or "nothing"
        raise NetworkError(f"holds no VGG network under names that are known, but {some}")
    if any(name.endswith("/vars/3") and not name.startswith("optimizer/") for name in shapes):
        raise NetworkError("is a network of Keras 3 with batch normalization, which is not read")
    others = [shape for shape in kernels.values() if shape[:2] != (3, 3) and shape[-1] > 1]
    counts = {len(each.convolutions): each for each in ARCHITECTURES.values()}
    architecture = counts.get(len(folders))
    if architecture is None or others:
        raise NetworkError(
            f"has {len(folders)} convolutions of 3 x 3 and {len(others)} others; "
            f"{', '.join(map(str, counts))} and no others are accepted"
        )
    names: dict[str, str] = {}
    for layer, folder in zip(
        architecture.convolutions, sorted(folders, key=_by_number), strict=True
    ):
        names |= {f"{layer}/kernel": f"{folder}/0", f"{layer}/bias": f"{folder}/1"}
    return Naming("Keras 3", architecture, names, convention=None, usual="caffe")


def _by_number(name: str) -> list[tuple[int, str]]:
    """What sorts conv2d_10 behind conv2d_9."""
    parts = re.split("([0-9]+)", name)
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)]


def _what_is_missing(names: Mapping[str, str]) -> str:
    """Why these names are not all of one network."""
    layers = set(layers_of(names))
    nearest = min(
        ARCHITECTURES.values(),
        key=lambda each: (len(layers ^ each.convolutions.keys()), -len(each.convolutions)),
    )
    for layer in nearest.convolutions:
        for kind in ("kernel", "bias"):
            if f"{layer}/{kind}" not in names:
                return f"{layer}/{kind} is missing, for a {nearest.name}"
    if extra := sorted(layers - nearest.convolutions.keys()):
        known = ", ".join(ARCHITECTURES)
        return f"has {extra[0]}, which a {nearest.name} does not have; {known} are accepted"
    return "has the numbers of a network with batch normalization, and not all its statistics"
