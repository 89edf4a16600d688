"""Fresh weights for a part of a network."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lpa3bench.runtime.seeding import seeded


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
