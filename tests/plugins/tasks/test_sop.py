"""SOP: its losses row by row, what u and v learn from, its second view and its positives."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.small_runs import ROWS, Darker, batches_seen, begin, train
from torch import Tensor

from lpa3bench.api import Augmenter, Context, TrainLabels, View
from lpa3bench.errors import ConfigError
from lpa3bench.ops import one_hot
from lpa3bench.testing import COUNT, SPEC
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks.sop import SOP, balance_loss, explained, noise


def small(**changed: Any) -> SOP:
    return SOP(**({"batch_size": 16} | changed))


def plain_explained(logits: Tensor, u: float, v: list[float], label: int) -> list[float]:
    """What prediction and noise say of the classes of one image, with Python's own numbers."""
    powers = [math.exp(value) for value in logits.tolist()]
    shifted = []
    for c, power in enumerate(powers):
        estimate = min(u * u, 1) if c == label else -min(v[c] * v[c], 1)
        shifted.append(max(power / sum(powers) + estimate, 1e-4))
    return [value / sum(shifted) for value in shifted]


def test_a_step_adds_the_views_with_the_noise_of_their_images() -> None:
    task = small(start=0.4, consistency=0.0, balance=0.5)
    env = begin(task, positives=Darker())
    net = env.models["net"].double()
    env.weak = lambda index: env.images(index).double()  # type: ignore[method-assign]
    task.u, task.v = task.u.double(), task.v.double()
    u, v = task.u.clone(), task.v.clone()
    fresh = begin(small(), positives=Darker()).models["net"].double()
    assert net is not fresh
    (step, *_) = task.batches(0)
    index = step.batches[0].index
    x, labels = env.images(index).double(), env.labels.given[index].tolist()
    logits = env.logits(fresh, x).logits
    rows = zip(logits, u[index, 0].tolist(), v[index].tolist(), labels, strict=True)
    found = [plain_explained(*row) for row in rows]
    on_hard = env.logits(fresh, x[ROWS] / 2, "aux").logits
    hard = [
        plain_explained(row, float(u[index[i], 0]), v[index[i]].tolist(), labels[i])
        for row, i in zip(on_hard, ROWS.tolist(), strict=True)
    ]
    logs = task.update(step, env.views)
    expected = {
        "label_loss": -sum(math.log(row[y]) for row, y in zip(found, labels, strict=True)) / 16,
        "balance_loss": -0.5 / 3 * sum(math.log(sum(row[c] for row in found) / 16) for c in range(3)),
        "positives_loss": -sum(
            math.log(row[labels[i]]) for row, i in zip(hard, ROWS.tolist(), strict=True)
        ) / 3,
    }  # fmt: skip
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-9), name
    parts = [value for name, value in logs.items() if name != "loss"]
    assert float(logs["loss"]) == pytest.approx(float(sum(parts)), rel=1e-9)


def test_views_never_move_the_noise() -> None:
    moved = []
    for slots in ({}, {"positives": Identity(domain="aux")}):
        task = small(start=0.4, consistency=0.0)
        env = begin(task, **slots)
        (step, *_) = task.batches(0)
        task.update(step, env.views)
        moved.append((task.u, task.v))
    assert all(torch.equal(one, other) for one, other in zip(*moved, strict=True))


def test_only_the_batch_moves_and_without_steps_nothing_does() -> None:
    task = small(start=0.1)
    env = begin(task)
    u, v = task.u.clone(), task.v.clone()
    (step, *_) = task.batches(0)
    task.update(step, env.views)
    others = [place for place in range(COUNT) if place not in step.batches[0].index.tolist()]
    assert torch.equal(task.u[others], u[others])
    assert torch.equal(task.v[others], v[others])
    assert not torch.equal(task.u, u)
    still = small(start=0.1, lr_u=0.0, lr_v=0.0)
    train(still, begin(still), [0])
    assert torch.equal(still.u, u)
    assert torch.equal(still.v, v)


def test_noise_explains_a_wrong_label() -> None:
    """With u = 1 the given label is explained whatever the network says, and pulls at nothing much."""
    logits = torch.tensor([[8.0, 0.0, 0.0]], requires_grad=True)
    target = torch.tensor([[0.0, 1.0, 0.0]])
    pulls = []
    for u in (0.0, 1.0):
        estimate = noise(torch.full((1, 1), u), torch.zeros(1, 3), target)
        loss = -explained(logits, estimate)[0, 1].log()
        pulls.append(float(torch.autograd.grad(loss, logits)[0].norm()))
    assert pulls[1] < pulls[0] / 10


def test_the_penalty_is_least_where_classes_are_even() -> None:
    even, uneven = torch.full((4, 2), 0.5), torch.tensor([[0.9, 0.1]] * 4)
    assert float(balance_loss(even)) == pytest.approx(math.log(2))
    assert balance_loss(uneven) > balance_loss(even)


def test_wrong_labels_are_found_out() -> None:
    clean = torch.arange(COUNT) % 3
    wrong = torch.arange(COUNT) % 4 == 0
    labels = TrainLabels(torch.where(wrong, (clean + 1) % 3, clean), torch.ones(COUNT, dtype=torch.bool))
    task = small(lr=0.05, lr_u=10.0, lr_v=10.0)
    env = begin(task, epochs=50, labels=labels)
    train(task, env, range(50))
    found = noise(task.u, task.v, one_hot(labels.given, 3)).own.sum(1)
    assert float(found[wrong].mean()) > 3 * float(found[~wrong].mean())


class Spy(Augmenter):
    """Counts the batches that it is handed."""

    def __init__(self, domain: Any = "main") -> None:
        self.bn_domain = domain
        self.seen: list[int] = []

    def __deepcopy__(self, memo: Any) -> Spy:
        return self

    def generate(self, x: Tensor, ctx: Context) -> View:
        self.seen.append(len(x))
        return View(x, torch.arange(len(x)))


@pytest.mark.parametrize(("consistency", "views"), [(0.9, [16] * 3), (0.0, [])])
def test_without_its_weight_there_is_no_second_view(consistency: float, views: list[int]) -> None:
    spy, task = Spy(), small(consistency=consistency)
    env = begin(task, strong=spy)
    done = train(task, env, [0])
    assert spy.seen == views
    assert all(("consistency_loss" in logs) == bool(views) for _, logs in done)
    assert env.passes.as_record()["task"]["forward"] == COUNT * (2 if views else 1)


def test_the_second_view_may_have_a_batchnorm_of_its_own() -> None:
    for domain, aux in (("main", set()), ("aux", {3})):
        task = small()
        env = begin(task, strong=Spy(domain))
        done = train(task, env, [0])
        assert all(torch.isfinite(logs["consistency_loss"]) for _, logs in done)
        assert batches_seen(env, "main") == {3}, "both views in one pass where they share it, as released"
        assert batches_seen(env, "aux") == aux


def test_noise_is_saved_and_drawn_by_the_seed() -> None:
    task, other = small(), small()
    env = begin(task)
    begin(other)
    assert torch.equal(task.u, other.u)
    assert 0 < float(task.v.std()) < 2e-8
    train(task, env, [0])
    other.load_state_dict(task.state_dict())
    assert torch.equal(other.v, task.v)
    assert torch.equal(other.u, task.u)


def test_the_rate_falls_to_its_least() -> None:
    task = small()
    begin(task, epochs=300)
    assert [task.rate(epoch) for epoch in (0, 150, 300)] == pytest.approx([0.02, 0.0101, 2e-4])


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
    env = begin(task, epochs=1, positives=LPA3(iterations=2, ratio=0.5))
    train(task, env, [0])
    counted = env.passes.as_record()
    assert counted["task"] == {"forward": 2 * COUNT, "backward_weights": 2 * COUNT, "backward_image": 0}
    assert counted["positives/loss"]["forward"] == COUNT // 2


def test_a_label_on_every_image_is_needed() -> None:
    wanted = "SOP needs a label, right or wrong, on every training image"
    assert small().unsupported(SPEC, FewLabels(count=3)) == wanted
    with pytest.raises(ConfigError, match=wanted):
        begin(small(), labels=TrainLabels(torch.arange(COUNT) % 3, torch.arange(COUNT) > 0))


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"lr_min": -1.0},
        {"lr_u": -1.0}, {"lr_v": -1.0}, {"start": -1.0}, {"consistency": -1.0}, {"balance": -1.0},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        SOP(**given)
