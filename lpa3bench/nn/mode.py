"""Train or eval mode that comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def kept_mode(*models: nn.Module) -> Iterator[None]:
    """After the block every module is in the mode, train or eval, that it was in before; on exceptions too.

    Module by module, because a network in train mode may hold parts that were put into eval mode for good.
    """
    before = [(module, module.training) for model in models for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
