"""Any classifier of timm with one linear head, untrained. timm is an optional dependency."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from lpa3bench.errors import PluginError
from lpa3bench.nn.layouts import Layout
from lpa3bench_plugins.backbones.adapter import Adapted


class TimmNet(Adapted):
    """A network of timm (PyTorch Image Models) with timm's own initialisation; nothing is downloaded.

    Args:
        arch: a name as in `timm.list_models()`, of a classifier that ends in a linear layer.
        layers: names of the modules that give the features, or {name: "BCHW" or "BHWC"} where a shape does
            not tell which; None: those that `lpa3bench.feature_layers` shows.
        image_size: side of the images, for a network that is made for one size, as ViT and Swin are; None:
            any size will do.

    Raises:
        PluginError: timm is not installed.
        ValueError: there is no such network or layer, or it is of a kind that cannot be adapted (with a
            convolutional head, or a family whose features must be named).
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
        try:
            import timm
        except ImportError as error:
            raise PluginError("TimmNet needs timm; pip install 'lpa3bench[timm]'") from error
        if not timm.is_model(arch):  # nor a place to download a model from
            near = get_close_matches(arch, timm.list_models(), n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"arch: must be a model of timm, not {arch!r}{hint}")
        options: dict[str, Any] = {"pretrained": False, "num_classes": num_classes, "in_chans": in_channels}
        try:
            sized = {} if image_size is None else {"img_size": image_size}
            network = timm.create_model(arch, **options, **sized)
        except TypeError:  # its constructor takes no size: any will do
            network = timm.create_model(arch, **options)
        super().__init__(network, in_channels, layers, image_size)
