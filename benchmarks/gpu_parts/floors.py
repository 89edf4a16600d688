"""What no implementation of a step can do without, counted on paper and turned into seconds.

Work is counted in image-forwards: one image once forward through the network. A backward pass to the image
counts as one more and one to the weights as two, as `lpa3bench.training.image_passes` counts the real steps.
For one image-forward there are the floating-point operations of its convolutions and products, and the bytes
of the activations that have to go to memory and back in bfloat16, since no cache holds a batch's maps:

* every convolution reads its input once and writes its output once;
* every BatchNorm that is called reads its input for the statistics, reads it again and writes the result
  (with the activation in the same kernel): three times its size. Fused with its neighbours one pass would be
  left.

Additions of residuals, the weights, the loss and the optimiser are left out, so this is a floor. A backward
pass is taken to move what a forward one does; the bytes are good to about 30 %. A step's floor is the larger
of operations over the product's rate and bytes over the copy's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

BYTES = 2
"""Of a bfloat16 number."""
BATCHNORM_PASSES = 3
"""A BatchNorm that is a kernel of its own: read, read, write."""


class ImageCost(NamedTuple):
    """What one image-forward takes."""

    flops: int
    """A multiplication and an addition are two."""
    convolutions: int
    bytes: int
    """With BatchNorm as kernels of its own."""
    fused_bytes: int
    """With BatchNorm fused into its neighbours."""


class Ceilings(NamedTuple):
    """What the device reaches at best."""

    copy: float
    """Bytes read plus bytes written per second, by a large copy on the device."""
    product: float
    """Floating-point operations per second, by a large product in bfloat16."""


class Floor(NamedTuple):
    """The least time of some image-forwards, in seconds, by what bounds it."""

    flops: float
    bytes: float
    fused_bytes: float

    @property
    def seconds(self) -> float:
        """Of operations and bytes (BatchNorm as kernels of its own) the larger."""
        return max(self.flops, self.bytes)

    @property
    def bound(self) -> str:
        """Which of the two it is."""
        return "flops" if self.flops >= self.bytes else "bytes"


def image_cost(network: nn.Module, *, channels: int, size: int) -> ImageCost:
    """Count what one image [1, channels, size, size] takes; layers that are not called do not count.

    The network comes back in the mode that it had, and with what is in its buffers unchanged.
    """
    moved = {"convolutions": 0, "through_convolutions": 0, "through_batchnorms": 0}

    def convolution(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        moved["convolutions"] += 1
        moved["through_convolutions"] += inputs[0].numel() + output.numel()

    def batchnorm(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        moved["through_batchnorms"] += output.numel()

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(convolution))
        elif isinstance(module, _BatchNorm):
            hooks.append(module.register_forward_hook(batchnorm))
    like, training = next(network.parameters()), network.training
    image = like.new_zeros((1, channels, size, size))
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval()(image)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    convolved, normalised = moved["through_convolutions"], moved["through_batchnorms"]
    return ImageCost(
        flops=counter.get_total_flops(),
        convolutions=moved["convolutions"],
        bytes=BYTES * (convolved + BATCHNORM_PASSES * normalised),
        fused_bytes=BYTES * (convolved + normalised),
    )


def floor(cost: ImageCost, forwards: float, ceilings: Ceilings) -> Floor:
    """The least time of so many image-forwards."""
    return Floor(
        flops=forwards * cost.flops / ceilings.product,
        bytes=forwards * cost.bytes / ceilings.copy,
        fused_bytes=forwards * cost.fused_bytes / ceilings.copy,
    )
