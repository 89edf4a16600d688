"""What every task tells the augmenters in its slots: whose images these are, how often, and of which pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from support.small_runs import begin
from torch import Tensor

from lpa3bench.api import Model, Step, Task, TrainLabels, View, ViewFunction
from lpa3bench.data.sampler import Batch
from lpa3bench.ops import one_hot
from lpa3bench.testing import COUNT
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.tasks.dividemix import DivideMix
from lpa3bench_plugins.tasks.elr import ELR
from lpa3bench_plugins.tasks.fixmatch import FixMatch
from lpa3bench_plugins.tasks.mcorrection import MCorrection
from lpa3bench_plugins.tasks.mixup import Mixup
from lpa3bench_plugins.tasks.pcorrection import PCorrection
from lpa3bench_plugins.tasks.pes import PES
from lpa3bench_plugins.tasks.sop import SOP
from lpa3bench_plugins.tasks.supervised import Supervised

GIVEN, SOFT = "given", "soft"


class Call(NamedTuple):
    """One call of a slot, as far as it can be told from the batches of the step."""

    slot: str
    model: str
    batch: int
    """Which of the step's batches it is made for."""
    copies: int = 1
    target: str | None = None


class Watched(ViewFunction):
    """Hands every call on, and says what it was made for."""

    def __init__(self, env: Environment, step: Step) -> None:
        self.env, self.step = env, step
        self.calls: list[Call] = []
        self.pools: set[tuple[str, str]] = set()

    def __call__(
        self,
        slot: Any,
        model: Model,
        x: Tensor,
        *,
        index: Tensor | None,
        target: Tensor | None,
        copies: int = 1,
        pass_no: int = 0,
        pool: Tensor | None = None,
    ) -> View | None:
        assert index is not None
        first = index[: len(index) // copies]
        (number,) = (i for i, batch in enumerate(self.step.batches) if torch.equal(batch.index, first))
        assert torch.equal(index, first.repeat(copies))
        assert len(x) == len(index)
        assert pass_no == self.step.batches[number].pass_no
        self.calls.append(Call(slot, model.name, number, copies, self._kind(target, index, copies)))
        self.pools.add((slot, "all" if pool is None else ",".join(map(str, pool.tolist()))))
        return self.env.views(
            slot, model, x, index=index, target=target, copies=copies, pass_no=pass_no, pool=pool
        )

    def _kind(self, target: Tensor | None, index: Tensor, copies: int) -> str | None:
        if target is None:
            return None
        assert target.shape == (len(index), 3)
        assert not target.requires_grad
        torch.testing.assert_close(target.sum(1), torch.ones(len(index)))
        assert torch.equal(target, target[: len(index) // copies].repeat(copies, 1))
        return GIVEN if torch.equal(target, one_hot(self.env.labels.given[index], 3)) else SOFT


def calls(task: Task, epochs: int, **given: Any) -> dict[str, set[tuple[tuple[Call, int], ...]]]:
    """Of each phase the calls of a step, counted; and under "pools" the pools named."""
    env = begin(task, epochs=epochs, view=Identity(), positives=Identity(), **given)
    found: dict[str, set[Any]] = {}
    announced = {phase.name: phase.first_epoch for phase in task.phases(epochs)}
    for epoch in range(epochs):
        env.clock.epoch = epoch
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            assert announced[step.phase] <= epoch <= step.time < epoch + 1
            assert all(0 <= batch.pass_no <= epoch for batch in step.batches)
            views = Watched(env, step)
            task.update(step, views)
            env.clock.step += 1
            found.setdefault(step.phase, set()).add(tuple(sorted(Counter(views.calls).items(), key=str)))
            found.setdefault("pools", set()).update(views.pools)
    return found


def counted(*expected: Call) -> tuple[tuple[Call, int], ...]:
    return tuple(sorted(Counter(expected).items(), key=str))


def plain(target: str | None) -> tuple[tuple[Call, int], ...]:
    return counted(Call("view", "net", 0, 1, GIVEN), Call("positives", "net", 0, 1, target))


def mixmatch(net: str) -> tuple[tuple[Call, int], ...]:
    sides = [Call("view", net, side) for side in (0, 1)] * 2
    return counted(*sides, Call("positives", net, 1, 2, SOFT))


VIEW = counted(Call("view", "net", 0))
CASES: dict[str, tuple[Callable[[], Task], int, dict[str, set[Any]]]] = {
    "Supervised": (lambda: Supervised(batch_size=16), 1, {"train": {plain(GIVEN)}}),
    "Mixup": (lambda: Mixup(batch_size=16), 1, {"mixup": {plain(GIVEN)}}),
    "MCorrection": (
        lambda: MCorrection(batch_size=16, variant="md_dyr_sh", bootstrap_epoch=1, soft_epoch=2),
        3,
        {"mixup": {plain(GIVEN)}, "dynamic mixup": {plain(GIVEN)}, "bootstrapping": {plain(SOFT)}},
    ),
    "PCorrection": (
        lambda: PCorrection(batch_size=16, correction_epoch=1, final_epoch=2),
        3,
        {"noisy": {plain(GIVEN)}, "correction": {plain(SOFT)}, "final": {plain(SOFT)}},
    ),
    "ELR": (lambda: ELR(batch_size=16), 1, {"train": {plain(GIVEN)}}),
    "SOP": (
        lambda: SOP(batch_size=16),
        1,
        {
            "train": {
                counted(
                    Call("view", "net", 0, 1, GIVEN),
                    Call("strong", "net", 0),
                    Call("positives", "net", 0, 1, GIVEN),
                )
            }
        },
    ),
    "FixMatch": (
        lambda: FixMatch(batch_size=4, mu=2, steps_per_epoch=5),
        1,
        {
            "train": {
                counted(
                    Call("view", "net", 0, 1, GIVEN),
                    Call("view", "net", 1),
                    Call("strong", "net", 1),
                    Call("positives", "net", 1, 1, SOFT),
                )
            }
        },
    ),
    "PES": (
        lambda: PES(batch_size=8, warmup_epochs=1, head_epochs=1),
        2,
        {"warm-up": {VIEW}, "head": {VIEW}, "mixmatch": {mixmatch("net")}},
    ),
    "DivideMix": (
        lambda: DivideMix(batch_size=8, warmup_epochs=1),
        2,
        {
            "warm-up": {counted(Call("view", "net1", 0), Call("view", "net2", 1))},
            "mixmatch": {mixmatch("net1"), mixmatch("net2")},
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slot_is_told_whose_images_these_are(name: str) -> None:
    make, epochs, expected = CASES[name]
    found = calls(make(), epochs)
    assert {pool for _, pool in found.pop("pools")} == {"all"}
    assert found == expected


def test_the_pool_is_what_fixmatch_draws_from() -> None:
    labelled = torch.arange(COUNT) < 6
    labels = TrainLabels(torch.arange(COUNT) % 3, labelled)
    task = FixMatch(batch_size=4, mu=2, steps_per_epoch=1, labelled_too=False)
    env = begin(task, labels=labels, positives=Identity())
    (step,) = task.batches(0)
    views = Watched(env, step)
    task.update(step, views)
    unlabelled = ",".join(map(str, range(6, COUNT)))
    assert views.pools == {("view", "all"), ("strong", "all"), ("positives", unlabelled)}


@pytest.mark.parametrize(
    ("make", "sides", "rows"),
    [
        (Supervised, (8,), {"train_accuracy": 8, "positives_loss": 8, "positives_accuracy": 8, "loss": 8}),
        (
            lambda: FixMatch(batch_size=4, mu=2, threshold=0, positives_threshold=0),
            (4, 8),
            {"labelled_loss": 4, "confident": 8, "unlabelled_loss": 8, "positives_loss": 8}
            | {"positives_confident": 8},
        ),
    ],
    ids=["Supervised", "FixMatch"],
)
def test_every_mean_is_weighted_by_its_rows(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Task], sides: tuple[int, ...], rows: dict[str, int]
) -> None:
    """Where several processes share a batch, a mean counts by the rows that it is of."""
    logs = []
    for weigh in (False, True):
        task = make()
        env = begin(task, positives=Identity())
        if weigh:
            monkeypatch.setattr(env, "weighted", lambda mean, count: mean * count)
        batches = tuple(Batch(torch.arange(count), 0) for count in sides)
        logs.append(task.update(Step("train", batches, 0.0), env.views))
    for name, count in rows.items():
        torch.testing.assert_close(logs[1][name], logs[0][name] * count)
