"""Which features are taken of a network: the table of docs/lpa3-function.md, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lpa3bench.nn.features import feature_layers
from lpa3bench.nn.layouts import FeatureLayer

PAGE = Path(__file__).parents[2] / "docs" / "lpa3-function.md"
ROW = re.compile(r"^\| (torchvision|timm) `(\w+)` \| (\d+) \| (.+) \|$", re.MULTILINE)


def network(library: str, arch: str) -> nn.Module:
    """On the meta device: shapes without numbers."""
    with torch.device("meta"):
        if library == "torchvision":
            return models.get_model(arch, weights=None)
        timm = pytest.importorskip("timm", reason="timm is not installed; pip install 'lpa3bench[timm]'")
        return timm.create_model(arch, pretrained=False)


def told(layer: FeatureLayer) -> str:
    """As the page has it: name, channels and places."""
    _, *sizes = layer.shape
    if layer.layout == "BND":
        return f"`{layer.name}` {sizes[1]} × {sizes[0]} tokens"
    channels, height, width = sizes if layer.layout == "BCHW" else (sizes[2], *sizes[:2])
    assert height == width
    return f"`{layer.name}` {channels} × {height}²" + (" (last)" if layer.layout == "BHWC" else "")


def row(library: str, arch: str, side: int) -> str:
    x = torch.zeros(2, 3, side, side, device="meta")
    try:
        return ", ".join(map(told, feature_layers(network(library, arch).eval(), x)))
    except ValueError as error:
        return f"refused: {str(error).split(';')[0]}"
