"""ELR: its loss row by row, its memory, its rates and its positives."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.small_runs import ROWS, Darker, assert_two_passes, begin, train
from torch import Tensor

from lpa3bench.api import TrainLabels
from lpa3bench.errors import ConfigError
from lpa3bench.testing import COUNT, SPEC
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks.elr import ELR, bounded, regulariser, remembered


def small(**changed: Any) -> ELR:
    return ELR(**({"batch_size": 16} | changed))


def in_double(**slots: Any) -> tuple[ELR, Any]:
    """A task whose network counts in float64, and its environment, which draws no views."""
    task = small(beta=0.6, lam=2.0)
    env = begin(task, **slots)
    env.models["net"].double()
    env.weak = lambda index: env.images(index).double()  # type: ignore[method-assign]
    task.memory = task.memory.double()
    return task, env


def own_loss(logits: Tensor, label: int, memory: list[float], lam: float) -> float:
    """Of one row, with Python's own numbers."""
    powers = [math.exp(value) for value in logits.tolist()]
    probs = [min(max(p / sum(powers), 1e-4), 1 - 1e-4) for p in powers]
    held_back = math.log(1 - sum(t * p for t, p in zip(memory, probs, strict=True)))
    return -math.log(powers[label] / sum(powers)) + lam * held_back


def test_a_step_renews_the_memory_and_then_goes_by_it() -> None:
    task, env = in_double(positives=Darker())
    fresh = begin(small(), positives=Darker())
    net = fresh.models["net"].double()
    (step, *_) = task.batches(0)
    index = step.batches[0].index
    before = torch.rand(COUNT, 3, generator=torch.Generator().manual_seed(0)).double() / 3
    task.memory = before.clone()
    logs = task.update(step, env.views)
    x, labels = env.images(index).double(), env.labels.given[index].tolist()
    logits = fresh.logits(net, x).logits
    probs = logits.detach().softmax(1)
    expected = 0.6 * before[index] + 0.4 * probs
    torch.testing.assert_close(task.memory[index], expected, rtol=1e-3, atol=1e-4)  # but for the limits
    others = [place for place in range(COUNT) if place not in index.tolist()]
    assert torch.equal(task.memory[others], before[others])
    rows = task.memory[index].tolist()
    clean = [own_loss(row, y, t, 2.0) for row, y, t in zip(logits, labels, rows, strict=True)]
    on_hard = fresh.logits(net, x[ROWS] / 2, "aux").logits
    picked = ROWS.tolist()
    hard = [own_loss(row, labels[i], rows[i], 2.0) for row, i in zip(on_hard, picked, strict=True)]
    found = float(logs["label_loss"] + logs["memory_loss"])
    assert found == pytest.approx(sum(clean) / 16, rel=1e-9)
    assert float(logs["positives_loss"]) == pytest.approx(sum(hard) / 3, rel=1e-9)
    assert float(logs["loss"]) == pytest.approx(found + sum(hard) / 3, rel=1e-9)


def test_a_memory_that_contradicts_the_label_turns_the_gradient() -> None:
    """What the regulariser is for: with it the logit of a wrong label is no longer pushed up."""
    pushed = []
    for lam in (0.0, 7.0):
        logits = torch.tensor([[1.0, 2.0, 0.0]], requires_grad=True)
        memory = torch.tensor([[0.02, 0.96, 0.02]])
        loss = -logits.log_softmax(1)[0, 0] + lam * regulariser(bounded(logits), memory)
        (gradient,) = torch.autograd.grad(loss, logits)
        pushed.append(float(gradient[0, 0]))
    assert pushed[0] < 0 < pushed[1]


def test_a_first_visit_is_not_corrected_for_the_start_at_nothing() -> None:
    row = remembered(torch.zeros(1, 3), torch.tensor([[0.5, 0.3, 0.2]]), 0.7)
    torch.testing.assert_close(row, torch.tensor([[0.15, 0.09, 0.06]]))


def test_the_published_rates() -> None:
    waves, steps = ELR(), ELR(restart_epochs=0)
    assert [waves.rate(epoch) for epoch in (0, 5, 10, 15)] == pytest.approx([0.02, 0.0105] * 2)
    assert waves.rate(9) > waves.lr_min
    assert [steps.rate(epoch) for epoch in (0, 79, 80, 119, 120)] == pytest.approx(
        [0.02, 0.02, 2e-4, 2e-4, 2e-6], rel=1e-12
    )


def test_wrong_labels_are_not_learnt_by_heart() -> None:
    """Trained to the end, cross-entropy says what it was told of images with wrong labels; ELR does not."""
    clean = torch.arange(COUNT) % 3
    wrong = torch.arange(COUNT) % 4 == 0
    labels = TrainLabels(torch.where(wrong, (clean + 1) % 3, clean), torch.ones(COUNT, dtype=torch.bool))
    right = []
    for lam in (0.0, 7.0):
        task = small(lr=0.05, lam=lam, restart_epochs=0, milestones=(), beta=0.7)
        env = begin(task, epochs=60, labels=labels)
        train(task, env, range(60))
        with env.evaluating():
            guess = task.predict(env.images(torch.arange(COUNT))).argmax(1)
        right.append(float((guess == clean)[wrong].float().mean()))
    assert right[1] > right[0] + 0.3


def test_the_memory_is_saved() -> None:
    task, other = small(), small()
    env, _ = begin(task), begin(other)
    train(task, env, [0])
    other.load_state_dict(task.state_dict())
    assert torch.equal(other.memory, task.memory)
    assert bool((task.memory.sum(1) > 0).all()), "every image was visited"


def test_a_step_never_waits_for_the_device() -> None:
    task = small()
    env = begin(task, positives=Identity(domain="aux"))
    env.weak = env.images  # type: ignore[method-assign]
    for step in task.batches(0):
        with HostSyncs() as syncs:
            task.update(step, env.views)
        assert not syncs.found


def test_passes_are_counted_where_they_happen() -> None:
    task = small()
    env = begin(task, epochs=2, positives=LPA3(iterations=2, ratio=0.5))
    train(task, env, range(2))
    assert_two_passes(env, iterations=2, ratio=0.5)


def test_a_label_on_every_image_is_needed() -> None:
    wanted = "ELR needs a label, right or wrong, on every training image"
    assert small().unsupported(SPEC, FewLabels(count=3)) == wanted
    with pytest.raises(ConfigError, match=wanted):
        begin(small(), labels=TrainLabels(torch.arange(COUNT) % 3, torch.arange(COUNT) > 0))


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"restart_epochs": -1},
        {"lr_min": -1.0}, {"milestones": (3, 2)}, {"gamma": 0.0}, {"beta": 1.0}, {"lam": -1.0},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        ELR(**given)
