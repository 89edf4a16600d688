"""What each policy is for, on guesses made up so that it shows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench.api import Guesses, Policy
from lpa3bench_plugins.policies.flexmatch import FlexMatch
from lpa3bench_plugins.policies.freematch import FreeMatch, fairness_loss
from lpa3bench_plugins.policies.softmatch import SoftMatch

IMAGES = 8


def begun(policy: Policy, pool: Tensor | None = None) -> Policy:
    env: Any = SimpleNamespace(
        size=IMAGES, device=torch.device("cpu"), spec=SimpleNamespace(num_classes=2), gather=lambda x: x
    )
    policy.setup(env, torch.ones(IMAGES, dtype=torch.bool) if pool is None else pool)
    return policy


def guesses(*first: float, start: int = 0) -> Guesses:
    """Of images from `start` on, the probability of the first of two classes."""
    probs = torch.tensor([[p, 1 - p] for p in first])
    return Guesses(probs, torch.arange(start, start + len(first)), probs)


# ----------------------------------------------------------------------------------------------- FlexMatch
def test_a_class_that_is_learnt_less_asks_for_less() -> None:
    policy = begun(FlexMatch(threshold=0.9, warmup=False))
    assert policy.weigh(guesses(0.6, 0.4)).tolist() == [1, 1], "at first every guess counts"
    policy.weigh(guesses(0.95, 0.95, 0.95, 0.05))  # three of the first class, one of the second
    assert policy.weigh(guesses(0.8, 0.2)).tolist() == [0, 1]


def test_thresholds_survive_a_checkpoint() -> None:
    policy, again = (begun(FlexMatch(threshold=0.9, warmup=False)) for _ in range(2))
    policy.weigh(guesses(0.95, 0.95, 0.95, 0.05))
    again.load_state_dict(policy.state_dict())
    assert again.weigh(guesses(0.8, 0.2)).tolist() == [0, 1]


def test_images_without_a_class_keep_thresholds_low_at_first() -> None:
    warm, cold = (begun(FlexMatch(threshold=0.9, warmup=warmup)) for warmup in (True, False))
    for policy in (warm, cold):
        policy.weigh(guesses(0.95, 0.95, 0.05))
    assert [float(policy.weigh(guesses(0.8))) for policy in (warm, cold)] == [1, 0]


def test_images_of_which_nothing_is_guessed_are_no_class() -> None:
    """Six of eight belong to the pool; once all of them have a class, none is unused."""
    pool = torch.arange(IMAGES) < 6
    policy = begun(FlexMatch(threshold=0.9), pool)
    policy.weigh(guesses(0.95, 0.95, 0.95, 0.05, 0.05, 0.05))
    assert policy.status.tolist() == [1, 1]  # type: ignore[attr-defined]


def test_a_label_is_overwritten_and_never_withdrawn() -> None:
    policy = begun(FlexMatch(threshold=0.9))
    policy.weigh(guesses(0.95, 0.95))
    policy.weigh(guesses(0.5, 0.05))
    assert policy.chosen[:3].tolist() == [0, 1, -1]  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------------- FreeMatch
def test_the_threshold_rises_with_the_confidence() -> None:
    policy = begun(FreeMatch(decay=0.5))
    assert float(policy.weigh(guesses(0.6, 0.4))[0]) == 1
    for _ in range(9):
        policy.weigh(guesses(0.99, 0.01))
    assert policy.weigh(guesses(0.6, 0.99, 0.01)).tolist() == [0, 1, 1]


def test_a_class_that_is_predicted_less_asks_for_less_there_too() -> None:
    policy = begun(FreeMatch(decay=0.0))
    assert policy.weigh(guesses(0.9, 0.9, 0.9, 0.4, 0.7)).tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("counts", [[0.0, 0.0], [1.0, 0.0]])
def test_fairness_is_finite_where_nothing_or_one_class_counts(counts: list[float]) -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    even = torch.full((2,), 0.5)
    loss = fairness_loss(logits, torch.tensor(counts), even, even)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert bool(loss.isfinite() & gradient.isfinite().all())
    assert bool(loss == 0) == (not any(counts))


def test_a_class_without_a_guess_yet_makes_no_gap() -> None:
    policy = begun(FreeMatch(decay=0.0, fairness=1.0))
    weight = policy.weigh(guesses(0.9, 0.8))
    loss = policy.penalty(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), weight)
    assert loss is not None
    assert bool(loss.isfinite())
    assert begun(FreeMatch(fairness=0.0)).penalty(torch.zeros(2, 2), weight) is None


# ----------------------------------------------------------------------------------------------- SoftMatch
def test_the_more_a_guess_falls_short_the_less_it_counts() -> None:
    policy = begun(SoftMatch(decay=0.0))
    weight = policy.weigh(guesses(0.95, 0.05, 0.7, 0.3, 0.6, 0.4))
    assert weight[:2].tolist() == [1, 1], "above the average"
    assert 1 > weight[2] > weight[4] > 0
    torch.testing.assert_close(weight[::2], weight[1::2])


def test_guesses_of_a_class_that_is_predicted_too_often_count_less() -> None:
    policy = begun(SoftMatch(decay=0.0))
    often, seldom = policy.weigh(guesses(0.7, 0.7, 0.7, 0.3))[[0, 3]].tolist()
    assert seldom > often


def test_a_batch_with_one_image_of_a_class_pulls_its_moments_to_the_start() -> None:
    policy = begun(SoftMatch(decay=0.5, per_class=True))
    policy.weigh(guesses(0.9, 0.8, 0.3))
    assert policy.mean[1] == pytest.approx(0.25)  # type: ignore[attr-defined]
    assert policy.variance[1] == pytest.approx(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("decay", [0.0, 0.999])
def test_one_image_alone_and_images_that_agree_leave_weights_finite(decay: float) -> None:
    """One has no variance, and of those that agree it is 0."""
    policy = begun(SoftMatch(decay=decay))
    for same in (guesses(0.8), guesses(0.8, 0.8), guesses(0.8, 0.8)):
        assert policy.weigh(same).min() >= 0
    assert policy.weigh(guesses(0.9, 0.6)).isfinite().all()
