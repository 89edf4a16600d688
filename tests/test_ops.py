"""Losses, mixing and ramps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench import ops

seeds = st.integers(0, 1000)
epochs = st.integers(1, 400)
rates = st.floats(1e-4, 1.0)
times = st.floats(-10, 400)
starts = st.floats(0, 300)
lengths = st.floats(0.1, 300)


def rows(seed: int, count: int = 5, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Logits and probabilities, in float64."""
    generator = torch.Generator().manual_seed(seed)
    logits, other = (torch.randn(count, classes, generator=generator, dtype=torch.float64) for _ in range(2))
    return 3 * logits, (3 * other).softmax(1)


# --------------------------------------------------------------------------------------------- schedules
@given(times, starts, lengths)
def test_a_ramp_goes_from_zero_to_one(time: float, start: float, length: float) -> None:
    value = ops.linear_ramp(time, start, length)
    assert 0 <= value <= 1
    if time <= start:
        assert value == 0
    elif time >= start + 1.001 * length:
        assert value == 1
    else:
        assert value == pytest.approx(min((time - start) / length, 1))
    assert ops.linear_ramp(time + 1, start, length) >= value


@given(epochs, rates, st.floats(0, 1))
def test_a_cosine_falls_from_high_to_low(total: int, high: float, ratio: float) -> None:
    low = high * ratio
    curve = [ops.cosine(epoch, total, high, low) for epoch in range(total + 1)]
    assert curve[0] == pytest.approx(high)
    assert curve[-1] == pytest.approx(low)
    assert all(low - 1e-12 <= rate <= high + 1e-12 for rate in curve)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(curve))
    if total % 2 == 0:
        assert curve[total // 2] == pytest.approx((high + low) / 2)


# ------------------------------------------------------------------------------------------------ losses
@given(seeds)
def test_soft_cross_entropy_of_hard_targets_is_cross_entropy(seed: int) -> None:
    logits, _ = rows(seed)
    labels = torch.arange(5) % 4
    found = ops.soft_cross_entropy(logits, ops.one_hot(labels, 4, torch.float64))
    torch.testing.assert_close(found, F.cross_entropy(logits, labels))


@given(seeds)
def test_soft_cross_entropy_is_least_at_its_target_and_linear_in_class_weights(seed: int) -> None:
    logits, target = rows(seed)
    at_target = ops.soft_cross_entropy(target.log(), target)
    assert ops.soft_cross_entropy(logits, target) >= at_target - 1e-12
    torch.testing.assert_close(at_target, -(target * target.log()).sum(1).mean())
    ones, first = torch.ones(4).double(), torch.tensor([1.0, 0, 0, 0]).double()
    whole = ops.soft_cross_entropy(logits, target)
    torch.testing.assert_close(ops.soft_cross_entropy(logits, target, ones), whole)
    parts = [ops.soft_cross_entropy(logits, target, first.roll(k)) for k in range(4)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


@given(seeds)
def test_squared_error_is_zero_at_its_target(seed: int) -> None:
    logits, target = rows(seed)
    assert float(ops.squared_error(target.log(), target)) == pytest.approx(0, abs=1e-15)
    expected = (logits.softmax(1) - target).pow(2).sum() / target.numel()
    torch.testing.assert_close(ops.squared_error(logits, target), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_left_for_the_soft_max(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 0.0, -20.0]]).to(dtype)
    target = torch.tensor([[0.5, 0.0, 0.5]])
    assert ops.probabilities(logits).dtype == torch.float32
    expected = math.log(1 + math.e) + 9.5
    assert float(ops.soft_cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-6)
    assert float(ops.probabilities(logits).sum()) == pytest.approx(1, abs=1e-6)
    assert ops.at_least_float32(logits.double()).dtype == torch.float64


def test_one_hot_has_the_dtype_that_is_asked_for() -> None:
    assert ops.one_hot(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert ops.one_hot(torch.tensor([2]), 3, torch.float64).dtype == torch.float64


# -------------------------------------------------------------------------------------- targets and mixing
@given(seeds, st.floats(0.1, 0.95))
def test_sharpening_keeps_the_order_and_lowers_the_entropy(seed: int, temperature: float) -> None:
    _, probs = rows(seed)
    sharp = ops.sharpen(probs, temperature)
    torch.testing.assert_close(sharp.sum(1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(sharp.argsort(1), probs.argsort(1))

    def entropy(p: Tensor) -> Tensor:
        return -torch.xlogy(p, p).sum(1)

    assert (entropy(sharp) <= entropy(probs) + 1e-12).all()
    torch.testing.assert_close(ops.sharpen(probs, 1.0), probs)
    # T = 1/2 squares and renormalises
    torch.testing.assert_close(ops.sharpen(probs, 0.5), probs**2 / (probs**2).sum(1, keepdim=True))


@given(seeds, st.floats(0, 1))
def test_mixing_is_between_a_row_and_its_partner(seed: int, share: float) -> None:
    x, _ = rows(seed)
    partner = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    mixed = ops.mix(x, partner, share)
    torch.testing.assert_close(mixed, torch.lerp(x[partner], x, share))
    low, high = torch.minimum(x, x[partner]), torch.maximum(x, x[partner])
    assert (mixed >= low - 1e-9).all()
    assert (mixed <= high + 1e-9).all()
    assert torch.equal(ops.mix(x, partner, 1.0), x + 0 * x[partner])
    torch.testing.assert_close(mixed.sum(0), share * x.sum(0) + (1 - share) * x.sum(0))


def test_the_ramp_of_a_published_run() -> None:
    """PES on CIFAR-10: T1 = 20 epochs, then 16 epochs of ramp."""
    assert [ops.linear_ramp(t, 20, 16) for t in (0, 20, 24, 36, 300)] == [0, 0, 0.25, 1, 1]
    assert math.isclose(ops.cosine(150, 300, 0.02, 0.0002), 0.0101)


def test_a_staircase_divides_by_ten_without_dropping_to_zero() -> None:
    """PENCIL's last stage; its script divides integers there."""
    rates = [ops.staircase(epoch, 0.2, (240, 280)) for epoch in (0, 239, 240, 279, 280, 319)]
    assert rates == pytest.approx([0.2, 0.2, 0.02, 0.02, 0.002, 0.002], rel=1e-12)
    assert ops.staircase(5, 0.1, ()) == 0.1


@given(seeds)
def test_the_prior_penalty_is_the_divergence_from_uniform(seed: int) -> None:
    logits, _ = rows(seed)
    mean = [sum(row[c] for row in logits.softmax(1).tolist()) / 5 for c in range(4)]
    expected = sum(0.25 * math.log(0.25 / p) for p in mean)
    assert float(ops.uniform_prior_penalty(logits)) == pytest.approx(expected, rel=1e-9)
    assert expected >= 0


def test_the_prior_penalty_is_zero_where_classes_are_even_and_finite_where_one_is_gone() -> None:
    even = torch.eye(4, dtype=torch.float64) * 30
    assert float(ops.uniform_prior_penalty(even)) == pytest.approx(0, abs=1e-12)
    gone = torch.tensor([[500.0, 0.0], [400.0, 0.0]], requires_grad=True)
    penalty = ops.uniform_prior_penalty(gone)
    assert float(penalty.detach()) == pytest.approx(-math.log(2) + (400 + math.log(2)) / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(penalty, gone)
    assert bool(torch.isfinite(gradient).all())
    assert bool((gradient[1] != 0).all())


def test_every_row_may_have_a_share_of_its_own() -> None:
    x, partner = torch.rand(3, 2, 4, 4), torch.tensor([2, 0, 1])
    share = torch.tensor([0.0, 0.25, 1.0]).view(3, 1, 1, 1)
    mixed = ops.mix(x, partner, share)
    for row, other, part in zip(range(3), partner.tolist(), (0.0, 0.25, 1.0), strict=True):
        torch.testing.assert_close(mixed[row], part * x[row] + (1 - part) * x[other])


def test_pairs_of_classes_are_counted_with_the_first_as_row() -> None:
    first, second = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([0, 1, 1, 1, 2])
    assert ops.count_pairs(first, second, 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 2, 1]]
    assert ops.count_pairs(first[:0], second[:0], 2).tolist() == [[0, 0], [0, 0]]


def test_jensen_shannon_is_0_for_equal_predictions_and_log_2_for_two_that_share_nothing() -> None:
    logits = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert ops.jensen_shannon(logits, logits, logits).item() == pytest.approx(0, abs=1e-15)
    sure = 100 * torch.eye(2, dtype=torch.float64)
    assert ops.jensen_shannon(sure, sure.flip(0)).item() == pytest.approx(math.log(2))
    assert ops.jensen_shannon(sure, sure.flip(0)) == ops.jensen_shannon(sure.flip(0), sure)
