"""PCorrection: its losses and its labels held against plain computations; its stages; its positives."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs
from support.small_runs import ROWS, Darker, begin, train
from torch import Tensor

from lpa3bench.api import Augmenter, TrainLabels
from lpa3bench.errors import ConfigError
from lpa3bench.ops import one_hot
from lpa3bench.testing import COUNT, SPEC, assert_same, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks import pcorrection
from lpa3bench_plugins.tasks.pcorrection import CORRECTION, FINAL, NOISY, PCorrection

seeds = st.integers(0, 1000)


def small(**changed: Any) -> PCorrection:
    given = {"batch_size": 16, "correction_epoch": 1, "final_epoch": 2, "milestones": (3,), "lam": 40.0}
    return PCorrection(**(given | changed))


def rows(seed: int, count: int = 5, classes: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """The network's logits, label logits and given labels, in float64."""
    generator = torch.Generator().manual_seed(seed)
    logits, labels = (torch.randn(count, classes, generator=generator, dtype=torch.float64) for _ in range(2))
    return 2 * logits, 3 * labels, torch.randint(0, classes, (count,), generator=generator)


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(v) for v in row]
    return [p / sum(powers) for p in powers]


# ------------------------------------------------------------------------------------------------- losses
@given(seeds)
def test_the_losses_sample_by_sample(seed: int) -> None:
    logits, labels, given = rows(seed)
    lc = le = lo = lo_paper = 0.0
    for row, label_row, label in zip(logits.tolist(), labels.tolist(), given.tolist(), strict=True):
        p, y = softmax(row), softmax(label_row)
        lc += sum(pi * math.log(pi / yi) for pi, yi in zip(p, y, strict=True)) / 20
        le += -sum(pi * math.log(pi) for pi in p) / 20
        lo += -math.log(softmax(y)[label]) / 5
        lo_paper += -math.log(y[label]) / 5
    log_target = labels.log_softmax(1)
    assert float(pcorrection.classification_loss(logits, log_target)) == pytest.approx(lc, rel=1e-9)
    assert float(pcorrection.entropy_loss(logits)) == pytest.approx(le, rel=1e-9)
    for kind, expected in (("released", lo), ("paper", lo_paper)):
        assert float(pcorrection.compatibility_loss(log_target, given, kind)) == pytest.approx(
            expected, rel=1e-9
        )


@given(seeds)
def test_the_classification_loss_is_zero_where_the_prediction_is_the_label(seed: int) -> None:
    logits, labels, _ = rows(seed)
    assert float(pcorrection.classification_loss(labels + 3, labels.log_softmax(1))) == pytest.approx(
        0, abs=1e-15
    )
    assert float(pcorrection.classification_loss(logits, labels.log_softmax(1))) > 0


def test_a_prediction_without_doubt_has_no_entropy_and_one_without_knowledge_the_most() -> None:
    assert float(pcorrection.entropy_loss(1000 * torch.eye(4))) == 0
    assert float(pcorrection.entropy_loss(torch.zeros(3, 4))) == pytest.approx(math.log(4) / 4)


def test_a_label_that_has_moved_far_leaves_the_losses_finite() -> None:
    """The release takes the logarithm of a soft-max, which is 0 there."""
    labels = torch.tensor([[500.0, 0.0, -500.0]])
    logits = torch.zeros(1, 3, requires_grad=True)
    loss = pcorrection.classification_loss(logits, labels.log_softmax(1))
    loss.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(float(loss.detach()))
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def test_the_released_compatibility_never_pulls_as_hard_as_the_papers() -> None:
    """For a label that has left the given one, the paper's loss is about linear in the distance."""
    given = torch.tensor([0])
    pulls = {}
    for kind in ("released", "paper"):
        labels = torch.tensor([[-5.0, 5.0, 0.0]], requires_grad=True)
        loss = pcorrection.compatibility_loss(labels.log_softmax(1), given, kind)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(loss, labels)
        pulls[kind] = -float(gradient[0, 0])
    assert pulls["paper"] == pytest.approx(1, abs=1e-3)
    assert 0 < pulls["released"] < 1e-3


# ------------------------------------------------------------------------------------------------- a step
def one_step(
    stage: str, **changed: Any
) -> tuple[Environment, PCorrection, Tensor, Tensor, dict[str, Tensor]]:
    """One step of a stage on plain images in float64: batch, images and logs."""
    epochs = {NOISY: 0, CORRECTION: 1, FINAL: 2}
    slots = changed.pop("slots", {})
    task = small(**changed)
    env = begin(task, epochs=4, **slots)
    env.models["net"].double()
    task.label_logits = task.label_logits.double() + torch.randn(COUNT, 3).double()
    env.weak = lambda index: env.images(index).double()  # type: ignore[method-assign]
    task.begin_epoch(epochs[stage])
    (step, *_) = task.batches(epochs[stage])
    assert step.phase == stage
    index = step.batches[0].index
    before = task.label_logits.clone()
    logs = task.update(step, env.views)
    moved = (task.label_logits != before).any(1).nonzero().flatten().tolist()
    assert moved == (index.sort().values.tolist() if stage == CORRECTION else [])
    return env, task, before[index], index, logs


def fresh_logits(x: Tensor, domain: Any = "main", **slots: Augmenter) -> list[list[float]]:
    env = begin(small(), epochs=4, **slots)
    env.models["net"].double()
    logits: list[list[float]] = env.logits(env.models["net"], x, domain).logits.tolist()
    return logits


def network_part(stage: str, logits: list[list[float]], y: list[list[float]], given: list[int]) -> float:
    """The stage's loss of the network, sample by sample."""
    total = 0.0
    for row, target, label in zip(logits, y, given, strict=True):
        p = softmax(row)
        if stage == NOISY:
            total += -math.log(p[label])
        else:
            total += sum(pi * math.log(pi / yi) for pi, yi in zip(p, target, strict=True)) / 3
        if stage == CORRECTION:
            total += 0.1 * -sum(pi * math.log(pi) for pi in p) / 3
    return total / len(logits)


@pytest.mark.parametrize("stage", [NOISY, CORRECTION, FINAL])
def test_the_loss_of_each_stage(stage: str) -> None:
    env, _, before, index, logs = one_step(stage)
    given, y = env.labels.given[index].tolist(), [softmax(row) for row in before.tolist()]
    expected = network_part(stage, fresh_logits(env.images(index).double()), y, given)
    assert float(logs["network_loss"]) == pytest.approx(expected, rel=1e-9)
    if stage == CORRECTION:
        lo = 0.4 * sum(-math.log(softmax(t)[g]) for t, g in zip(y, given, strict=True)) / 16
        assert float(logs["compatibility_loss"]) == pytest.approx(lo, rel=1e-9)
        expected += lo
    else:
        assert "compatibility_loss" not in logs
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("compatibility", ["released", "paper"])
@pytest.mark.parametrize("slots", [{}, {"positives": Darker()}], ids=["none", "positives"])
def test_the_labels_take_one_step_down_the_gradient_of_the_clean_loss(
    compatibility: Any, slots: dict[str, Augmenter]
) -> None:
    """By differences, sample by sample; the views never move them."""
    env, task, before, index, _ = one_step(CORRECTION, compatibility=compatibility, slots=slots)
    logits = fresh_logits(env.images(index).double())
    given = env.labels.given[index].tolist()

    def loss(place: int, labels: list[float]) -> float:
        p, y = softmax(logits[place]), softmax(labels)
        lc = sum(pi * math.log(pi / yi) for pi, yi in zip(p, y, strict=True)) / 3
        q = softmax(y) if compatibility == "released" else y
        return (lc - 0.4 * math.log(q[given[place]])) / 16

    for place, row in enumerate(before.tolist()):
        moved = task.label_logits[index[place]].tolist()
        for k in range(3):
            ahead, behind = [*row], [*row]
            ahead[k] += 1e-5
            behind[k] -= 1e-5
            slope = (loss(place, ahead) - loss(place, behind)) / 2e-5
            assert moved[k] == pytest.approx(row[k] - 40 * slope, abs=1e-7)


@pytest.mark.parametrize("stage", [NOISY, CORRECTION, FINAL])
def test_positives_add_the_networks_part_against_the_same_targets(stage: str) -> None:
    Darker.targets.clear()
    env, _, before, index, logs = one_step(stage, slots={"positives": Darker()})
    x, y = env.images(index).double(), [softmax(row) for row in before.tolist()]
    given = env.labels.given[index]
    (target,) = Darker.targets
    known = one_hot(given, 3, torch.float64) if stage == NOISY else torch.tensor(y, dtype=torch.float64)
    torch.testing.assert_close(target.double(), known)
    picked = ROWS.tolist()
    hard = fresh_logits(x[ROWS] / 2, "aux", positives=Darker())
    expected = network_part(stage, hard, [y[i] for i in picked], given[ROWS].tolist())
    assert float(logs["positives_loss"]) == pytest.approx(expected, rel=1e-9)
    parts = [value for name, value in logs.items() if name != "loss"]
    assert float(logs["loss"]) == pytest.approx(float(sum(parts)), rel=1e-9)


# ------------------------------------------------------------------------------------------- stages, rates
def test_labels_begin_at_what_is_given() -> None:
    task = small()
    env = begin(task)
    assert torch.equal(task.label_logits, 10 * one_hot(env.labels.given, 3))


def test_the_published_schedule() -> None:
    task = PCorrection(lr=0.04)
    rates = [task.rate(epoch) for epoch in (0, 69, 70, 199, 200, 239, 240, 279, 280, 319)]
    expected = [0.04] * 4 + [0.2, 0.2, 0.02, 0.02, 0.002, 0.002]
    assert rates == pytest.approx(expected, rel=1e-12), "true division: the last rates are not 0"
    begin(task)
    assert [(p.name, p.first_epoch) for p in task.phases(320)] == [(NOISY, 0), (CORRECTION, 70), (FINAL, 200)]


@pytest.mark.parametrize(
    ("correction", "final", "expected"),
    [
        (1, 2, [NOISY, CORRECTION, FINAL]),
        (0, 2, [CORRECTION, CORRECTION, FINAL]),
        (1, 1, [NOISY, FINAL, FINAL]),
        (0, 0, [FINAL, FINAL, FINAL]),
        (5, 9, [NOISY, NOISY, NOISY]),
    ],
)
def test_the_steps_are_those_that_were_announced(correction: int, final: int, expected: list[str]) -> None:
    task = small(correction_epoch=correction, final_epoch=final, milestones=(9,))
    env = begin(task, epochs=3)
    assert [phase.name for phase in task.phases(3)] == [*dict.fromkeys(expected)]
    assert {phase.steps_per_epoch for phase in task.phases(3)} == {3}
    for epoch in range(3):
        assert [step.phase for step, _ in train(task, env, [epoch])] == [expected[epoch]] * 3


def test_each_image_comes_once_in_an_epoch_so_its_label_takes_one_step() -> None:
    task = small(batch_size=20)
    env = begin(task)
    for epoch in range(2):
        done = [step.batches[0].index for step, _ in train(task, env, [epoch])]
        assert [len(index) for index in done] == [20, 20, 8]
        assert torch.cat(done).sort().values.tolist() == [*range(COUNT)]


def test_labels_stand_still_but_for_stage_two() -> None:
    task = small()
    env = begin(task, epochs=4)
    known = [task.label_logits.clone()]
    for epoch in range(4):
        train(task, env, [epoch])
        known.append(task.label_logits.clone())
    still = [torch.equal(one, other) for one, other in pairwise(known)]
    assert still == [True, False, True, True]


def test_without_a_step_the_labels_stay_what_was_given() -> None:
    task = small(lam=0.0)
    env = begin(task)
    train(task, env, range(3))
    assert torch.equal(task.label_logits, 10 * one_hot(env.labels.given, 3))


def test_wrong_labels_are_corrected() -> None:
    clean = torch.arange(COUNT) % 3
    wrong = torch.arange(COUNT) % 4 == 0
    labels = TrainLabels(torch.where(wrong, (clean + 1) % 3, clean), torch.ones(COUNT, dtype=torch.bool))
    task = small(lr=0.02, correction_epoch=8, final_epoch=40, milestones=(45,), lam=80.0, lr_final=0.02)
    env = begin(task, epochs=50, labels=labels)
    train(task, env, range(50))
    found = task.label_logits.argmax(1)
    assert float((found[wrong] == clean[wrong]).float().mean()) > 0.7
    assert float((found[~wrong] == clean[~wrong]).float().mean()) > 0.95


# --------------------------------------------------------------------------------------------------- laws
def test_the_labels_are_saved() -> None:
    task = small()
    env = begin(task, epochs=4, positives=LPA3(iterations=1))
    train(task, env, [0, 1])
    file = io.BytesIO()
    torch.save([env.state_dict(), task.state_dict()], file)
    file.seek(0)
    other = small()
    again = begin(other, epochs=4, positives=LPA3(iterations=1))
    stored = torch.load(file, weights_only=True)
    again.load_state_dict(stored[0])
    other.load_state_dict(stored[1])
    assert torch.equal(other.label_logits, task.label_logits)
    train(task, env, [2])
    train(other, again, [2])
    assert_same(env.state_dict(), again.state_dict())


def test_an_augmenter_moves_no_order() -> None:
    orders = []
    for slots in ({}, {"positives": Identity(domain="aux")}):
        task = small()
        env = begin(task, **slots)
        orders.append(torch.cat([step.batches[0].index for step, _ in train(task, env, range(3))]))
    assert torch.equal(*orders)


def test_the_auxiliary_branch_leaves_the_main_statistics_of_a_step_alone() -> None:
    states = []
    for slots in ({}, {"positives": Identity(domain="aux")}):
        task = small()
        env = begin(task, **slots)
        (step, *_) = task.batches(0)
        task.update(step, env.views)
        states.append(weights_of(env.models["net"]))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0] if "running" in name)


def test_a_step_never_waits_for_the_device() -> None:
    task = small()
    env = begin(task, positives=Identity(domain="aux"))
    env.weak = env.images  # type: ignore[method-assign]
    for epoch in range(3):
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            with HostSyncs() as syncs:
                task.update(step, env.views)
            assert set(syncs.found) <= set()


def test_passes_are_counted_where_they_happen() -> None:
    task = small()
    env = begin(task, positives=LPA3(iterations=2, ratio=0.5))
    train(task, env, range(3))
    images, chosen = 3 * COUNT, 3 * COUNT // 2
    assert env.passes.as_record() == {
        "task": {"forward": images, "backward_weights": images, "backward_image": 0},
        "positives/loss": {"forward": chosen, "backward_weights": chosen, "backward_image": 0},
        "positives/search": {
            "forward": images + 4 * chosen,
            "backward_weights": 0,
            "backward_image": 2 * chosen,
        },
    }


# ----------------------------------------------------------------------------------------------- refusals
def test_a_label_on_every_image_is_needed() -> None:
    wanted = "PCorrection needs a label, right or wrong, on every training image"
    assert small().unsupported(SPEC, FewLabels(count=3)) == wanted
    with pytest.raises(ConfigError, match=wanted):
        begin(small(), labels=TrainLabels(torch.arange(COUNT) % 3, torch.arange(COUNT) > 0))


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"lr_final": 0.0}, {"milestones": (250, 240)}, {"milestones": (199,)},
        {"momentum": 1.0}, {"weight_decay": -1.0}, {"correction_epoch": -1}, {"final_epoch": 69},
        {"alpha": -1.0}, {"beta": -1.0}, {"lam": -1.0}, {"label_scale": 0.0}, {"compatibility": "other"},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        PCorrection(**given)
