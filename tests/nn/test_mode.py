from __future__ import annotations

import pytest
from torch import nn

from lpa3bench.nn.mode import kept_mode


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_every_module_is_put_back_into_its_own_mode() -> None:
    one, other = (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2))) for _ in range(2))
    one[1].eval()  # statistics frozen for good
    other.eval()
    before = modes(one), modes(other)
    assert before == ([True, True, False, False], [False] * 4)
    with kept_mode(one, other):
        assert (modes(one), modes(other)) == before
        one.eval()
        other.train()
    assert (modes(one), modes(other)) == before
    with pytest.raises(KeyError), kept_mode(one):
        one.train()
        raise KeyError
    assert modes(one) == before[0]
