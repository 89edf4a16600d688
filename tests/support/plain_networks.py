"""Networks of somebody else for `lpa3`, and whether a call left them as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import Output
from lpa3bench.standalone import lpa3

MEAN, STD = (0.5, 0.4, 0.45), (0.2, 0.25, 0.3)


class Plain(nn.Module):
    """Somebody's network: BatchNorm, one ReLU used everywhere, global pooling as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.act = nn.LeakyReLU(0.1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = self.act(self.bn2(self.conv2(x)))
        return 5 * self.head(self.pool(x).flatten(1))


class WithFeatures(Plain):
    """The same, handing out its features."""

    def forward(self, x: Tensor) -> Output:
        one = self.act(self.bn1(self.conv1(x)))
        two = self.act(self.bn2(self.conv2(one)))
        return Output(5 * self.head(self.pool(two).flatten(1)), (one, two))


def Pooled(classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def make(kind: type[nn.Module] = Plain) -> Any:
    torch.manual_seed(0)
    return kind()


def images(count: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def augmented(model: nn.Module, x: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
    return lpa3(model, x, y, **{"mean": MEAN, "std": STD, "generator": seeded()} | options)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """The model is bit for bit as before, flags, gradients, modes and hooks included."""

    def snapshot() -> tuple[Any, ...]:
        return (
            {name: value.clone() for name, value in model.state_dict().items()},
            [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()],
            [
                (module.training, len(module._forward_hooks), getattr(module, "track_running_stats", None))
                for module in model.modules()
            ],
        )

    before = snapshot()
    yield
    after = snapshot()
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    for (flag, grad), (flag_after, grad_after) in zip(before[1], after[1], strict=True):
        assert flag == flag_after
        assert (grad is None) == (grad_after is None)
        assert grad is None or torch.equal(grad, grad_after)
    assert before[2] == after[2]
