"""Any classifier of torchvision with one linear head, untrained."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from torch import nn
from torchvision import models

from lpa3bench.nn.layouts import Layout
from lpa3bench_plugins.backbones.adapter import Adapted


class TorchvisionNet(Adapted):
    """A network of `torchvision.models` with torchvision's own initialisation; nothing is downloaded.

    Where images have not three channels, the first convolution is replaced by one that takes them, drawn
    from a normal distribution as wide as the weights of the one it replaces.

    Args:
        arch: a name as in `torchvision.models.list_models()`, of a classifier that ends in a linear layer:
            alexnet, vgg…, resnet…, resnext…, wide_resnet…, densenet…, regnet…, mobilenet…, mnasnet…,
            shufflenet…, efficientnet…, convnext…, swin…; with `image_size` vit… and maxvit….
        layers: names of the modules that give the features, or {name: "BCHW" or "BHWC"} where a shape does
            not tell which; None: those that `lpa3bench.feature_layers` shows.
        image_size: side of the images, for a network that is made for one size; None: any size will do.

    Raises:
        ValueError: there is no such network or layer, or it is of a kind that cannot be adapted (with
            auxiliary heads or a convolutional head).
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        arch: str = "resnet18",
        layers: tuple[str, ...] | dict[str, Layout] | None = None,
        image_size: int | None = None,
    ) -> None:
        names = models.list_models(module=models)
        if arch not in names:
            near = get_close_matches(arch, names, n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"arch: must be a classifier of torchvision.models, not {arch!r}{hint}")
        size: dict[str, Any] = {}
        if image_size is not None and arch.startswith("vit_"):
            size = {"image_size": image_size}
        elif image_size is not None and arch.startswith("maxvit_"):
            size = {"input_size": (image_size, image_size)}
        network = models.get_model(arch, weights=None, num_classes=num_classes, **size)
        if in_channels != 3:
            _take_channels(network, in_channels)
        super().__init__(network, in_channels, layers, image_size)


def _take_channels(network: nn.Module, in_channels: int) -> None:
    """Replace the first convolution by one for images of so many channels."""
    found = ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    name: str
    old: Any  # its sizes are pairs, which torch's types do not say
    name, old = next(found)
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        old.kernel_size,
        old.stride,
        old.padding,
        bias=old.bias is not None,
    )
    if not old.weight.is_meta:  # a config that is only checked builds networks without weights
        nn.init.normal_(new.weight, std=old.weight.std().item())
    if new.bias is not None and old.bias is not None:
        new.bias.data.copy_(old.bias.data)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, new)
