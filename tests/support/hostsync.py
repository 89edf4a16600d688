"""Finds what would make the host wait for the device, without a device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

WAITING = frozenset(
    (
        "item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__contains__",
        "__array__", "nonzero", "argwhere", "masked_select", "equal", "allclose", "unique",
        "unique_consecutive", "bincount", "is_nonzero",
    )
)  # fmt: skip


class HostSyncs(TorchFunctionMode):
    """Inside the block, calls whose result (or its size) the host has to know are listed in `found`.

    `.item()`, `float(t)` and `if t:` read a value; a boolean mask as an index asks for its non-zero places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in WAITING or (name in ("__getitem__", "__setitem__") and _has_mask(args[1])):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Tensor) and part.dtype == torch.bool for part in parts)
