"""Steps without importing torch's compiler, which takes as long as importing torch itself.

torch keeps its compiler out of the methods of optimisers and of what counts operations, and imports it to say
so when one of them is first called, also where nothing is ever compiled. As long as nobody has imported it
there is nothing to keep out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

COMPILER = "torch._dynamo"
_KEPT_OUT = "__dynamo_disable"
"""Where `torch._compile` keeps, at a function, what it calls instead."""


def spare_compiler_import() -> None:
    """Let torch's own classes do what they do without the compiler, until somebody else imports it.

    They compute the same, bit by bit. Made for torch 2.14; where another keeps this elsewhere, the first step
    takes its time again, and nothing else changes.
    """
    from torch import optim
    from torch.utils._python_dispatch import TorchDispatchMode

    for cls in (optim.Optimizer, *TorchDispatchMode.__subclasses__()):
        for method in vars(cls).values():
            if isinstance(method, FunctionType) and method.__globals__["__name__"] == "torch._compile":
                _call_plainly(method)
    for cls in [*vars(optim).values()]:
        step = vars(cls).get("step") if isinstance(cls, type) else None
        if isinstance(step, FunctionType) and step.__code__.co_name == "_use_grad":
            cls.step = _plain_step(step)


def _call_plainly(method: FunctionType) -> None:
    plain: Any = getattr(method, "__wrapped__", None)
    if plain is None or hasattr(plain, _KEPT_OUT):
        return

    def call(*args: Any, **kwargs: Any) -> Any:
        if COMPILER not in sys.modules:
            return plain(*args, **kwargs)
        if getattr(plain, _KEPT_OUT, None) is call:
            delattr(plain, _KEPT_OUT)
        return method(*args, **kwargs)

    setattr(plain, _KEPT_OUT, call)


def _plain_step(step: Any) -> Callable[..., Any]:
    @wraps(step)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if COMPILER in sys.modules:
            return step(self, *args, **kwargs)
        import torch

        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step.__wrapped__(self, *args, **kwargs)

    return call
