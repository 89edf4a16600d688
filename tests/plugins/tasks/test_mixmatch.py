"""What PES and DivideMix share of MixMatch, in parts; whole steps are in their own tests and in golden/."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.small_runs import begin

from lpa3bench.api import View
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.ops import mix, soft_cross_entropy, squared_error
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.tasks import mixmatch
from lpa3bench_plugins.tasks.mixmatch import Mixing, Pairs
from lpa3bench_plugins.tasks.pes import PES

CPU = torch.device("cpu")
NOTHING = torch.zeros(0, dtype=torch.int64)


def environment(**slots: Any) -> Environment:
    return begin(PES(batch_size=8), **slots)


def pairs(labelled: int, unlabelled: int, seed: int = 0) -> Pairs:
    draws = Draws(seed)
    x, u = (draws.uniform((2 * n, 3, 8, 8)) for n in (labelled, unlabelled))
    target_x, target_u = (draws.uniform((n, 3)).softmax(1) for n in (labelled, unlabelled))
    return Pairs(x, u, target_x, target_u)


# -------------------------------------------------------------------------------------------------- mixing
@given(st.floats(0.1, 8), st.integers(1, 40), st.integers(0, 99))
def test_a_row_keeps_the_larger_part_of_itself(alpha: float, rows: int, seed: int) -> None:
    mixing = mixmatch.draw_mixing(Draws(seed), alpha, rows, CPU)
    assert 0.5 <= mixing.share <= 1
    assert sorted(mixing.order.tolist()) == [*range(rows)], "everybody is a partner once"


def test_both_views_of_an_image_have_its_target() -> None:
    made = pairs(2, 3)
    assert torch.equal(made.images, torch.cat([made.x, made.u]))
    assert torch.equal(made.targets[:2], made.targets[2:4])
    assert torch.equal(made.targets[4:7], made.targets[7:])
    assert torch.equal(made.targets[4:7], made.target_u)


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3], [1, 2], [3]])
def test_hard_positives_are_mixed_as_their_images_are(chosen: list[int]) -> None:
    """With the same partners and share; a partner that was replaced too comes as its hard positive."""
    made, rows = pairs(3, 2), torch.tensor(chosen)
    order, share = Draws(1).permutation(10), 0.7
    hard = View(torch.rand(len(rows), 3, 8, 8, generator=torch.Generator().manual_seed(5)), rows)
    mixed, places = mixmatch.mixed_positives(made.images, hard, 6, Mixing(share, order))
    assert places.tolist() == [6 + row for row in chosen]
    replaced = made.images.clone()
    for row, x in zip(chosen, hard.x, strict=True):
        replaced[6 + row] = x
    torch.testing.assert_close(mixed, mix(replaced, order, share)[places])


# -------------------------------------------------------------------------------------------------- losses
@given(st.integers(0, 6), st.integers(0, 6))
def test_each_loss_is_over_its_own_rows(labelled: int, unlabelled: int) -> None:
    rows = max(labelled + unlabelled, 1)
    labelled = min(labelled, rows)
    draws = Draws(3)
    logits, target = draws.normal((rows, 4)), draws.uniform((rows, 4)).softmax(1)
    weight = draws.uniform((4,))
    losses = mixmatch.losses_of(logits, target, labelled, weight)
    if labelled:
        expected = soft_cross_entropy(logits[:labelled], target[:labelled], weight)
        assert torch.equal(losses["labelled_loss"], expected)
    else:
        assert losses["labelled_loss"] == 0
    assert ("unlabelled_loss" in losses) == (labelled < rows)
    if labelled < rows:
        assert torch.equal(losses["unlabelled_loss"], squared_error(logits[labelled:], target[labelled:]))


def test_hard_positives_stand_under_the_weight_of_the_unlabelled_loss() -> None:
    names = ("labelled_loss", "unlabelled_loss", "positives_loss", "something_else")
    losses = {name: torch.tensor(float(10**place)) for place, name in enumerate(names)}
    assert mixmatch.total(losses, 2.0) == 1 + 2 * (10 + 100)
    assert mixmatch.total({"labelled_loss": torch.tensor(3.0)}, 2.0) == 3


@pytest.mark.parametrize(("labelled", "unlabelled"), [(4, 4), (4, 0), (0, 4), (1, 0), (0, 1)])
@pytest.mark.parametrize("slots", [{}, {"positives": Identity()}], ids=["none", "Identity"])
def test_sides_of_any_size_give_a_gradient(labelled: int, unlabelled: int, slots: dict[str, Any]) -> None:
    env = environment(**slots)
    net, made = env.model("net"), pairs(labelled, unlabelled)
    mixing = mixmatch.draw_mixing(Draws(0), 4.0, len(made.images), CPU)
    batch = Batch(torch.arange(unlabelled), 0)
    losses, logits = mixmatch.mixmatch_losses(env, net, made, mixing, views=env.views, unlabelled=batch)
    assert logits.shape == (2 * (labelled + unlabelled), 3)
    assert ("positives_loss" in losses) == (bool(slots) and unlabelled > 0)
    if slots and unlabelled and not labelled:  # else BatchNorm sees other batches
        torch.testing.assert_close(losses["positives_loss"], losses["unlabelled_loss"])
    mixmatch.total(losses, 1.0).backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


# ---------------------------------------------------------------------------------------- images and guesses
def test_an_empty_side_gives_an_empty_batch() -> None:
    assert len(mixmatch.next_batch(None, 3, NOTHING).index) == 0
    batch = mixmatch.next_batch(Sampler(torch.tensor([5]), 2, Draws(0), drop_last=False), 3, NOTHING)
    assert (batch.index.tolist(), batch.pass_no) == ([5], 3)


def test_a_pair_is_two_training_views_through_the_slot() -> None:
    batch = Batch(torch.arange(6), 0)
    plain, augmented = (environment(**slots) for slots in ({}, {"view": RandAugment()}))
    found = mixmatch.training_pair(plain, plain.model("net"), batch, plain.views)
    one, two = found.chunk(2)
    assert not torch.equal(one, two), "crop and flip are drawn anew"
    other = mixmatch.training_pair(augmented, augmented.model("net"), batch, augmented.views)
    assert other.shape == found.shape
    assert not torch.equal(other, found)


@pytest.mark.parametrize("images", [0, 1, 5])
def test_a_guess_is_the_mean_of_both_views(images: int) -> None:
    env = environment()
    net, pair = env.model("net"), Draws(2).uniform((2 * images, 3, 8, 8))
    before = weights_of(net)
    guessed = mixmatch.guess(env, net, pair)
    assert guessed.shape == (images, 3)
    assert not guessed.requires_grad
    moved = any(not torch.equal(value, before[name]) for name, value in weights_of(net).items())
    assert moved == (images > 0), "statistics move in training mode"
    with env.evaluating(net):
        expected = sum(net(view).logits.softmax(1) for view in pair.chunk(2)) / 2 if images else guessed
        torch.testing.assert_close(mixmatch.guess(env, net, pair), expected)
