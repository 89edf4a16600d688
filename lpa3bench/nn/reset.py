"""Fresh weights: for a part of a network, and for a module that a plugin brings."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from lpa3bench.runtime.seeding import seeded

Made = TypeVar("Made", bound=nn.Module)


def initialised(make: Callable[[], Made], seed: int, device: torch.device) -> Made:
    """A module of a plugin's own, its first weights drawn from a seed of its own.

    Its constructor alone would draw from torch's global generator, which the network and drop-out share:
    `self.generator = initialised(lambda: MyGenerator(width=8), env.draws("mine").child(), env.device)`.

    Args:
        make: builds it; called where tensors take no memory. What no `reset_parameters` of a layer sets is
            the caller's to fill; until then it is NaN, or 0 where it is of a whole type.
    """
    with torch.device("meta"):
        module = make()
    module.to_empty(device=device)
    with torch.no_grad():
        # Else it would be what the memory held: another thing each time, and no law could say why.
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.fill_(math.nan if tensor.is_floating_point() else 0)
    reset_parameters(module, seed)
    return module


def reset_parameters(module: nn.Module, seed: int) -> None:
    """Re-initialise a module in place as its layers' own defaults do, from a seed of its own.

    Drawn on the CPU whatever the device, so that runs on different hardware get the same weights, and the
    tensors stay the same objects, so that optimisers keep what they hold. Running statistics start anew too.
    """
    fresh = copy.deepcopy(module).cpu()
    with seeded(seed):
        for part in fresh.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    with torch.no_grad():
        for old, new in zip(module.state_dict().values(), fresh.state_dict().values(), strict=True):
            old.copy_(new)
