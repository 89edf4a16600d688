"""Mixup: its mixture, its losses held against a plain computation, its schedule and its positives."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.small_runs import ROWS, Darker, assert_two_passes, begin, train
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, TrainLabels, View
from lpa3bench.errors import ConfigError
from lpa3bench.ops import one_hot, soft_cross_entropy
from lpa3bench.testing import COUNT, SPEC, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.clean import Clean
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks.mixup import MIXUP, Mixture, Mixup, mixup_losses


def cross_entropy(logits: Tensor, label: int) -> float:
    """−log softmax of one row, with Python's own numbers."""
    values = logits.tolist()
    top = max(values)
    return math.log(sum(math.exp(v - top) for v in values)) + top - values[label]


def drawn(env: Environment, alpha: float, count: int) -> tuple[float, list[int]]:
    """What the next step of a fresh environment draws."""
    draws = env.draws("mixup")
    return draws.beta(alpha, alpha), draws.permutation(count).tolist()


def in_double(**slots: Augmenter) -> tuple[Environment, Tensor, Tensor]:
    """An environment whose network counts in float64, six images and their labels."""
    env = begin(Mixup(batch_size=6), **slots)
    env.models["net"].double()
    index = torch.arange(6)
    return env, env.images(index).double(), env.labels.given[index]


# ------------------------------------------------------------------------------------------------- losses
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_loss_is_two_cross_entropies_by_their_shares(share: float) -> None:
    env, x, labels = in_double()
    partner = [3, 0, 5, 1, 2, 4]
    target = one_hot(labels, 3, torch.float64)
    logits, losses = mixup_losses(
        env, env.models["net"], x, target, None, Mixture(torch.tensor(partner), share, share)
    )
    mixed = torch.stack([share * x[i] + (1 - share) * x[j] for i, j in enumerate(partner)])
    plain = env.logits(env.models["net"], mixed).logits
    torch.testing.assert_close(logits, plain, rtol=1e-12, atol=1e-12)
    expected = [
        share * cross_entropy(plain[i], int(labels[i]))
        + (1 - share) * cross_entropy(plain[i], int(labels[j]))
        for i, j in enumerate(partner)
    ]
    assert losses.keys() == {"clean_loss"}
    assert float(losses["clean_loss"].detach()) == pytest.approx(sum(expected) / 6, rel=1e-12)


def test_with_all_of_an_image_it_is_plain_cross_entropy() -> None:
    env, x, labels = in_double()
    mixture = Mixture(torch.tensor([3, 0, 5, 1, 2, 4]), 1.0, 1.0)
    net = env.models["net"]
    _, losses = mixup_losses(env, net, x, one_hot(labels, 3, torch.float64), None, mixture)
    expected = torch.nn.functional.cross_entropy(env.logits(net, x).logits, labels)
    torch.testing.assert_close(losses["clean_loss"], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("share", [0.35, torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9, 1.0]).double()])
def test_positives_are_mixed_with_the_same_partners_shares_and_targets(share: float | Tensor) -> None:
    env, x, labels = in_double(positives=Darker())
    net, partner = env.models["net"], [3, 0, 5, 1, 2, 4]
    view = View(x[ROWS] / 2, ROWS, domain="aux")
    shares = [share] * 6 if isinstance(share, float) else share.tolist()
    given = share if isinstance(share, float) else share.view(6, 1, 1, 1)
    target = one_hot(labels, 3, torch.float64)
    _, losses = mixup_losses(env, net, x, target, view, Mixture(torch.tensor(partner), given, 0.35))
    replaced = [x[i] / 2 if i in ROWS.tolist() else x[i] for i in range(6)]
    mixed = [
        shares[i] * replaced[i] + (1 - shares[i]) * replaced[partner[i]] for i in ROWS.tolist()
    ]  # 3's partner is 1, which is replaced too; 1's is 0, which is not
    plain = env.logits(net, torch.stack(mixed), "aux").logits
    expected = [
        0.35 * cross_entropy(plain[place], int(labels[i]))
        + 0.65 * cross_entropy(plain[place], int(labels[partner[i]]))
        for place, i in enumerate(ROWS.tolist())
    ]
    assert float(losses["positives_loss"].detach()) == pytest.approx(sum(expected) / 3, rel=1e-12)


def test_a_step_mixes_what_is_drawn_and_adds_the_positives() -> None:
    task = Mixup(batch_size=16, alpha=2.0)
    env = begin(task, positives=Darker())
    env.weak = env.images  # type: ignore[method-assign]
    fresh = begin(Mixup(batch_size=16, alpha=2.0), positives=Darker())
    (step, *_) = task.batches(0)
    logs = task.update(step, env.views)
    share, partner = drawn(fresh, 2.0, 16)
    index = step.batches[0].index
    x, target, net = env.images(index), one_hot(env.labels.given[index], 3), fresh.models["net"]
    mixed_target = share * target + (1 - share) * target[partner]
    clean = soft_cross_entropy(fresh.logits(net, share * x + (1 - share) * x[partner]).logits, mixed_target)
    hard = x.clone()
    hard[ROWS] = hard[ROWS] / 2
    hard = (share * hard + (1 - share) * hard[partner])[ROWS]
    added = soft_cross_entropy(fresh.logits(net, hard, "aux").logits, mixed_target[ROWS])
    torch.testing.assert_close(logs["clean_loss"], clean.detach())
    torch.testing.assert_close(logs["positives_loss"], added.detach())
    torch.testing.assert_close(logs["loss"], (clean + added).detach())
    assert not any(value.requires_grad for value in logs.values())


def test_positives_get_the_given_labels() -> None:
    seen = []

    class Spy(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            seen.append((ctx.index, ctx.target))
            return View(x[:0], torch.arange(0))

    task = Mixup(batch_size=16)
    env = begin(task, positives=Spy())
    done = train(task, env, [0])
    assert all(set(logs) == {"loss", "clean_loss"} for _, logs in done), "an empty selection adds nothing"
    for (index, target), (step, _) in zip(seen, done, strict=True):
        assert torch.equal(index, step.batches[0].index)
        assert torch.equal(target, one_hot(env.labels.given[index], 3))


def test_the_view_is_what_is_mixed() -> None:
    class Black(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            return View(torch.zeros_like(x), torch.arange(len(x)))

    task = Mixup(batch_size=16)
    env = begin(task, view=Black())
    passed = []
    env.logits = lambda net, x, *_, **__: passed.append(x) or net(x)  # type: ignore[assignment, func-returns-value]
    train(task, env, [0])
    assert len(passed) == 3
    assert all(not bool(x.any()) for x in passed)


# ------------------------------------------------------------------------------------------ order and rate
def test_the_published_schedule() -> None:
    rates = [Mixup().rate(epoch) for epoch in (0, 99, 100, 249, 250, 299)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rel=1e-12)


def test_the_optimiser_follows_it() -> None:
    task = Mixup(batch_size=16, lr=0.05, milestones=(1, 2), momentum=0.8, weight_decay=0.02)
    env = begin(task, epochs=3)
    for epoch, lr in enumerate((0.05, 0.005, 0.0005)):
        train(task, env, [epoch])
        (group,) = task.sgd.param_groups
        assert (group["lr"], group["momentum"], group["weight_decay"]) == pytest.approx((lr, 0.8, 0.02))


def test_each_image_comes_once_in_an_epoch() -> None:
    task = Mixup(batch_size=20)
    env = begin(task)
    (phase,) = task.phases(3)
    assert phase == (MIXUP, 0, 3)
    for epoch in range(2):
        done = [step for step, _ in train(task, env, [epoch])]
        assert [len(step.batches[0].index) for step in done] == [20, 20, 8]
        assert torch.cat([step.batches[0].index for step in done]).sort().values.tolist() == [*range(COUNT)]
        assert {step.batches[0].pass_no for step in done} == {epoch}
        assert [step.time for step in done] == pytest.approx([epoch, epoch + 1 / 3, epoch + 2 / 3])


def test_an_augmenter_moves_no_order_and_no_share() -> None:
    plain, attacked = Mixup(batch_size=16), Mixup(batch_size=16)
    one, other = begin(plain), begin(attacked, positives=LPA3(iterations=1))
    orders = [
        torch.cat([step.batches[0].index for step, _ in train(task, env, range(2))])
        for task, env in ((plain, one), (attacked, other))
    ]
    assert torch.equal(*orders)
    assert drawn(one, 32.0, 9) == drawn(other, 32.0, 9)
    assert torch.equal(one.weak(torch.arange(5)), other.weak(torch.arange(5)))


def test_large_alpha_mixes_half_and_half() -> None:
    env = begin(Mixup())
    shares = [env.draws("x").beta(32.0, 32.0) for _ in range(200)]
    assert sum(shares) / 200 == pytest.approx(0.5, abs=0.01)
    assert min(shares) > 0.25
    assert max(shares) < 0.75


def test_positives_in_the_auxiliary_branch_teach_the_trunk_and_leave_the_main_batchnorm_alone() -> None:
    plain, attacked = Mixup(batch_size=16), Mixup(batch_size=16)
    one, other = begin(plain), begin(attacked, positives=Identity(domain="aux"))
    for task, env in ((plain, one), (attacked, other)):
        (step, *_) = task.batches(0)
        task.update(step, env.views)
    after = weights_of(other.models["net"])
    same = {name: torch.equal(value, after[name]) for name, value in weights_of(one.models["net"]).items()}
    main = {name for name in same if "running" in name or "num_batches" in name}
    assert all(same[name] for name in main)
    assert not same["backbone.head.weight"]


def test_a_step_never_waits_for_the_device() -> None:
    """But for a seed of the share, which is drawn on the host and lives there."""
    task = Mixup(batch_size=16)
    env = begin(task, positives=Identity(domain="aux"))
    env.weak = env.images  # type: ignore[method-assign]
    for epoch in [0]:
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            with HostSyncs() as syncs:
                task.update(step, env.views)
            assert set(syncs.found) <= {"item"}


@pytest.mark.parametrize(("iterations", "ratio"), [(1, 1.0), (3, 0.5)])
def test_passes_are_counted_where_they_happen(iterations: int, ratio: float) -> None:
    task = Mixup(batch_size=16)
    env = begin(task, positives=LPA3(iterations=iterations, ratio=ratio))
    train(task, env, range(2))
    assert_two_passes(env, iterations, ratio)


def test_it_learns() -> None:
    task = Mixup(batch_size=16, lr=0.05, milestones=(25,))
    env = begin(task, epochs=30)
    train(task, env, range(30))
    with env.evaluating():
        probs = task.predict(env.images(torch.arange(COUNT)))
    assert float((probs.argmax(1) == env.labels.given).float().mean()) > 0.9


# ----------------------------------------------------------------------------------------------- refusals
def test_a_label_on_every_image_is_needed() -> None:
    wanted = "Mixup needs a label, right or wrong, on every training image"
    assert Mixup().unsupported(SPEC, FewLabels(count=3)) == wanted
    assert Mixup().unsupported(SPEC, Clean()) is None
    partly = DatasetSpec(**{**vars(SPEC), "unlabelled": True})
    assert Mixup().unsupported(partly, Clean()) == wanted
    labelled = torch.arange(COUNT) > 0
    with pytest.raises(ConfigError, match=wanted):
        begin(Mixup(), labels=TrainLabels(torch.arange(COUNT) % 3, labelled))


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"milestones": (5, 3)},
        {"milestones": (0,)}, {"alpha": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        Mixup(**given)
