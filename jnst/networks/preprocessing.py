"""The input conventions of VGG weights, and folding of a convention into conv1_1."""

import dataclasses
import types

import numpy as np
from jaxtyping import Float

from jnst.common.errors import NetworkError

Kernel = Float[np.ndarray, "3 3 3 _o"]


@dataclasses.dataclass(frozen=True)
class Convention:
    """The input of a network: (scale * image - mean) / deviation, its channels in `order`.

    `image` is RGB in [0, 1]; `mean` and `deviation` are in the network's own order and units.
    `kernel_range` is the range of the root mean square of conv1_1 in this convention.
    """

    name: str
    order: str
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    kernel_range: tuple[float, float]

    def fold(self, kernel: Kernel) -> Kernel:
        """The kernel (HWIO) for RGB in [0, 1] minus `canonical_mean`: times scale / deviation.

        In float64. The mean cannot be folded into the bias, as the border is padded with zeros.
        """
        gain = self.scale / np.array(self.deviation)
        return (np.asarray(kernel, np.float64) * gain[:, None])[:, :, self._rgb()]

    def canonical_mean(self) -> Float[np.ndarray, "3"]:
        """The mean for RGB in [0, 1], float32: mean / scale."""
        return (np.array(self.mean) / self.scale)[self._rgb()].astype(np.float32)

    def _rgb(self) -> list[int]:
        return [self.order.index(channel) for channel in "RGB"]


_ONE = (1.0, 1.0, 1.0)

CONVENTIONS = types.MappingProxyType(
    {
        convention.name: convention
        for convention in (
            Convention("caffe", "BGR", 255, (103.939, 116.779, 123.68), _ONE, (1e-4, 5)),
            Convention("hed", "BGR", 255, (104.00699, 116.66877, 122.67892), _ONE, (1e-4, 5)),
            Convention("matconvnet", "RGB", 255, (123.68, 116.779, 103.939), _ONE, (1e-4, 5)),
            Convention(
                "torchvision", "RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (0.02, 20)
            ),
        )
    }
)
"""The original networks (Simonyan, Zisserman 2015) in two channel orders, torchvision's, and that
of holistically-nested edge detection (Xie, Tu 2015), whose mean is another."""

# conv1_1's first kernel, channel R, as PyTorch prints it for vgg19-dcbb9e9d.pth.
_TORCHVISION_KERNEL = np.array(
    [
        [-5.3474e-02, -4.9257e-02, -6.7942e-02],
        [1.5314e-02, 4.5068e-02, 2.1444e-03],
        [3.6226e-02, 1.9999e-02, 1.9864e-02],
    ]
)


def is_torchvision(kernel: Kernel) -> bool:
    """Whether conv1_1 (HWIO) is that of torchvision's pretrained network."""
    return np.allclose(kernel[:, :, 0, 0], _TORCHVISION_KERNEL, rtol=1e-3, atol=1e-6)


def guess_convention(kernel: Kernel) -> Convention:
    """ "caffe" or "torchvision", whichever the scale of conv1_1 (HWIO) fits.

    A small kernel means inputs up to 255. But the kernel of the original network is as large as
    that of torchvision, so the guess can be wrong for it.
    """
    lowest = CONVENTIONS["torchvision"].kernel_range[0]
    small = not is_torchvision(kernel) and _root_mean_square(kernel) < lowest
    return CONVENTIONS["caffe" if small else "torchvision"]


def check_convention(kernel: Kernel, convention: Convention) -> None:
    """NetworkError unless conv1_1 (HWIO) can be of that convention."""
    if is_torchvision(kernel) and convention.name != "torchvision":
        raise NetworkError(
            f"conv1_1 is that of torchvision's network: its convention is torchvision, "
            f"not {convention.name}"
        )
    size = _root_mean_square(kernel)
    if not _fits(size, convention):
        fitting = " or ".join(c.name for c in CONVENTIONS.values() if _fits(size, c))
        lowest, highest = convention.kernel_range
        raise NetworkError(
            f"conv1_1 has root mean square {size:.3g}, where convention {convention.name} has "
            f"{lowest:g} to {highest:g}; it fits {fitting or 'none'}"
        )


def _fits(size: float, convention: Convention) -> bool:
    lowest, highest = convention.kernel_range
    return lowest <= size <= highest


def _root_mean_square(kernel: Kernel) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(kernel, np.float64)))))
