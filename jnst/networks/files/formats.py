"""Whose VGG-19 a file holds: names, layout and convention of every source in the wild."""

import contextlib
import dataclasses
import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jnst.common.errors import NetworkError
from jnst.networks.files.containers import IDENTITY, LARGEST, Container, open_container
from jnst.networks.layers import CONVOLUTIONS
from jnst.networks.preprocessing import (
    CONVENTIONS,
    Convention,
    check_convention,
    guess_convention,
    is_torchvision,
)

FEATURES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
"""Where the convolutions stand in torchvision's `features`."""

FLOAT32_MAX = np.finfo(np.float32).max

TENSORS = tuple(f"{name}/{kind}" for name in CONVOLUTIONS for kind in ("kernel", "bias"))
"""Canonical names: conv1_1/kernel, conv1_1/bias, ..., conv5_4/bias."""


JOHNSON = (4096, 25088)
"""The shape of classifier.1.weight in vgg19-d01eb7cb.pth; torchvision has it at classifier.0."""

LONGEST_NAME = 200

KIND_OF = {word: "kernel" for word in ("kernel", "weight", "W", "filters")} | {
    word: "bias" for word in ("bias", "b", "biases")
}
"""What each word that a scheme's pattern takes as `kind` is."""


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How one source names the tensors, with the groups `prefix`, `layer` and `kind`.

    `outputs_first`: kernels are OIHW. `convention` is None where the same names are in use for
    two, and "canonical" where the mean is in the file.
    """

    name: str
    pattern: re.Pattern[str]
    layers: Mapping[str, str]
    convention: str | None
    outputs_first: bool = False

    def key(self, name: str) -> tuple[str, str] | None:
        """The prefix and the canonical name of a tensor; None if it is not named so."""
        found = self.pattern.fullmatch(name) if len(name) <= LONGEST_NAME else None
        if not found or found["layer"] not in self.layers:
            return None
        return found["prefix"], f"{self.layers[found['layer']]}/{KIND_OF[found['kind']]}"

    def transposes(self, key: str) -> bool:
        """Whether a tensor is a kernel that the source keeps as OIHW."""
        return self.outputs_first and key.endswith("kernel")

    def shape(self, key: str, stored: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a tensor, HWIO, from the one that the source keeps."""
        if len(stored) == 4 and self.transposes(key):
            return (*stored[2:], stored[1], stored[0])
        return stored


_NAMES = {name: name for name in CONVOLUTIONS}
_VGG16 = set(CONVOLUTIONS) - {"conv3_4", "conv4_4", "conv5_4"}
# Its numbers in `features` are 0, 2, 5, 7, 10, 12, 14, 17, ..., of which these are VGG-19's too.
_VGG16_BY_NUMBER = {
    name
    for name, number in zip(CONVOLUTIONS, FEATURES, strict=True)
    if number in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
}

SCHEMES = (
    Scheme("canonical", re.compile(r"(?P<prefix>)(?P<layer>conv\d_\d)/(?P<kind>kernel|bias)"),
           _NAMES, "canonical"),
    Scheme("Gatys", re.compile(r"(?P<prefix>(.*\.)?)(?P<layer>conv\d_\d)\.(?P<kind>weight|bias)"),
           _NAMES, "caffe", outputs_first=True),
    Scheme("torchvision", re.compile(r"(?P<prefix>(.*\.)?)(?P<layer>\d+)\.(?P<kind>weight|bias)"),
           {str(number): name for number, name in zip(FEATURES, CONVOLUTIONS, strict=True)},
           None, outputs_first=True),
    Scheme("Keras", re.compile(r"(?P<prefix>(.*?/)??)(?P<layer>block\d_conv\d)/(.*/)?"
                               r"((?P=layer)_)?(?P<kind>W|b|kernel|bias)(_1)?(:0)?"),
           {re.sub("conv(.)_", r"block\1_conv", name): name for name in CONVOLUTIONS}, "caffe"),
    Scheme("MatConvNet", re.compile(r"(?P<prefix>)(?P<layer>conv\d_\d)\.(?P<kind>filters|biases)"),
           _NAMES, "matconvnet"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """An open file of VGG-19 weights.

    `mean` and `tensors` are canonical, float32: `tensors()` reads, checks and folds one after the
    other and yields it with its name, in the order of `TENSORS`. `convention` is what the file has;
    `guessed`: from the scale of conv1_1 alone. `identity` is what a canonical file says of itself.
    """

    format: str
    convention: str
    guessed: bool
    mean: Float[np.ndarray, "3"]
    tensors: Callable[[], Iterator[tuple[str, np.ndarray]]]
    identity: Mapping[str, str]


@contextlib.contextmanager
def open_weights(path: Path, convention: str | None = None) -> Iterator[WeightFile]:
    """Open a file of VGG-19 weights, in whichever format its content is.

    `convention` ("caffe" or "torchvision") is for torchvision's names, which are in use for both.

    Raises:
        NetworkError: there is no such file, it is damaged, of no known format, not a VGG-19, or
            misshapen, or of another convention. `tensors` raises it too: a tensor is not finite.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise NetworkError(f"convention is {convention!r}; accepted: {', '.join(CONVENTIONS)}")
    if not path.is_file():
        raise NetworkError(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
    with contextlib.ExitStack() as stack:
        with _naming(path):
            weights = _interpret(stack.enter_context(open_container(path)), convention)

        def tensors() -> Iterator[tuple[str, np.ndarray]]:
            with _naming(path):
                yield from weights.tensors()

        yield dataclasses.replace(weights, tensors=tensors)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def _interpret(container: Container, asked: str | None) -> WeightFile:
    scheme, names = _find_scheme(container)
    _check_shapes(scheme, {key: container.shapes[name] for key, name in names.items()}, names)

    def read(key: str) -> np.ndarray:
        return _read(container, scheme, key, names[key])

    guessed = False
    if scheme.convention == "canonical":
        convention = _canonical(container.attributes.get("mean"))
    elif scheme.convention:
        convention = CONVENTIONS[scheme.convention]
    elif asked:
        convention = CONVENTIONS[asked]
    elif container.shapes.get("classifier.1.weight") == JOHNSON:
        convention = CONVENTIONS["caffe"]
    else:
        kernel = read("conv1_1/kernel")
        convention, guessed = guess_convention(kernel), not is_torchvision(kernel)
    if asked and asked != convention.name:
        raise NetworkError(
            f"has {scheme.name}'s names, whose convention is {convention.name}, not {asked}"
        )
    identity = {
        key: str(container.attributes[attribute])
        for key, attribute in IDENTITY.items()
        if attribute in container.attributes
    }
    mean = convention.canonical_mean()

    def tensors() -> Iterator[tuple[str, np.ndarray]]:
        digest = hashlib.sha256(mean.data)

        def canonical(key: str) -> np.ndarray:
            tensor = read(key)
            if key == "conv1_1/kernel":
                check_convention(tensor, convention)
                tensor = convention.fold(tensor)
            tensor = np.ascontiguousarray(tensor, np.float32)
            digest.update(tensor.data)
            return tensor

        yield from ((key, canonical(key)) for key in TENSORS)
        if identity.get("digest", digest.hexdigest()) != digest.hexdigest():
            raise NetworkError(
                f"its digest is {digest.hexdigest()}, where it says {identity['digest']}: damaged"
            )

    form = f"{container.format}, {scheme.name} names"
    return WeightFile(form, convention.name, guessed, mean, tensors, identity)


def _find_scheme(container: Container) -> tuple[Scheme, dict[str, str]]:
    """The scheme that names most of the tensors, and the file's name of each of them."""
    found: dict[tuple[str, str], tuple[Scheme, dict[str, str]]] = {}
    for scheme in SCHEMES:
        for name in container.shapes:
            if matched := scheme.key(name):
                prefix, key = matched
                found.setdefault((scheme.name, prefix), (scheme, {}))[1].setdefault(key, name)
    scheme, names = max(found.values(), key=lambda pair: len(pair[1]), default=(SCHEMES[0], {}))
    if missing := [key for key in TENSORS if key not in names]:
        raise NetworkError(_what_it_is(container, {key.split("/")[0] for key in names}, missing))
    return scheme, names


def _what_it_is(container: Container, layers: set[str], missing: Sequence[str]) -> str:
    if any(name.endswith("running_mean") for name in container.shapes):
        return "is a network with batch normalization; VGG-19 without it is accepted"
    if layers in (_VGG16, _VGG16_BY_NUMBER):
        return "is a VGG-16; VGG-19 is accepted"
    if not layers:
        some = ", ".join(name[:40] for name in sorted(container.shapes)[:4]) or "nothing"
        return f"holds no VGG-19 under names that are known, but {some}"
    return f"{missing[0]} is missing"


def _check_shapes(
    scheme: Scheme, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str]
) -> None:
    """NetworkError unless every convolution is 3 x 3, of what the one before it gives.

    `shapes` has the shape of each tensor as the file has it, and `names` its name there.
    """
    inputs = 3
    for layer in CONVOLUTIONS:
        kernel = scheme.shape(f"{layer}/kernel", shapes[f"{layer}/kernel"])
        outputs = max(1, kernel[-1]) if len(kernel) == 4 else CONVOLUTIONS[layer][-1]
        for kind, expected in (("kernel", (3, 3, inputs, outputs)), ("bias", (outputs,))):
            key = f"{layer}/{kind}"
            if math.prod(expected) > LARGEST:
                raise NetworkError(f"{names[key]} is larger than any kernel of VGG-19")
            if scheme.outputs_first and kind == "kernel":
                expected = (outputs, inputs, 3, 3)
            if shapes[key] != expected:
                raise NetworkError(
                    f"{names[key]} has shape {shapes[key]}; behind the layers before it "
                    f"{expected} is accepted"
                )
        inputs = outputs


def _read(container: Container, scheme: Scheme, key: str, name: str) -> np.ndarray:
    """A tensor as the file has it, but HWIO."""
    tensor = container.read(name)
    if tensor.dtype.kind not in "fiu":
        raise NetworkError(f"{name} is of {tensor.dtype}, not numbers")
    if not max(tensor.max(), -tensor.min()) <= FLOAT32_MAX:
        raise NetworkError(f"{name} is not finite")
    return tensor.transpose(2, 3, 1, 0) if scheme.transposes(key) else tensor


def _canonical(mean: Any) -> Convention:
    values = np.asarray(mean)
    if values.shape != (3,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise NetworkError(f"mean is {mean}; three finite numbers are accepted")
    red, green, blue = map(float, values)
    return Convention("canonical", "RGB", 1, (red, green, blue), (1, 1, 1), (0, np.inf))
