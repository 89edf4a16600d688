"""PES: its phases, its split and its head. Its formulas are held against the released code in golden/."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.small_runs import begin, steps, train
from torch import Tensor, nn

from lpa3bench.api import Augmenter
from lpa3bench.nn.reset import reset_parameters
from lpa3bench.testing import COUNT, assert_same, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.tasks import pes
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH, WARM_UP
from lpa3bench_plugins.tasks.pes import HEAD, PES

Believed = Callable[[Tensor], Tensor]
STEPS = COUNT // 8


def small(**changed: Any) -> PES:
    return PES(**({"batch_size": 8, "warmup_epochs": 1, "head_epochs": 2, "head_lr": 0.01} | changed))


def believing(monkeypatch: pytest.MonkeyPatch, believed: Believed) -> None:
    """Decide which labels are believed, from what is given."""
    monkeypatch.setattr(pes, "confident", lambda _, given: believed(given))


def half(given: Tensor) -> Tensor:
    return torch.arange(len(given)) % 2 == 0


# ------------------------------------------------------------------------------------------ pure functions
counts = st.integers(0, 500)


@given(counts, counts, st.integers(4, 200))
def test_shares_make_a_batch(yes: int, no: int, batch_size: int) -> None:
    if yes + no == 0:
        yes = 1
    labelled, unlabelled = pes.batch_shares(yes, no, batch_size)
    assert labelled + unlabelled == batch_size
    assert labelled >= batch_size / 2, "the believed are never the smaller part"
    assert unlabelled >= 0
    if no == 0:
        assert unlabelled == 0
    if no > yes:
        assert unlabelled == batch_size // 2
    else:
        assert 0 <= no / (yes + no) * batch_size - unlabelled < 1


@given(st.lists(st.integers(0, 5), max_size=60), st.floats(0.5, 10))
def test_class_weights_even_out_the_classes(labels: list[int], cap: float) -> None:
    weights = pes.class_weights(torch.tensor(labels, dtype=torch.int64), 7, cap)
    assert weights.shape == (7,)
    assert weights.dtype == torch.float32
    found = Counter(labels)
    for label, weight in enumerate(weights.tolist()):
        expected = min(len(labels) / len(found) / found[label], cap) if label in found else 0.0
        assert weight == pytest.approx(expected, rel=1e-6)


def test_a_label_is_believed_where_it_is_predicted() -> None:
    probs = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    assert pes.confident(probs, torch.tensor([0, 0, 1])).tolist() == [True, False, True]


# ------------------------------------------------------------------------------------------------- phases
@pytest.mark.parametrize(("warmup", "head"), [(0, 1), (1, 2), (2, 0), (3, 1), (9, 1)])
def test_the_steps_are_those_that_were_announced(warmup: int, head: int) -> None:
    task = small(warmup_epochs=warmup, head_epochs=head)
    env = begin(task, epochs=3)
    phases = task.phases(3)
    for epoch in range(3):
        expected = []
        for place, phase in enumerate(phases):
            following = phases[place + 1].first_epoch if place + 1 < len(phases) else 3
            if phase.first_epoch <= epoch < max(following, phase.first_epoch + 1):
                expected += [phase.name] * phase.steps_per_epoch
        done = train(task, env, [epoch])
        assert [step.phase for step, _ in done] == expected
        times = [step.time for step, _ in done if step.phase == expected[-1]][-STEPS:]
        assert times == pytest.approx([epoch + i / STEPS for i in range(STEPS)])


def test_the_rate_falls_over_all_epochs_whatever_the_head_does() -> None:
    task = small(lr=0.02, lr_min_ratio=0.01)
    env = begin(task, epochs=4)
    for epoch in range(4):
        train(task, env, [epoch])
        expected = 0.0002 + (0.02 - 0.0002) * (1 + math.cos(math.pi * epoch / 4)) / 2
        assert task.sgd.param_groups[0]["lr"] == pytest.approx(expected)


def head_of(env: Environment) -> list[Tensor]:
    return [p.detach().clone() for p in env.models["net"].backbone.stages()[-1].parameters()]


def test_the_head_is_renewed_and_then_trained_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[list[Tensor]] = []

    def spy(head: nn.Module, seed: int) -> None:
        reset_parameters(head, seed)
        renewed.append(head_of(env))

    monkeypatch.setattr(pes, "reset_parameters", spy)
    task = small()
    env = begin(task)
    net = env.models["net"]
    train(task, env, [0])
    body = [name for name, _ in net.named_parameters() if "head" not in name]
    before, warm, backward = weights_of(net), head_of(env), env.passes.counts["task"][1]
    known = warm
    for step, _ in steps(task, env, [1]):
        if step.phase != HEAD:
            break
        known = renewed[0] if known is warm else known
        assert all(torch.equal(weights_of(net)[name], before[name]) for name in body)
        assert env.passes.counts["task"][1] == backward, "nothing goes back through the body"
        for one, other in zip(head_of(env), known, strict=True):
            assert 0 < (one - other).abs().max() < 0.011, "a step of Adam from where it was"
        known = head_of(env)
    assert any(not torch.equal(weights_of(net)[name], before[name]) for name in body), "MixMatch trains it"
    assert len(renewed) == 1
    assert all((one - other).abs().max() > 0.05 for one, other in zip(renewed[0], warm, strict=True))


def resumed(env: Environment, task: PES, **changed: Any) -> tuple[Environment, PES]:
    """Fresh objects with the state of these, by way of a file."""
    file = io.BytesIO()
    torch.save({"env": env.state_dict(), "task": task.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    fresh = small(**changed)
    other = begin(fresh, epochs=4)
    other.load_state_dict(state["env"])
    fresh.load_state_dict(state["task"])
    return other, fresh


@pytest.mark.parametrize("frozen_head", [True, False])
def test_a_frozen_head_stays_as_it_was_left(monkeypatch: pytest.MonkeyPatch, frozen_head: bool) -> None:
    believing(monkeypatch, half)
    task = small(frozen_head=frozen_head)
    env = begin(task, epochs=4)
    train(task, env, [0])
    for step, _ in steps(task, env, [1]):
        if step.phase == HEAD:
            left = head_of(env)
    other, fresh = resumed(env, task, frozen_head=frozen_head)
    train(task, env, [2, 3])
    train(fresh, other, [2, 3])
    for known in (head_of(env), head_of(other)):
        stayed = [torch.equal(*pair) for pair in zip(known, left, strict=True)]
        assert stayed == [frozen_head] * 2
    assert_same(env.state_dict(), other.state_dict())


def test_without_passes_for_it_the_head_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained head that nothing ever trains would be of no use."""
    believing(monkeypatch, half)
    task = small(head_epochs=0)
    env = begin(task)
    train(task, env, [0])
    warm = head_of(env)
    next(steps(task, env, [1]))
    assert all(0 < (one - other).abs().max() < 0.05 for one, other in zip(head_of(env), warm, strict=True))


@pytest.mark.parametrize("frozen_head", [True, False])
def test_the_head_that_is_gone_leaves_no_momentum(monkeypatch: pytest.MonkeyPatch, frozen_head: bool) -> None:
    task = small(frozen_head=frozen_head)
    env = begin(task)
    train(task, env, [0])
    assert all(p in task.sgd.state for p in env.models["net"].backbone.stages()[-1].parameters())
    for step, _ in steps(task, env, [1]):
        if step.phase == HEAD:
            assert not any(p in task.sgd.state for p in env.models["net"].backbone.stages()[-1].parameters())


# -------------------------------------------------------------------------------------------------- split
def test_the_split_is_made_anew_each_epoch_after_the_head_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small()
    env = begin(task)
    seen: list[tuple[int, list[Tensor]]] = []

    def spy(probs: Tensor, given: Tensor) -> Tensor:
        torch.testing.assert_close(probs.sum(1), torch.ones(COUNT))
        seen.append((env.clock.step, head_of(env)))
        return half(given)

    monkeypatch.setattr(pes, "confident", spy)
    predict = task.predict

    def watched(x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not env.models["net"].training, "running statistics do not move"
        return predict(x)

    monkeypatch.setattr(task, "predict", watched)
    done = train(task, env, range(3))
    assert [step for step, _ in seen] == [3 * STEPS, 4 * STEPS], "after the warm-up and the head"
    assert_same(seen[0][1], seen[1][1])
    mixed = [step.batches for step, _ in done if step.phase == MIXMATCH]
    assert all(bool((labelled.index % 2 == 0).all()) for labelled, _ in mixed)
    assert all(bool((unlabelled.index % 2 == 1).all()) for _, unlabelled in mixed)
    assert {(len(one.index), len(other.index)) for one, other in mixed} == {(4, 4)}


@pytest.mark.parametrize("slots", [{}, {"positives": LPA3(iterations=1, ratio=1.0)}], ids=["none", "LPA3"])
@pytest.mark.parametrize(
    ("believed", "sizes"),
    [
        (lambda given: given >= 0, (8, 0)),
        (lambda given: given < 0, (0, 4)),
        (lambda given: given != 1, (6, 2)),
        (lambda given: torch.arange(len(given)) == 5, (4, 4)),
        (lambda given: torch.arange(len(given)) != 5, (8, 0)),
        (lambda given: torch.arange(len(given)) > 5, (7, 1)),
    ],
    ids=["all", "none", "a class is missing", "one", "all but one", "all but six"],
)
def test_lopsided_splits_train_on(
    monkeypatch: pytest.MonkeyPatch, believed: Believed, sizes: tuple[int, int], slots: dict[str, Augmenter]
) -> None:
    """The released code cannot handle an empty side."""
    believing(monkeypatch, believed)
    task = small(ramp_epochs=1.0)
    env = begin(task, epochs=4, **slots)
    before = weights_of(env.models["net"])
    done = train(task, env, range(4))
    mixed = [(step, logs) for step, logs in done if step.phase == MIXMATCH]
    assert len(mixed) == 3 * STEPS
    for step, logs in mixed:
        assert tuple(len(batch.index) for batch in step.batches) == sizes
        assert ("unlabelled_loss" in logs) == (sizes[1] > 0)
        assert ("positives_loss" in logs) == (bool(slots) and sizes[1] > 0)
        assert all(bool(torch.isfinite(value)) for value in logs.values())
    state = weights_of(env.models["net"])
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert any(not torch.equal(state[name], before[name]) for name in state)


def test_the_memory_of_a_selection_is_renewed_with_every_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch draws from sets of its own, so a pass over them never ends; the epoch stands for it."""
    believing(monkeypatch, half)
    task = small()
    env = begin(task, epochs=4, positives=LPA3(iterations=0, ratio=0.2, select="dataset"))
    thresholds = []
    for epoch in range(4):
        done = train(task, env, [epoch])
        passes = {batch.pass_no for step, _ in done if step.phase == MIXMATCH for batch in step.batches}
        assert passes == (set() if epoch == 0 else {epoch - 1})
        thresholds.append(float(env.views.state_dict()["augmenters"]["positives/net"]["bank"]["threshold"]))
    assert thresholds[1] == 1.0, "nothing is known yet"
    assert len(set(thresholds[1:])) == 3


def test_a_slot_that_needs_the_model_works_while_the_split_is_predicted() -> None:
    """There the network is in eval mode and without gradient; the search takes its own."""
    task = small()
    env = begin(task, view=LPA3(iterations=1, ratio=1.0, domain="main"))
    done = train(task, env, range(2))
    assert all(bool(torch.isfinite(logs["loss"])) for _, logs in done)
    count = env.passes.as_record()["view/search"]
    assert count["forward"] == 3 * count["backward_image"] > 0
    assert count["backward_weights"] == 0


# ------------------------------------------------------------------------------------------------ MixMatch
@pytest.mark.parametrize("iterations", [1, 3])
def test_passes_are_counted_where_they_happen(monkeypatch: pytest.MonkeyPatch, iterations: int) -> None:
    believing(monkeypatch, half)
    task = small(warmup_epochs=0, head_epochs=0)
    env = begin(task, positives=LPA3(iterations=iterations, ratio=1.0))
    train(task, env, [0])
    views = 2 * 4 * STEPS  # two of each of the four unlabelled images
    assert env.passes.as_record() == {
        # the split sees two views of everything, a step guesses the unlabelled and then trains on all
        "task": {"forward": 2 * COUNT + 3 * views, "backward_weights": 2 * views, "backward_image": 0},
        "positives/loss": {"forward": views, "backward_weights": views, "backward_image": 0},
        "positives/search": {
            "forward": (1 + 2 * iterations) * views,
            "backward_weights": 0,
            "backward_image": iterations * views,
        },
    }


def test_the_unlabelled_loss_comes_in_with_its_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch, half)
    task = small(lambda_u=10.0, ramp_epochs=2.0)
    done = train(task, begin(task, epochs=4, positives=Identity()), range(4))
    seen = set()
    for step, logs in done:
        if step.phase == MIXMATCH:
            weight = 10.0 * min((step.time - 1) / 2, 1)
            added = logs["unlabelled_loss"] + logs["positives_loss"]
            torch.testing.assert_close(logs["loss"], logs["labelled_loss"] + weight * added)
            seen.add(weight)
    assert {0.0, 5.0, 10.0} <= seen


def test_the_warm_up_is_plain_cross_entropy_on_all_given_labels() -> None:
    task = small(warmup_epochs=2)
    env = begin(task)
    done = train(task, env, range(2))
    assert {step.phase for step, _ in done} == {WARM_UP}
    for epoch in range(2):
        indices = [step.batches[0].index for step, _ in done[epoch * STEPS : (epoch + 1) * STEPS]]
        assert torch.cat(indices).sort().values.tolist() == [*range(COUNT)]
    assert set(done[0][1]) == {"loss"}


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 3}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"lr_min_ratio": 1.5},
        {"warmup_epochs": -1}, {"head_epochs": -1}, {"head_lr": 0.0}, {"temperature": 0.0}, {"alpha": 0.0},
        {"alpha_late": 0.0}, {"late_epoch": -1}, {"lambda_u": -1.0}, {"ramp_epochs": 0.0},
        {"max_class_weight": 0.0},
    ],
    ids=lambda given: "".join(given),
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        PES(**given)
