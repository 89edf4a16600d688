"""DivideMix: its phases, its split, whose turn it is. Its formulas are compared with the released code."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from support.small_runs import begin, steps, train
from torch import Tensor

from lpa3bench.api import Augmenter, TrainLabels
from lpa3bench.errors import ConfigError
from lpa3bench.testing import COUNT, SPEC, assert_same, check_resume, weights_of
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.tasks import dividemix
from lpa3bench_plugins.tasks.dividemix import DivideMix
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH, WARM_UP

Probability = Callable[[Tensor], Tensor]
WARM_STEPS = COUNT // 16


def small(**changed: Any) -> DivideMix:
    return DivideMix(**({"batch_size": 8, "warmup_epochs": 1} | changed))


def believing(monkeypatch: pytest.MonkeyPatch, *clean: list[int]) -> None:
    """Decide which labels are believed: by the first network, by the second, and so on in turn."""
    answers = []
    for places in clean:
        answer = torch.full((COUNT,), 0.1, dtype=torch.float64)
        answer[places] = 0.9
        answers.append(answer)
    calls: list[int] = []

    def decide(losses: Tensor, seed: int) -> Tensor:
        calls.append(seed)
        return answers[(len(calls) - 1) % len(answers)]

    monkeypatch.setattr(dividemix, "clean_probability", decide)


EVEN, ODD = [*range(0, COUNT, 2)], [*range(1, COUNT, 2)]


# ------------------------------------------------------------------------------------------ pure functions
rows = st.lists(st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3), min_size=1, max_size=9)


def test_the_confidence_penalty_grows_with_confidence() -> None:
    labels = torch.tensor([0, 1])
    found = []
    for scale in (0.0, 1.0, 8.0):
        logits = scale * torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        plain, with_it = (dividemix.warmup_loss(logits, labels, weight) for weight in (0.0, 1.0))
        torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, labels))
        found.append(float(with_it - plain))
    assert found[0] == pytest.approx(-math.log(3))
    assert found[0] < found[1] < found[2] <= 0


def test_a_label_is_refined_by_how_far_it_is_believed() -> None:
    given, predicted = torch.eye(3), torch.full((3, 3), 1 / 3)
    clean = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
    found = dividemix.refined(given, clean, predicted)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:2], torch.stack([given[0], predicted[1]]))
    torch.testing.assert_close(found[2], (given[2] + predicted[2]) / 2)


# ------------------------------------------------------------------------------------------------- phases
def test_the_warm_up_shows_each_network_every_label_in_an_order_of_its_own() -> None:
    task = small(warmup_epochs=2)
    env = begin(task)
    first, _ = task.phases(3)
    assert first == (WARM_UP, 0, WARM_STEPS)
    done = train(task, env, range(2))
    assert [step.phase for step, _ in done] == [WARM_UP] * 2 * WARM_STEPS
    orders = [
        torch.cat([step.batches[net].index for step, _ in done[epoch * WARM_STEPS :][:WARM_STEPS]]).tolist()
        for epoch in range(2)
        for net in range(2)
    ]
    assert all(sorted(order) == [*range(COUNT)] for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_the_plan_takes_half_of_the_labels_for_clean() -> None:
    task = small()
    env = begin(task)
    assert task.phases(3)[1] == (MIXMATCH, 1, 2 * (COUNT // 2 // 8))
    assert [phase.name for phase in task.phases(1)] == [WARM_UP]
    without = small(warmup_epochs=0)
    begin(without)
    assert [phase.name for phase in without.phases(1)] == [MIXMATCH]
    assert env.size == COUNT


def test_the_rate_falls_once() -> None:
    task = small(lr=0.02, lr_drop_epoch=2, lr_drop=0.1)
    env = begin(task, epochs=4)
    for epoch in range(4):
        train(task, env, [epoch])
        assert task.sgd.param_groups[0]["lr"] == pytest.approx(0.02 if epoch < 2 else 0.002)


# ---------------------------------------------------------------------------------------------- whose turn
def test_each_network_learns_from_what_the_other_believes(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch, EVEN, ODD)
    task = small()
    env = begin(task)
    train(task, env, [0])
    before = {name: weights_of(net) for name, net in env.models.items()}
    turns = []
    for step, _ in steps(task, env, [1]):
        net, other = task.turn.net.name, task.turn.other.name
        turns.append(net)
        labelled, unlabelled = step.batches
        believed = ODD if net == "net1" else EVEN
        assert {*labelled.index.tolist()} <= {*believed}
        assert not {*unlabelled.index.tolist()} & {*believed}
        now = {name: weights_of(net) for name, net in env.models.items()}
        assert_same(now[other], before[other], "the network whose turn it is not")
        assert any(not torch.equal(now[net][name], before[net][name]) for name in now[net])
        assert all(net.training for net in env.models.values())
        before = now
    assert turns == ["net1"] * 3 + ["net2"] * 3


def test_both_splits_are_made_before_anybody_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small()
    env = begin(task)
    seen: list[int] = []

    def spy(losses: Tensor, seed: int) -> Tensor:
        seen.append(env.clock.step)
        return torch.arange(COUNT) / COUNT

    monkeypatch.setattr(dividemix, "clean_probability", spy)
    done = train(task, env, range(3))
    ends = [sum(step.time < epoch for step, _ in done) for epoch in (1, 2)]
    assert seen == [ends[0]] * 2 + [ends[1]] * 2


def test_losses_are_those_of_the_images_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small(warmup_epochs=0)
    env = begin(task, view=Identity())
    seen: list[Tensor] = []
    monkeypatch.setattr(dividemix, "clean_probability", lambda losses, _: (seen.append(losses), losses)[1])
    net = env.models["net1"].eval()
    with torch.no_grad():
        logits = net(env.images(torch.arange(COUNT))).logits
    net.train()
    losses = torch.nn.functional.cross_entropy(logits, env.labels.given, reduction="none")
    next(steps(task, env, [0]))
    torch.testing.assert_close(seen[0], (losses - losses.min()) / (losses.max() - losses.min()))


@pytest.mark.parametrize("length", [1, 2])
def test_losses_are_averaged_over_the_last_epochs(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    latest: list[Tensor] = []
    judged: list[Tensor] = []
    scaled_losses = dividemix.scaled_losses
    monkeypatch.setattr(
        dividemix, "scaled_losses", lambda losses: (latest.append(scaled_losses(losses)), latest[-1])[1]
    )
    monkeypatch.setattr(dividemix, "clean_probability", lambda losses, _: (judged.append(losses), losses)[1])
    task = small(loss_history=length)
    train(task, begin(task, epochs=4), range(4))
    for net in range(2):
        mine = latest[net::2]
        for epoch, losses in enumerate(judged[net::2]):
            expected = torch.stack(mine[max(0, epoch + 1 - length) : epoch + 1]).mean(0)
            torch.testing.assert_close(losses, expected)


# ------------------------------------------------------------------------------------------- lopsided splits
ALL = [*range(COUNT)]


@pytest.mark.parametrize("slots", [{}, {"positives": LPA3(iterations=1, ratio=0.5)}], ids=["none", "LPA3"])
@pytest.mark.parametrize(
    ("clean", "sizes"),
    [
        (ALL, [(8, 0)] * 6),
        ([], [(0, 8)]),
        ([5], [(1, 8)]),
        ([1, 2, 3], [(3, 8)]),
        (ALL[1:], [(8, 1)] * 5 + [(7, 1)]),
        (ALL[3:], [(8, 3)] * 5 + [(5, 3)]),
        (ALL[:17], [(8, 8), (8, 8), (1, 8)]),
        (ALL[:16], [(8, 8), (8, 8)]),
    ],
    ids=[
        "all",
        "none",
        "one",
        "three",
        "all but one",
        "all but three",
        "one more than batches",
        "full batches",
    ],
)
def test_lopsided_splits_train_on(
    monkeypatch: pytest.MonkeyPatch,
    clean: list[int],
    sizes: list[tuple[int, int]],
    slots: dict[str, Augmenter],
) -> None:
    believing(monkeypatch, clean)
    task = small(ramp_epochs=1)
    env = begin(task, epochs=3, **slots)
    train(task, env, [0])
    before = weights_of(env.models["net2"])
    done = train(task, env, [1, 2])
    assert [tuple(len(b.index) for b in step.batches) for step, _ in done] == sizes * 4
    counted = len(clean) // 8 + 1
    assert [step.time for step, _ in done] == pytest.approx(
        [epoch + i / counted for epoch in (1, 2) for _ in range(2) for i in range(len(sizes))]
    )
    for step, logs in done:
        labelled, unlabelled = (len(batch.index) for batch in step.batches)
        assert (logs["labelled_loss"] != 0) == (labelled > 0)
        assert ("unlabelled_loss" in logs) == (unlabelled > 0)
        assert ("positives_loss" in logs) == (bool(slots) and round(0.5 * unlabelled) > 0)
        assert all(bool(torch.isfinite(value)) for value in logs.values())
    state = weights_of(env.models["net2"])
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert any(not torch.equal(state[name], before[name]) for name in state)


# ------------------------------------------------------------------------------------------------ MixMatch
def test_the_unlabelled_loss_comes_in_with_its_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch, EVEN)
    task = small(lambda_u=10.0, ramp_epochs=2)
    done = train(task, begin(task, epochs=4, positives=Identity()), range(4))
    seen = set()
    for step, logs in done:
        if step.phase == MIXMATCH:
            weight = 10.0 * min((step.time - 1) / 2, 1)
            added = logs["unlabelled_loss"] + logs["positives_loss"]
            expected = logs["labelled_loss"] + weight * added + logs["prior_penalty"]
            torch.testing.assert_close(logs["loss"], expected)
            seen.add(weight)
    assert {0.0, 5.0, 10.0} <= seen


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_passes_are_counted_where_they_happen(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    believing(monkeypatch, EVEN)
    task = small(warmup_epochs=0)
    env = begin(task, positives=LPA3(iterations=2, ratio=ratio))
    train(task, env, [0])
    side = 2 * 8 * 2 * 3  # two views of eight images, for each network three steps
    chosen = round(ratio * side)
    assert env.passes.as_record() == {
        # both networks see everything for the split; in a step both guess the unlabelled images and one of
        # them the labelled ones, and then it trains on all
        "task": {"forward": 2 * COUNT + 5 * side, "backward_weights": 2 * side, "backward_image": 0},
        "positives/loss": {"forward": chosen, "backward_weights": chosen, "backward_image": 0},
        "positives/search": {
            "forward": side + 4 * chosen, "backward_weights": 0, "backward_image": 2 * chosen,
        },
    }  # fmt: skip


def test_each_network_has_a_memory_of_its_own_that_is_renewed_with_every_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    believing(monkeypatch, EVEN, ODD)
    task = small()
    env = begin(task, epochs=3, positives=LPA3(iterations=0, ratio=0.5, select="dataset"))
    done = train(task, env, range(3))
    passes = [step.batches[1].pass_no for step, _ in done if step.phase == MIXMATCH]
    assert passes == [0] * 6 + [1] * 6
    banks = [env.views.state_dict()["augmenters"][f"positives/{net}"]["bank"] for net in ("net1", "net2")]
    known = [{*(bank["scores"] != 0).nonzero().flatten().tolist()} for bank in banks]
    assert known == [{*EVEN}, {*ODD}], "each knows the images that it had no label of"


def test_the_prediction_is_the_soft_max_of_both_networks_logits() -> None:
    task = small()
    env = begin(task)
    x = env.images(torch.arange(6))
    with env.evaluating():
        summed = sum(net(x).logits for net in env.models.values())
        torch.testing.assert_close(task.predict(x), torch.softmax(summed, 1))


# ------------------------------------------------------------------------------------ resuming and refusing
@pytest.mark.parametrize("length", [1, 3])
def test_the_history_of_losses_is_resumed(length: int) -> None:
    check_resume(lambda: small(loss_history=length), epochs=4)


def test_images_without_a_label_are_refused() -> None:
    why = "DivideMix needs a label, right or wrong, on every training image"
    assert small().unsupported(SPEC, FewLabels(count=6)) == why
    unlabelled: Any = SimpleNamespace(unlabelled=True)
    assert small().unsupported(unlabelled, SimpleNamespace(partial=False)) == why  # type: ignore[arg-type]
    labels = TrainLabels(torch.zeros(COUNT, dtype=torch.int64), torch.arange(COUNT) > 0)
    with pytest.raises(ConfigError, match="needs a label"):
        begin(small(), labels=labels)


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"lr_drop_epoch": -1},
        {"lr_drop": 0.0}, {"warmup_epochs": -1}, {"confidence_penalty": -1.0}, {"p_threshold": 1.0},
        {"loss_history": 0}, {"temperature": 0.0}, {"alpha": 0.0}, {"lambda_u": -1.0}, {"ramp_epochs": 0},
    ],
    ids=lambda given: "".join(given),
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        DivideMix(**given)
