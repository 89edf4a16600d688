"""Parameters that take no gradient for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Inside the block no parameter of the model requires a gradient; after it each is as it was.

    A backward pass then computes no weight gradients (about a quarter of the work when only the gradient to
    the image is wanted), and nothing can add to `.grad`. Holds on exceptions too.
    """
    parameters = list(model.parameters())
    before = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad = False
        yield
    finally:
        for parameter, old in zip(parameters, before, strict=True):
            parameter.requires_grad = old
