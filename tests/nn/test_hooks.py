"""Watching modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lpa3bench.nn.hooks import watched


def test_calls_are_reported_in_order_and_only_inside() -> None:
    once, twice = nn.Identity(), nn.ReLU()
    network = nn.Sequential(once, twice, twice)
    x, seen = torch.tensor([-1.0, 2.0]), []
    with watched({"once": once, "twice": twice}, lambda *told: seen.append(told)):
        network(x)
    network(x)
    assert [(name, call) for name, call, _ in seen] == [("once", 0), ("twice", 0), ("twice", 1)]
    assert torch.equal(seen[0][2], x)
    assert torch.equal(seen[1][2], x.clamp_min(0))


def test_nothing_stays_when_the_block_raises() -> None:
    network = nn.Identity()
    with pytest.raises(KeyError), watched({"it": network}, lambda *_: None):
        raise KeyError
    assert not network._forward_hooks
