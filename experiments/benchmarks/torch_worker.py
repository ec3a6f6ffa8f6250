"""The same style transfer in plain PyTorch; prints one JSON object.

    python torch_worker.py photo.jpg painting.jpg --network embedded.h5

Needs torch, h5py, numpy and pillow, and not jnst. VGG-19 with average pooling and zero padding, RGB
in [0, 1] minus the network's mean. content = mean (F - P)^2 / mean P^2 at relu4_2; style = the mean
over relu1_1 ... relu5_1 of mean (G - A)^2 / mean A^2, Gram matrices being divided by the number
of positions. The image starts as the content.
"""

import argparse
import platform
from collections.abc import Callable, Sequence
from typing import NamedTuple

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor
from worker import (
    CHUNK,
    CONTENT_WEIGHT,
    LEARNING_RATE,
    STYLE_WEIGHT,
    Clock,
    parser,
    peak_resident_memory,
    print_report,
)

CONVOLUTIONS_OF_BLOCKS = (2, 2, 4, 4, 4)
CONTENT_LAYER = "conv4_2"
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""The layers of the style, after their ReLUs."""

HISTORY_SIZE = 20
"""Number of pairs in the history of L-BFGS, as in jnst."""


class Network(NamedTuple):
    """Kernels (O, I, 3, 3) and biases by layer, in the type of the features, and the mean."""

    params: dict[str, tuple[Tensor, Tensor]]
    mean: Tensor


class Target(NamedTuple):
    """The target of a loss, and its mean square, by which the loss is divided."""

    value: Tensor
    scale: Tensor

    @classmethod
    def of(cls, value: Tensor) -> "Target":
        return cls(value, value.square().mean())

    def distance(self, value: Tensor) -> Tensor:
        """Mean squared distance, relative."""
        return (value - self.value).square().mean() / self.scale


def read_network(path: str, device: str, dtype: torch.dtype) -> Network:
    """The network of a canonical file: kernels are HWIO, int8 ones with a scale."""
    with h5py.File(path, "r") as file:
        params = {}
        for name, layer in file.items():
            kernel = np.asarray(layer["kernel"], np.float32)
            if "scale" in layer["kernel"].attrs:
                kernel = kernel * np.asarray(layer["kernel"].attrs["scale"], np.float32)
            tensors = kernel.transpose(3, 2, 0, 1), np.asarray(layer["bias"], np.float32)
            kernel, bias = (
                torch.from_numpy(np.ascontiguousarray(each)).to(device, dtype) for each in tensors
            )
            params[name] = kernel, bias
        mean = torch.tensor(np.asarray(file.attrs["mean"], np.float32), device=device)
    return Network(params, mean.view(3, 1, 1))


def in_channels_last(network: Network) -> Network:
    """The network with its kernels in channels_last; its feature maps then are too."""
    params = {
        name: (kernel.to(memory_format=torch.channels_last), bias)
        for name, (kernel, bias) in network.params.items()
    }
    return network._replace(params=params)


def read_image(path: str, size: int, device: str) -> Tensor:
    """The picture (1, 3, H, W) in [0, 1], its longer side `size`, resized as floats."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
    channels = [
        Image.fromarray(channel).resize((width, height), Image.Resampling.LANCZOS)
        for channel in np.moveaxis(np.asarray(image, np.float32) / 255, -1, 0)
    ]
    return torch.from_numpy(np.stack(channels)).clamp(0, 1)[None].to(device)


def features(network: Network, image: Tensor, last: str) -> dict[str, Tensor]:
    """The ReLUs of all convolutions up to `last`."""
    taken = {}
    x = image - network.mean
    for block, count in enumerate(CONVOLUTIONS_OF_BLOCKS, 1):
        for number in range(1, count + 1):
            name = f"conv{block}_{number}"
            kernel, bias = network.params[name]
            x = taken[name] = F.relu(F.conv2d(x.to(kernel.dtype), kernel, bias, padding=1))
            if name == last:
                return taken
        x = F.avg_pool2d(x, 2)
    return taken


def gram_matrix(maps: Tensor) -> Tensor:
    """Correlations of the channels (C, C) of feature maps (1, C, H, W)."""
    matrix = maps.float().flatten(2)[0]
    return matrix @ matrix.T / matrix.shape[1]


def make_objective(network: Network, content: Tensor, style: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss of an image, a scalar."""
    with torch.no_grad():
        maps = features(network, content, CONTENT_LAYER)
        content_target = Target.of(maps[CONTENT_LAYER].float())
        maps = features(network, style, STYLE_LAYERS[-1])
        style_targets = {name: Target.of(gram_matrix(maps[name])) for name in STYLE_LAYERS}

    def objective(image: Tensor) -> Tensor:
        maps = features(network, image, STYLE_LAYERS[-1])
        content_loss = content_target.distance(maps[CONTENT_LAYER].float())
        style_losses = [
            target.distance(gram_matrix(maps[name])) for name, target in style_targets.items()
        ]
        style_loss = torch.stack(style_losses).mean()
        return CONTENT_WEIGHT * content_loss + STYLE_WEIGHT * style_loss

    return objective


def make_optimizer(options: argparse.Namespace, image: Tensor) -> torch.optim.Optimizer:
    """Adam as in jnst, or the L-BFGS of PyTorch, which takes all steps in one call."""
    if options.optimizer == "adam":
        return torch.optim.Adam([image], lr=LEARNING_RATE, betas=(0.9, 0.99))
    return torch.optim.LBFGS(
        [image],
        max_iter=options.steps,
        max_eval=options.steps,
        history_size=HISTORY_SIZE,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn=options.line_search,
    )


def run(options: argparse.Namespace) -> None:
    """Take the steps, and print the report."""
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True  # shapes never change: let cuDNN find its fastest
    torch.backends.cudnn.allow_tf32 = options.tf32
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    clock = Clock()
    losses: list[float] = []
    network = read_network(options.network, options.device, getattr(torch, options.dtype))
    content, style = (
        read_image(path, options.size, options.device) for path in (options.content, options.style)
    )
    if options.channels_last:
        network = in_channels_last(network)
        content, style = (each.to(memory_format=torch.channels_last) for each in (content, style))
    objective = make_objective(network, content, style)
    if options.compile:
        objective = torch.compile(objective)
    image = content.clone().requires_grad_(True)
    optimizer = make_optimizer(options, image)
    chunk: list[Tensor] = []

    def end_chunk() -> None:
        losses.extend(torch.stack(chunk).tolist())  # waits for the device
        clock.chunk(len(chunk))
        chunk.clear()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(image)
        loss.backward()
        chunk.append(loss.detach())
        if len(chunk) == CHUNK:
            end_chunk()
        return loss

    for _ in range(options.steps if options.optimizer == "adam" else 1):
        optimizer.step(closure)
    if chunk:
        end_chunk()
    # A line search may take a few gradients more.
    del losses[options.steps :], clock.seconds[options.steps :]
    cuda = options.device == "cuda"
    print_report(
        clock,
        tuple(image.shape[2:]),
        losses,
        [options.size] * len(losses),
        peak_memory=torch.cuda.max_memory_allocated() if cuda else peak_resident_memory(),
        device=torch.cuda.get_device_name() if cuda else "cpu",
        threads=torch.get_num_threads(),
        versions={"python": platform.python_version(), "torch": torch.__version__},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, and run."""
    arguments_of = parser(__doc__)
    arguments_of.add_argument("--line-search", choices=["strong_wolfe"], help="of L-BFGS")
    arguments_of.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments_of.add_argument("--threads", type=int, help="unset: PyTorch's own choice")
    arguments_of.add_argument("--tf32", action="store_true", help="TensorFloat-32 on a GPU")
    arguments_of.add_argument(
        "--dtype", choices=["float32", "bfloat16"], default="float32", help="of the features"
    )
    arguments_of.add_argument("--channels-last", action="store_true", help="memory format NHWC")
    arguments_of.add_argument("--compile", action="store_true", help="torch.compile of the loss")
    run(arguments_of.parse_args(arguments))


if __name__ == "__main__":
    main()
