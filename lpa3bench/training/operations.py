"""Floating-point operations, counted as they are dispatched."""

from __future__ import annotations

from typing import Any

from torch.utils.flop_counter import FlopCounterMode


def counted_operations() -> FlopCounterMode:
    """A context that counts; `get_total_flops` of it tells the sum.

    It does not tell modules apart. PyTorch does by hooks on their inputs, and inside one on a leaf, such as
    the image that an augmenter searches from, `torch.autograd.grad` fails.
    """
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]
    return counter


class _NoModules:
    """Stands for `torch.utils.module_tracker.ModuleTracker`."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> None: ...
