"""Counts floating-point operations, by torch's counter without its tracking of modules."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode


class _OneModule:
    """Stands in for torch's ModuleTracker: all that is counted belongs to the whole.

    The tracker hangs hooks on the gradients of every module's inputs, and these fail where an input is
    a leaf whose gradient `torch.autograd.grad` asks for: which is how most adversarial views are searched.
    """

    parents = ("Global",)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def flop_counter() -> FlopCounterMode:
    """A context; `get_total_flops` of it tells what was counted inside."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _OneModule()  # type: ignore[assignment]  # takes its place, and is no subclass
    return counter
