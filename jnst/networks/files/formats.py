"""Files of VGG networks, opened as canonical tensors whatever their format and convention."""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from jnst.common.errors import NetworkError
from jnst.common.validation import check_choice
from jnst.networks.files.containers import IDENTITY, LARGEST, Container, open_container
from jnst.networks.files.schemes import Naming, find_naming
from jnst.networks.layers import Architecture, Pooling
from jnst.networks.preprocessing import (
    CONVENTIONS,
    Convention,
    check_convention,
    guess_convention,
    is_torchvision,
)

FLOAT32_MAX = np.finfo(np.float32).max

EPSILON = 1e-5
"""What PyTorch adds to the variance in a batch normalization."""


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """An open file of the weights of a VGG network.

    `mean` and `tensors` are canonical, float32: `tensors()` reads, checks and folds one after the
    other and yields it with its name, in the order of `tensor_names`. `convention` is what the file
    has; `guessed`: from the scale of conv1_1 alone. `identity` is what a canonical file says of
    itself, and `pooling` too. Other files have "max": VGG networks are trained with it.
    """

    format: str
    architecture: Architecture
    pooling: Pooling
    convention: str
    guessed: bool
    mean: Float[np.ndarray, "3"]
    tensors: Callable[[], Iterator[tuple[str, np.ndarray]]]
    identity: Mapping[str, str]


@contextlib.contextmanager
def open_weights(path: Path, convention: str | None = None) -> Iterator[WeightFile]:
    """Open a file of VGG weights, in whichever format its content is.

    `convention` is for the names of torchvision and of Keras 3, which are in use for several.

    Raises:
        NetworkError: there is no such file, it is damaged, of no known format, no VGG network, or
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


def begin_digest(mean: Float[np.ndarray, "3"], pooling: Pooling) -> Any:
    """SHA-256 of a network before its tensors; average pooling is not written down in it."""
    digest = hashlib.sha256(mean.data)
    if pooling != "average":
        digest.update(pooling.encode())
    return digest


def tensor_names(architecture: Architecture) -> tuple[str, ...]:
    """Canonical names: conv1_1/kernel, conv1_1/bias, ..."""
    convolutions = architecture.convolutions
    return tuple(f"{name}/{kind}" for name in convolutions for kind in ("kernel", "bias"))


def _interpret(container: Container, asked: str | None) -> WeightFile:
    naming = find_naming(container.shapes)
    _check_shapes(naming, container.shapes)

    def read(key: str) -> np.ndarray:
        tensor = _read(container, naming, naming.names[key])
        return _normalized(container, naming, key, tensor) if naming.normalizations else tensor

    guessed = False
    if naming.convention == "canonical":
        convention = _canonical(container.attributes.get("mean"))
    elif known := naming.convention or asked or naming.usual:
        convention = CONVENTIONS[known]
    else:
        kernel = read("conv1_1/kernel")
        convention, guessed = guess_convention(kernel), not is_torchvision(kernel)
    if asked and asked != convention.name:
        raise NetworkError(
            f"has {naming.source}'s names, whose convention is {convention.name}, not {asked}"
        )
    # Before a canonical file said its pooling, that was the average.
    usual = "average" if naming.convention == "canonical" else "max"
    pooling = _pooling(container.attributes.get("pooling", usual))
    identity = {
        key: str(container.attributes[attribute])
        for key, attribute in IDENTITY.items()
        if attribute in container.attributes
    }
    mean = convention.canonical_mean()

    def tensors() -> Iterator[tuple[str, np.ndarray]]:
        digest = begin_digest(mean, pooling)

        def canonical(key: str) -> np.ndarray:
            tensor = read(key)
            if key == "conv1_1/kernel":
                if not naming.normalizations:  # which scale it as they like
                    check_convention(tensor, convention)
                tensor = convention.fold(tensor)
            with np.errstate(over="ignore"):  # it is then refused
                tensor = np.ascontiguousarray(tensor, np.float32)
            if naming.normalizations and not np.isfinite(tensor).all():
                raise NetworkError(f"{key} is not finite with its batch normalization")
            digest.update(tensor.data)
            return tensor

        yield from ((key, canonical(key)) for key in tensor_names(naming.architecture))
        if identity.get("digest", digest.hexdigest()) != digest.hexdigest():
            raise NetworkError(
                f"its digest is {digest.hexdigest()}, where it says {identity['digest']}: damaged"
            )

    form = f"{container.format}, {naming.source} names"
    return WeightFile(
        form, naming.architecture, pooling, convention.name, guessed, mean, tensors, identity
    )


def _check_shapes(naming: Naming, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """NetworkError unless every convolution is 3 x 3, of what the one before it gives."""
    inputs = 3
    for layer, usual in naming.architecture.convolutions.items():
        stored = shapes[naming.names[f"{layer}/kernel"]]
        axis = 0 if naming.outputs_first else -1
        outputs = max(1, stored[axis]) if len(stored) == 4 else usual[-1]
        kernel = (outputs, inputs, 3, 3) if naming.outputs_first else (3, 3, inputs, outputs)
        expected = {
            naming.names[f"{layer}/kernel"]: kernel,
            naming.names[f"{layer}/bias"]: (outputs,),
            **dict.fromkeys(naming.normalizations.get(layer, ()), (outputs,)),
        }
        for name, shape in expected.items():
            if math.prod(shape) > LARGEST:
                raise NetworkError(f"{name} is larger than any kernel of VGG-19")
            if shapes[name] != shape:
                raise NetworkError(
                    f"{name} has shape {shapes[name]}; behind the layers before it "
                    f"{shape} is accepted"
                )
        inputs = outputs


def _read(container: Container, naming: Naming, name: str) -> np.ndarray:
    """A tensor as the file has it, but HWIO."""
    tensor = container.read(name)
    if tensor.dtype.kind not in "fiu":
        raise NetworkError(f"{name} is of {tensor.dtype}, not numbers")
    if not max(tensor.max(), -tensor.min()) <= FLOAT32_MAX:
        raise NetworkError(f"{name} is not finite")
    return tensor.transpose(2, 3, 1, 0) if naming.outputs_first and tensor.ndim == 4 else tensor


def _normalized(container: Container, naming: Naming, key: str, tensor: np.ndarray) -> np.ndarray:
    """A kernel or a bias with the batch normalization behind it, folded in float64.

    (x - mean) / sqrt(variance + epsilon) * weight + bias of it is linear in what x is made of.
    """
    layer, kind = key.split("/")
    weight, bias, mean, variance = (
        np.asarray(_read(container, naming, name), np.float64)
        for name in naming.normalizations[layer]
    )
    if variance.min() < 0:
        raise NetworkError(f"{naming.normalizations[layer][-1]} is negative; no variance is")
    gain = weight / np.sqrt(variance + EPSILON)
    return tensor * gain if kind == "kernel" else (tensor - mean) * gain + bias


def _pooling(value: Any) -> Pooling:
    try:
        return cast(Pooling, check_choice("pooling", value, Pooling))
    except ValueError as error:
        raise NetworkError(str(error)) from None


def _canonical(mean: Any) -> Convention:
    values = np.asarray(mean)
    if values.shape != (3,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise NetworkError(f"mean is {mean}; three finite numbers are accepted")
    red, green, blue = map(float, values)
    return Convention("canonical", "RGB", 1, (red, green, blue), (1, 1, 1), (0, np.inf))
