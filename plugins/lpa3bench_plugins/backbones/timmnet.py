"""Any convolutional classifier of timm, untrained. timm is an optional dependency."""

from __future__ import annotations

from difflib import get_close_matches

from lpa3bench.errors import PluginError
from lpa3bench_plugins.backbones.adapter import Adapted


class TimmNet(Adapted):
    """A network of timm (PyTorch Image Models) with timm's own initialisation; nothing is downloaded.

    Args:
        arch: a name as in `timm.list_models()`, of a convolutional classifier for images of any size that
            ends in a linear layer.
        layers: names of the modules that give the features; None: the last output at each resolution.

    Raises:
        PluginError: timm is not installed.
        ValueError: there is no such network or layer, or it is of a kind that cannot be adapted
            (transformers, networks with a convolutional head).
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        arch: str = "resnet18",
        layers: tuple[str, ...] | None = None,
    ) -> None:
        try:
            import timm
        except ImportError as error:
            raise PluginError("TimmNet needs timm; pip install 'lpa3bench[timm]'") from error
        if not timm.is_model(arch):  # nor a place to download a model from
            near = get_close_matches(arch, timm.list_models(), n=3, cutoff=0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"arch: must be a model of timm, not {arch!r}{hint}")
        network = timm.create_model(arch, pretrained=False, num_classes=num_classes, in_chans=in_channels)
        super().__init__(network, in_channels, layers)
