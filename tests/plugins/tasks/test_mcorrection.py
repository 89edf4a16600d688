"""MCorrection: its formulas and steps against plain computations; its stages; the refit of its mixture."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs
from support.small_runs import ROWS, Darker, begin, train
from torch import Tensor

from lpa3bench.api import Augmenter, Context, TrainLabels, View
from lpa3bench.errors import ConfigError
from lpa3bench.ops import one_hot
from lpa3bench.testing import COUNT, SPEC, assert_same, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks import betamixture, mcorrection
from lpa3bench_plugins.tasks.mcorrection import BOOTSTRAP, DYNAMIC, MCorrection
from lpa3bench_plugins.tasks.mixup import MIXUP, Mixup

STEPS = COUNT // 16
Logs = dict[str, Tensor]


def small(variant: Any = "m_dyr_h", **changed: Any) -> MCorrection:
    given = {
        "batch_size": 16, "bootstrap_epoch": 1, "soft_epoch": 2, "temperature_epochs": 3, "milestones": (),
        "alpha": 2.0,
    }  # fmt: skip
    return MCorrection(variant=variant, **(given | changed))


# ------------------------------------------------------------------------------------------ pure functions
@given(st.integers(0, 1000))
def test_a_bootstrapped_target_is_the_weighted_sum_of_two_cross_entropies(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, guess_logits = (torch.randn(5, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    labels = torch.randint(0, 4, (5,), generator=generator)
    wrong = torch.rand(5, generator=generator, dtype=torch.float64)
    log_p = logits.log_softmax(1).tolist()
    for guess in (mcorrection.hard_guess(guess_logits).double(), guess_logits.softmax(1)):
        target = mcorrection.bootstrapped(one_hot(labels, 4, torch.float64), guess, wrong)
        for i, (b, label) in enumerate(zip(wrong.tolist(), labels.tolist(), strict=True)):
            expected = -(1 - b) * log_p[i][label] - b * sum(
                z * value for z, value in zip(guess[i].tolist(), log_p[i], strict=True)
            )
            assert -float((target[i] * logits[i].log_softmax(0)).sum()) == pytest.approx(expected, rel=1e-9)


def test_a_label_that_is_surely_right_stays_and_one_that_is_surely_wrong_goes() -> None:
    target, guess = one_hot(torch.tensor([0, 1]), 3), one_hot(torch.tensor([2, 2]), 3)
    assert torch.equal(mcorrection.bootstrapped(target, guess, torch.zeros(2)), target)
    assert torch.equal(mcorrection.bootstrapped(target, guess, torch.ones(2)), guess)


def test_a_soft_guess_hardens_as_it_cools() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.3, 0.1, 0.2]])
    assert torch.equal(mcorrection.soft_guess(logits, 1.0), logits.softmax(1))
    torch.testing.assert_close(mcorrection.soft_guess(logits, 0.001), mcorrection.hard_guess(logits))
    assert mcorrection.hard_guess(logits).tolist() == [[0, 1, 0], [1, 0, 0]]
    two = mcorrection.soft_guess(logits, 0.5)
    torch.testing.assert_close(two, logits.softmax(1) ** 2 / (logits.softmax(1) ** 2).sum(1, keepdim=True))


def test_the_image_with_the_likelier_label_has_the_larger_part() -> None:
    wrong, partner = torch.tensor([0.1, 0.9, 1e-4, 0.5]), torch.tensor([1, 0, 2, 1])
    found = mcorrection.dynamic_share(wrong, partner)
    assert found.shape == (4, 1, 1, 1)
    assert found.flatten().tolist() == pytest.approx([0.9, 0.1, 0.5, 0.5 / 0.6])


def test_the_published_temperature() -> None:
    """A line from 1 to 0.001, a point for each of 89 epochs of which 111, counted from 1, is the first."""
    found = [mcorrection.temperature_at(epoch, 110, 89, 0.001) for epoch in (0, 110, 154, 198, 199, 299)]
    assert found == pytest.approx([1, 1, 1 - 0.999 * 44 / 88, 0.001, 0.001, 0.001])
    assert [mcorrection.temperature_at(epoch, 2, 1, 0.5) for epoch in (1, 2, 3)] == [1, 1, 0.5]


# ------------------------------------------------------------------------------------------------- stages
def test_the_published_schedule() -> None:
    task = MCorrection()
    rates = [task.rate(epoch) for epoch in (0, 99, 100, 249, 250, 299)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rel=1e-12)
    begin(task)
    assert [(p.name, p.first_epoch) for p in task.phases(300)] == [(MIXUP, 0), (BOOTSTRAP, 105)]
    task = MCorrection(variant="md_dyr_sh")
    begin(task)
    assert [(p.name, p.first_epoch) for p in task.phases(300)] == [
        (MIXUP, 0),
        (DYNAMIC, 105),
        (BOOTSTRAP, 110),
    ]


@pytest.mark.parametrize(
    ("variant", "first", "soft", "expected"),
    [
        ("m_dyr_h", 1, 2, [MIXUP, BOOTSTRAP, BOOTSTRAP, BOOTSTRAP]),
        ("m_dyr_h", 0, 2, [BOOTSTRAP] * 4),
        ("m_dyr_h", 9, 9, [MIXUP] * 4),
        ("md_dyr_sh", 1, 3, [MIXUP, DYNAMIC, DYNAMIC, BOOTSTRAP]),
        ("md_dyr_sh", 2, 2, [MIXUP, MIXUP, BOOTSTRAP, BOOTSTRAP]),
        ("md_dyr_sh", 0, 1, [DYNAMIC, BOOTSTRAP, BOOTSTRAP, BOOTSTRAP]),
    ],
)
def test_the_steps_are_those_that_were_announced(
    variant: str, first: int, soft: int, expected: list[str]
) -> None:
    task = small(variant, bootstrap_epoch=first, soft_epoch=soft)
    env = begin(task, epochs=4)
    assert [phase.name for phase in task.phases(4)] == [*dict.fromkeys(expected)]
    for epoch in range(4):
        done = train(task, env, [epoch])
        assert [step.phase for step, _ in done] == [expected[epoch]] * STEPS
        assert all(bool(torch.isfinite(value)) for _, logs in done for value in logs.values())
        assert all(("penalty" in logs) == (expected[epoch] == BOOTSTRAP) for _, logs in done)


def test_up_to_the_bootstrapping_it_is_mixup() -> None:
    one, other = Mixup(batch_size=16, milestones=(), alpha=2.0), small(bootstrap_epoch=2)
    envs = begin(one), begin(other)
    train(one, envs[0], [0])
    train(other, envs[1], [0])
    assert_same(envs[0].state_dict(), envs[1].state_dict())


def test_the_temperature_follows_the_epoch() -> None:
    task = small("md_dyr_sh", temperature_last=0.2)
    env = begin(task, epochs=6)
    found = []
    for epoch in range(6):
        train(task, env, [epoch])
        found.append(task.temperature)
    assert found == pytest.approx([1, 1, 1, 0.6, 0.2, 0.2])


# ---------------------------------------------------------------------------------------------- the mixture
def test_the_mixture_is_fitted_to_all_losses_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small(bootstrap_epoch=2)
    env = begin(task, epochs=4)
    env.weak = env.images  # type: ignore[method-assign]
    seen: list[tuple[int, Tensor]] = []

    def spy(losses: Tensor) -> betamixture.Suspicion:
        net = env.models["net"]
        assert not torch.is_grad_enabled() or not losses.requires_grad
        with env.evaluating(net):
            logits = net(env.images(torch.arange(COUNT))).logits
        torch.testing.assert_close(losses, F.cross_entropy(logits, env.labels.given, reduction="none"))
        seen.append((env.clock.epoch, losses))
        return betamixture.unknown(env.device)

    monkeypatch.setattr(mcorrection.betamixture, "suspicion", spy)
    train(task, env, range(4))
    assert [epoch for epoch, _ in seen] == [1, 2], "not before it is looked at, and not after the last epoch"
    assert all(losses.shape == (COUNT,) for _, losses in seen)


def test_losses_are_of_the_training_view() -> None:
    class Black(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            return View(torch.zeros_like(x), torch.arange(len(x)))

    task = small(bootstrap_epoch=0)
    env = begin(task, view=Black())
    train(task, env, [0])
    _, _, table = betamixture.suspicion(task._losses(0))
    assert len(task._losses(0).unique()) == 3, "one for each label"
    assert bool(torch.isfinite(table).all())


def test_equal_losses_train_on_with_labels_as_likely_wrong_as_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MCorrection, "_losses", lambda self, epoch: torch.full((COUNT,), 1.1))
    task = small()
    done = train(task, begin(task), range(3))
    for step, logs in done:
        if step.phase == BOOTSTRAP:
            assert float(logs["wrong_share"]) == pytest.approx(0.5)
        assert all(bool(torch.isfinite(value)) for value in logs.values())


def test_wrong_labels_are_suspected_more_than_right_ones() -> None:
    clean, wrong = torch.arange(COUNT) % 3, torch.arange(COUNT) % 4 == 0
    labels = TrainLabels(torch.where(wrong, (clean + 1) % 3, clean), torch.ones(COUNT, dtype=torch.bool))
    task = small(lr=0.02, bootstrap_epoch=20)
    env = begin(task, epochs=22, labels=labels)
    train(task, env, range(20))
    known = betamixture.Suspicion(task.low, task.high, task.table)
    found = betamixture.wrong(task._losses(20), known)
    assert float(found[wrong].mean()) > 0.8
    assert float(found[~wrong].mean()) < 0.3


# --------------------------------------------------------------------------------------------------- a step
def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(v - max(row)) for v in row]
    return [p / sum(powers) for p in powers]


def known_mixture() -> betamixture.Suspicion:
    return betamixture.Suspicion(torch.tensor(0.5), torch.tensor(1.8), torch.linspace(0.05, 0.9, 100))


def one_step(variant: str, stage: str, **slots: Augmenter) -> tuple[Environment, Tensor, Logs]:
    """One step of a stage in float64 on plain images, with a mixture that is known."""
    task = small(variant)
    env = begin(task, epochs=5, **slots)
    env.models["net"].double()
    env.weak = lambda index: env.images(index).double()  # type: ignore[method-assign]
    task.low, task.high, task.table = known_mixture()
    epoch = {DYNAMIC: 1, BOOTSTRAP: 3}[stage]
    task.begin_epoch(epoch)
    (step, *_) = task.batches(epoch)
    assert step.phase == stage
    return env, step.batches[0].index, task.update(step, env.views)


def plainly(variant: str, stage: str, index: Tensor, *, hard: bool) -> tuple[float, float, float]:
    """Loss, penalty and the positives' loss of that step, sample by sample."""
    slots: dict[str, Augmenter] = {"positives": Darker()} if hard else {}
    env = begin(small(variant), epochs=5, **slots)
    net = env.models["net"].double()
    x, given = env.images(index).double(), env.labels.given[index].tolist()
    draws = env.draws("mixup")
    drawn = draws.beta(2.0, 2.0)
    partner = draws.permutation(16).tolist()
    with env.evaluating(net):
        still = net(x).logits.tolist()
    own = [row.tolist() for row in net(x).logits]  # in training mode
    wrong, targets = [], []
    for i, row in enumerate(still):
        loss = -math.log(softmax(row)[given[i]])
        scaled = min(max((loss - 0.5) / 1.3, 1e-4), 1 - 1e-4)
        b = float(known_mixture().table[int(100 * scaled)])
        guess = [float(k == own[i].index(max(own[i]))) for k in range(3)]
        if variant == "md_dyr_sh":
            guess = softmax([v / 0.5005 for v in own[i]])  # the second of three epochs from 1 to 0.001
        b_target = b if stage == BOOTSTRAP else 0.0
        targets.append([(1 - b_target) * (k == given[i]) + b_target * guess[k] for k in range(3)])
        wrong.append(b)
    dynamic = variant == "md_dyr_sh"
    part = 0.5 if dynamic and stage == BOOTSTRAP else drawn
    shares = [(1 - wrong[i]) / (2 - wrong[i] - wrong[j]) if dynamic else drawn for i, j in enumerate(partner)]

    def loss_of(logits: list[float], i: int) -> float:
        log_p = [math.log(p) for p in softmax(logits)]
        first, second = (
            -sum(t * value for t, value in zip(targets[k], log_p, strict=True)) for k in (i, partner[i])
        )
        return part * first + (1 - part) * second

    mixed = torch.stack([shares[i] * x[i] + (1 - shares[i]) * x[j] for i, j in enumerate(partner)])
    logits = net(mixed).logits.tolist()
    clean = sum(loss_of(row, i) for i, row in enumerate(logits)) / 16
    probs = [softmax(row) for row in logits]
    penalty = sum(math.log((1 / 3) / (sum(p[k] for p in probs) / 16)) / 3 for k in range(3))
    added = 0.0
    if hard:
        replaced = x.clone()
        replaced[ROWS] = replaced[ROWS] / 2
        views = [shares[i] * replaced[i] + (1 - shares[i]) * replaced[partner[i]] for i in ROWS.tolist()]
        hard_logits = env.logits(net, torch.stack(views), "aux").logits.tolist()
        added = sum(loss_of(row, i) for row, i in zip(hard_logits, ROWS.tolist(), strict=True)) / 3
    return clean, penalty, added


@pytest.mark.parametrize("hard", [False, True], ids=["none", "positives"])
@pytest.mark.parametrize(
    ("variant", "stage"), [("m_dyr_h", BOOTSTRAP), ("md_dyr_sh", DYNAMIC), ("md_dyr_sh", BOOTSTRAP)]
)
def test_the_loss_of_each_stage_sample_by_sample(variant: str, stage: str, hard: bool) -> None:
    Darker.targets.clear()
    slots: dict[str, Augmenter] = {"positives": Darker()} if hard else {}
    _, index, logs = one_step(variant, stage, **slots)
    clean, penalty, added = plainly(variant, stage, index, hard=hard)
    # Targets and the table of probabilities are float32, as in training.
    assert float(logs["clean_loss"]) == pytest.approx(clean, rel=1e-6)
    total = clean + added
    if stage == BOOTSTRAP:
        assert float(logs["penalty"]) == pytest.approx(penalty, rel=1e-5, abs=1e-9)
        total += penalty
    assert ("positives_loss" in logs) == hard
    if hard:
        assert float(logs["positives_loss"]) == pytest.approx(added, rel=1e-6)
        (target,) = Darker.targets
        torch.testing.assert_close(target.sum(1), torch.ones_like(target[:, 0]))
        assert bool(((target > 0) & (target < 1)).any()) == (stage == BOOTSTRAP)
    assert float(logs["loss"]) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("variant", ["m_dyr_h", "md_dyr_sh"])
def test_without_suspicion_nothing_is_bootstrapped(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    """Then the stages differ in the penalty alone, and dynamic shares are halves."""
    monkeypatch.setattr(mcorrection.betamixture, "wrong", lambda losses, known: torch.zeros_like(losses))
    _, index, logs = one_step(variant, BOOTSTRAP)
    fresh = begin(small(variant), epochs=5)
    net = fresh.models["net"].double()
    draws = fresh.draws("mixup")
    share = draws.beta(2.0, 2.0) if variant == "m_dyr_h" else 0.5
    if variant == "md_dyr_sh":
        draws.beta(2.0, 2.0)
    partner = draws.permutation(16)
    x, given = fresh.images(index).double(), fresh.labels.given[index]
    logits = net(share * x + (1 - share) * x[partner]).logits
    expected = share * F.cross_entropy(logits, given) + (1 - share) * F.cross_entropy(logits, given[partner])
    assert float(logs["clean_loss"]) == pytest.approx(float(expected.detach()), rel=1e-6)


# --------------------------------------------------------------------------------------------------- laws
@pytest.mark.parametrize("variant", ["m_dyr_h", "md_dyr_sh"])
def test_an_augmenter_moves_no_order(variant: str) -> None:
    orders, draws = [], []
    for slots in ({}, {"positives": Identity(domain="aux")}):
        task = small(variant)
        env = begin(task, **slots)
        orders.append(torch.cat([step.batches[0].index for step, _ in train(task, env, range(3))]))
        draws.append((env.draws("mixup").beta(1.0, 1.0), float(env.weak(torch.arange(8)).sum())))
    assert torch.equal(*orders)
    assert draws[0] == draws[1]


def test_a_step_never_waits_for_the_device() -> None:
    """But for a seed of the share, which is drawn on the host and lives there."""
    task = small("md_dyr_sh", bootstrap_epoch=0, soft_epoch=1)
    env = begin(task, positives=Identity(domain="aux"))
    env.weak = env.images  # type: ignore[method-assign]
    for epoch in range(2):
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            with HostSyncs() as syncs:
                task.update(step, env.views)
            assert set(syncs.found) <= {"item"}


def test_passes_are_counted_where_they_happen() -> None:
    task = small(bootstrap_epoch=1)
    env = begin(task, positives=LPA3(iterations=2, ratio=0.5))
    train(task, env, range(3))
    mixed, chosen = 3 * COUNT, 3 * COUNT // 2
    # Two epochs with a pass for the guess and one for the share of wrong labels; two fits of the mixture.
    assert env.passes.as_record() == {
        "task": {"forward": mixed + 4 * COUNT + 2 * COUNT, "backward_weights": mixed, "backward_image": 0},
        "positives/loss": {"forward": chosen, "backward_weights": chosen, "backward_image": 0},
        "positives/search": {
            "forward": mixed + 4 * chosen,
            "backward_weights": 0,
            "backward_image": 2 * chosen,
        },
    }


def test_the_guess_moves_the_running_statistics_and_the_losses_do_not() -> None:
    task = small()
    env = begin(task)
    before = weights_of(env.models["net"])
    task._losses(0)
    assert_same(weights_of(env.models["net"]), before)
    task._guess(env.images(torch.arange(8)))
    after = weights_of(env.models["net"])
    assert [name for name in after if not torch.equal(after[name], before[name])] == [
        name for name in after if "running" in name or "num_batches" in name
    ]


# ----------------------------------------------------------------------------------------------- refusals
def test_a_label_on_every_image_is_needed() -> None:
    wanted = "MCorrection needs a label, right or wrong, on every training image"
    assert small().unsupported(SPEC, FewLabels(count=3)) == wanted
    with pytest.raises(ConfigError, match=wanted):
        begin(small(), labels=TrainLabels(torch.arange(COUNT) % 3, torch.arange(COUNT) > 0))


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"milestones": (5, 3)}, {"momentum": 1.0}, {"weight_decay": -1.0},
        {"alpha": 0.0}, {"variant": "other"}, {"bootstrap_epoch": -1}, {"temperature_epochs": 0},
        {"temperature_last": 0.0}, {"temperature_last": 1.5}, {"penalty_weight": -1.0},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        MCorrection(**given)


def test_bootstrapping_cannot_begin_before_dynamic_mixup() -> None:
    with pytest.raises(ValueError, match=r"^soft_epoch: must be >= bootstrap_epoch, not 104"):
        MCorrection(variant="md_dyr_sh", soft_epoch=104)
    MCorrection(variant="m_dyr_h", soft_epoch=104)
