from __future__ import annotations

import pytest
import torch

from lpa3bench_plugins.metrics.ece import ECE


def test_confidence_and_what_is_right_are_compared_bin_by_bin() -> None:
    """Two images at 0.6, of which one is right; two at 0.9, both wrong."""
    top = torch.tensor([0.6, 0.6, 0.9, 0.9])
    probs = torch.stack([top, 1 - top], 1)
    labels = torch.tensor([0, 1, 1, 1])
    assert ECE().compute(probs, labels) == pytest.approx((2 * 0.1 + 2 * 0.9) / 4)
    assert ECE(bins=1).compute(probs, labels) == pytest.approx(abs(0.25 - 0.75))


def test_a_bin_has_its_upper_edge() -> None:
    """0.5 and 0.75 are in two of four bins: (0.25, 0.5] and (0.5, 0.75]."""
    probs, labels = torch.tensor([[0.5, 0.5], [0.25, 0.75]]), torch.tensor([1, 1])
    assert ECE(bins=4).compute(probs, labels) == pytest.approx((0.5 + 0.25) / 2)
    assert ECE(bins=2).compute(probs, labels) == pytest.approx((0.5 + 0.25) / 2)
    assert ECE(bins=1).compute(probs, labels) == pytest.approx(abs(0.5 - 0.625))


def test_another_number_of_bins_is_another_name() -> None:
    assert (ECE().name, ECE(bins=10).name) == ("ece", "ece_10")
    assert ECE(bins=10).title != ECE().title
    with pytest.raises(ValueError, match=r"^bins: must be >= 1"):
        ECE(bins=0)
