"""How good the networks are that views are made against, and how far the views go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench.analysis.card.attacks import Attack, attack_measures, good_enough, held_out
from lpa3bench.analysis.card.judge import Seen
from lpa3bench.analysis.card.views import Viewed
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.errors import RunFailed


def viewed(x: Tensor, view: Tensor) -> Viewed:
    label = torch.arange(len(x))
    return Viewed(x, view, label, label, torch.eye(len(x)), "main", 0, 0, 0)


def test_accuracy_and_distances_of_an_attacked_network() -> None:
    x = torch.zeros(4, 3, 2, 2)
    view = x.clone()
    view[:, 0, 0, 0], view[:, 1, 1, 1] = 0.3, 0.4
    right = torch.tensor([True, True, True, False, True])
    phi = torch.tensor([1.0, 2.0, 3.0, 4.0])
    made = Attack(viewed(x, view), Seen(torch.zeros(4, 2), torch.zeros(4, 2), phi), right)
    found = {one.key: one for one in attack_measures("k", "the network", made, floor=0.7)}
    assert {key: one.value for key, one in found.items()} == {
        "k_accuracy": 0.8,
        "k_l2": pytest.approx(0.5),
        "k_linf": pytest.approx(0.4),
        "k_phi": 2.5,
    }
    assert [one.n for one in found.values()] == [5, 4, 4, 4]
    assert "Below 70 % there is no card." in found["k_accuracy"].definition
    assert {one.group for one in found.values()} == {"attacked"}


def test_a_network_below_the_floor_is_refused(fixmatch: Trained) -> None:
    x, label = held_out(fixmatch, 7, seed=0)
    assert len(x) == len(label) == 7
    assert torch.equal(held_out(fixmatch, 7, seed=0)[0], x)
    right = fixmatch.predict(x).argmax(1)
    wrong: Any = (right + 1) % fixmatch.spec.num_classes
    good_enough("the network", fixmatch, (x, right), floor=1.0, cure="train it")
    with pytest.raises(RunFailed) as caught:
        good_enough(
            "the network", fixmatch, (x, torch.cat([right[:3], wrong[3:]])), floor=0.5, cure="train it"
        )
    assert str(caught.value) == (
        f"{Path(fixmatch.folder.path)}: the network gets 42.9 % of 7 held-out images of {fixmatch.spec.name} "
        "right, and a card needs 50 %; train it"
    )
