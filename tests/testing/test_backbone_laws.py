"""The conformance kit on backbones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.law_findings import broken, failed
from torch import Tensor, nn

from lpa3bench import testing
from lpa3bench.api import Backbone, Output
from lpa3bench.testing import TinyNet


def test_the_kits_own_backbone_keeps_the_laws() -> None:
    testing.check_backbone(TinyNet)


class HeadLeftOut(TinyNet):
    def stages(self) -> list[nn.Module]:
        return [self.stem, self.body]


class NoMaps(TinyNet):
    def forward(self, x: Tensor) -> Output:
        return Output(super().forward(x).logits, ())


class Counts(TinyNet):
    """Something that no state dict knows decides what it answers."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        self.shift = float(torch.rand(1))

    def forward(self, x: Tensor) -> Output:
        output = super().forward(x)
        return output._replace(logits=output.logits + self.shift)


class Restless(TinyNet):
    def forward(self, x: Tensor) -> Output:
        return super().forward(x + 0.1 * torch.rand_like(x))


class NumPyMade(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        nn.init.constant_(self.head.weight, np.random.rand())


class Hooked(TinyNet):
    """Features by a hook that knows the object it was made for, and writes there from a deep copy too."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        kept: dict[str, Tensor] = {}
        self.stem.register_forward_hook(lambda module, inputs, output: kept.update(stem=output))
        self.kept = kept

    def forward(self, x: Tensor) -> Output:
        return super().forward(x)._replace(features=(self.kept["stem"],))


@pytest.mark.parametrize(
    ("make", "laws"),
    [
        (HeadLeftOut, {"stages"}),
        (NoMaps, {"shapes"}),
        (Counts, {"resume"}),
        (NumPyMade, {"no global RNG"}),
        (Hooked, {"deep copy"}),
        (Restless, {"no global RNG", "eval mode", "deep copy"}),
    ],
)
def test_a_backbone_with_a_fault(make: Any, laws: set[str]) -> None:
    found = broken(testing.try_backbone(make))
    assert found <= laws
    assert found


def test_a_backbone_that_takes_other_arguments() -> None:
    class Own(Backbone):
        def __init__(self, *, classes: int) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> Output:
            raise AssertionError

        def stages(self) -> list[nn.Module]:
            return []

    assert broken(testing.try_backbone(Own)) == {"initialise"}


class ThreeChannels(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=3)


class SaysThree(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        if in_channels != 3:
            raise ValueError("in_channels: must be 3")
        super().__init__(num_classes=num_classes, in_channels=3)


def test_a_backbone_that_ignores_the_channels() -> None:
    assert failed(testing.try_backbone(ThreeChannels)).keys() == {"one channel"}


def test_a_backbone_may_refuse_one_channel() -> None:
    found = testing.try_backbone(SaysThree)
    assert failed(found) == {}
    (law,) = [finding for finding in found if finding.law == "one channel"]
    assert law.reason == "it refuses images of one channel: in_channels: must be 3"
