"""LP-A3's augmenters with a small model, called without an environment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import DatasetSpec, Output, View
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.runtime.distributed import ALONE
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.backbones.smallnet import SmallNet

SIZE, CLASSES = 20, 4
SPEC = DatasetSpec(name="Tiny", num_classes=CLASSES, channels=3, size=8, mean=(0.5,) * 3, std=(0.25,) * 3)


class Model(nn.Module):
    """What an augmenter knows of a model; counts its calls, and passes of images as the engine does."""

    name = "net"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = SmallNet(num_classes=CLASSES, in_channels=3, width=4)
        self.backbone.head.weight.data.mul_(20)  # predictions that differ
        add_auxiliary(self.backbone)
        self.mean = torch.tensor(SPEC.mean).view(3, 1, 1)
        self.std = torch.tensor(SPEC.std).view(3, 1, 1)
        self.calls = self.passes = 0

    def normalise(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def forward(self, x: Tensor) -> Output:
        return self.from_normalised(self.normalise(x))

    def from_normalised(self, z: Tensor) -> Output:
        self.calls += 1
        self.passes += len(z) * (2 if z.requires_grad else 1)
        return self.backbone(z)


class Bench:
    """Calls one augmenter as the engine's guard does."""

    of: type[LPA3] = LPA3

    def __init__(self, **options: Any) -> None:
        self.model = Model()
        self.draws = Draws(1)
        self.lpa3: Any = self.of(**options)
        self.lpa3.setup(SimpleNamespace(size=SIZE, spec=SPEC, device=torch.device("cpu")))

    def __call__(self, x: Tensor, index: Tensor | None, **context: Any) -> View:
        given = {"target": None, "copies": 1, "epoch": 0, "step": 0, "pass_no": 0} | context
        ctx = SimpleNamespace(
            model=self.model,
            logits=self.model,
            index=index,
            spec=SPEC,
            draws=self.draws,
            pool=None,
            processes=ALONE,
        )
        ctx.__dict__.update(given)
        with frozen(self.model), bn_domain(self.model, self.lpa3.bn_domain):
            view: View = self.lpa3.generate(x, ctx)
        assert view.rows.dtype == torch.int64
        assert len(view.x) == len(view.rows)
        assert (view.rows.diff() > 0).all()
        assert ((view.x >= 0) & (view.x <= 1)).all()
        assert not view.x.requires_grad
        return view


def images(seed: int = 5, count: int = 10) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


FIRST = torch.arange(10)
