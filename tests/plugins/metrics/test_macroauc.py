from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lpa3bench_plugins.metrics.macroauc import MacroAUC


def test_it_is_the_share_of_pairs_in_the_right_order() -> None:
    """Against its definition: how often an image of the class scores above one of the rest, ties by half."""
    generator = torch.Generator().manual_seed(3)
    probs = torch.rand(40, 3, generator=generator).mul(8).round().div(8)  # with ties
    labels = torch.arange(40) % 3
    areas = []
    for label in range(3):
        mine, rest = probs[labels == label, label], probs[labels != label, label]
        above = (mine[:, None] > rest).double() + 0.5 * (mine[:, None] == rest).double()
        areas.append(float(above.mean()))
    assert MacroAUC().compute(probs, labels) == pytest.approx(sum(areas) / 3, abs=1e-12)


def test_of_two_classes_it_is_that_of_either() -> None:
    score = torch.tensor([0.1, 0.4, 0.35, 0.8])
    labels = torch.tensor([0, 0, 1, 1])
    assert MacroAUC().compute(torch.stack([1 - score, score], 1), labels) == pytest.approx(0.75)


def test_of_the_same_probabilities_for_all_it_is_a_half() -> None:
    assert MacroAUC().compute(torch.full((9, 3), 1 / 3), torch.arange(9) % 3) == 0.5


@pytest.mark.parametrize(
    ("probs", "labels"),
    [
        (torch.rand(4, 3), torch.tensor([0, 0, 1, 1])),  # class 2 has no image
        (torch.rand(4, 1), torch.zeros(4, dtype=torch.int64)),  # nobody else
        (torch.tensor([[torch.nan, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
    ],
)
def test_it_is_none_where_it_is_undefined(probs: Tensor, labels: Tensor) -> None:
    assert MacroAUC().compute(probs, labels) is None
