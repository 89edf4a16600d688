"""Finds what would make the host wait for the device, without a device."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_to_cpu", "bincount")


class HostSyncs(TorchDispatchMode):
    """Inside the block, operations whose result (or its size) the host has to know are listed in `found`.

    `.item()`, `float(t)`, `if t:` and printing read a scalar; a boolean mask as an index asks for its
    non-zero places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(
            getattr(i, "dtype", None) is not None and str(i.dtype) == "torch.bool"
            for i in (args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ())
        )
        if masks or any(name.startswith(waiting) for waiting in WAITING):
            self.found.append(name)
        return func(*args, **(kwargs or {}))
