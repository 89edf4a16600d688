"""Supervised training and the paper's Algorithm 1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.small_runs import assert_two_passes, batches_seen, begin, train
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, TrainLabels, View
from lpa3bench.errors import ConfigError
from lpa3bench.ops import jensen_shannon, one_hot, soft_cross_entropy
from lpa3bench.testing import COUNT, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.augmix import AugMix
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.tasks.supervised import Supervised, scaled_weights, step_decay

ROWS = torch.tensor([1, 3])


class Some(Augmenter):
    """The second and the fourth image of a batch, through the auxiliary BatchNorm, perhaps with a target or
    with a darker view of each to compare."""

    bn_domain = "aux"

    def __init__(self, target: Tensor | None = None, *, twins: bool = False) -> None:
        self.target = target
        self.twins = twins

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x[ROWS], ROWS, target=self.target, twin=x[ROWS] / 2 if self.twins else None)


class Renamed(Augmenter):
    """Every image as it is, called class 2."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)), target=class_two(x))


def class_two(x: Tensor) -> Tensor:
    return one_hot(torch.full((len(x),), 2), 3)


# --------------------------------------------------------------------------------------------- schedule
@given(st.integers(2, 400), st.data())
def test_the_rate_falls_exactly_where_a_milestone_is(epochs: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, epochs - 1))
    second = data.draw(st.integers(first, epochs - 1))
    milestones = (first / epochs, second / epochs)
    for epoch in range(epochs):
        passed = (epoch >= first) + (epoch >= second)
        assert step_decay(epoch, epochs, 0.1, milestones, 0.2) == pytest.approx(0.1 * 0.2**passed)


def test_the_schedule_of_medmnist() -> None:
    rates = [step_decay(epoch, 100, 1e-3, (0.5, 0.75), 0.1) for epoch in (0, 49, 50, 74, 75, 99)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_optimiser_follows_the_schedule(optimizer: Any) -> None:
    task = Supervised(optimizer=optimizer, lr=0.01, milestones=(0.5,), weight_decay=0.02, momentum=0.8)
    env = begin(task, epochs=2)
    assert isinstance(task.optimiser, torch.optim.Adam if optimizer == "adam" else torch.optim.SGD)
    for epoch, lr in ((0, 0.01), (1, 0.001)):
        train(task, env, [epoch])
        (group,) = task.optimiser.param_groups
        assert group["lr"] == pytest.approx(lr)
        assert group["weight_decay"] == 0.02
        assert optimizer == "adam" or group["momentum"] == 0.8


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("batch_size", {"batch_size": 1}),
        ("lr", {"lr": 0.0}),
        ("momentum", {"momentum": 1.0}),
        ("nesterov", {"nesterov": True}),
        ("nesterov", {"nesterov": True, "optimizer": "sgd", "momentum": 0.0}),
        ("weight_decay", {"weight_decay": -0.1}),
        ("milestones", {"milestones": (0.7, 0.3)}),
        ("milestones", {"milestones": (0.0,)}),
        ("gamma", {"gamma": 0.0}),
        ("positives_weight", {"positives_weight": -1.0}),
        ("class_weights", {"class_weights": "fair"}),
        ("class_weights", {"class_weights": (1.0, 0.0, 1.0)}),
        ("class_weights", {"class_weights": (1.0, float("inf"), 1.0)}),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Supervised(**given)


# ------------------------------------------------------------------------------------------------- data
def test_a_pass_is_over_all_images_the_last_smaller_batch_too() -> None:
    task = Supervised(batch_size=20)
    env = begin(task)
    for epoch in range(2):
        batches = [step.batches[0] for step, _ in train(task, env, [epoch])]
        assert [len(batch.index) for batch in batches] == [20, 20, 8]
        assert {batch.pass_no for batch in batches} == {epoch}
        assert torch.cat([batch.index for batch in batches]).sort().values.tolist() == [*range(COUNT)]
    assert task.phases(3) == (("train", 0, 3),)


def test_the_prediction_is_the_soft_max() -> None:
    task = Supervised()
    env = begin(task)
    x = env.images(torch.arange(6))
    with env.evaluating():
        torch.testing.assert_close(task.predict(x), env.models["net"](x).logits.softmax(1))


def test_images_without_a_label_are_never_trained_on() -> None:
    labelled = torch.arange(COUNT) % 5 == 0
    labels = TrainLabels(torch.where(labelled, torch.arange(COUNT) % 3, -1), labelled)
    task = Supervised(batch_size=4)
    env = begin(task, labels=labels, positives=Identity())
    done = train(task, env, range(3))
    seen = torch.cat([step.batches[0].index for step, _ in done])
    assert seen.unique().tolist() == labelled.nonzero().flatten().tolist()
    assert len(seen) == 3 * int(labelled.sum())
    assert all(bool(torch.isfinite(logs["loss"])) for _, logs in done)


# ------------------------------------------------------------------------------------- weights of classes
@pytest.mark.parametrize("weights", ["balanced", (1.0, 2.0, 0.5, 7.0)])
def test_weights_have_a_mean_of_one_over_the_images(weights: Any) -> None:
    counts = torch.tensor([60, 30, 9, 0])
    found = scaled_weights(weights, counts)
    assert float((found * counts).sum() / counts.sum()) == pytest.approx(1)
    expected = [1 / 60, 1 / 30, 1 / 9] if weights == "balanced" else weights[:3]
    assert (found[:3] / found[0]).tolist() == pytest.approx([weight / expected[0] for weight in expected])
    assert bool(torch.isfinite(found).all())


def test_equal_weights_are_none() -> None:
    """Of three classes with as many labels each."""
    plain, weighted = (
        first_step(task)[3]["loss"] for task in (Supervised(), Supervised(class_weights="balanced"))
    )
    torch.testing.assert_close(plain, weighted)


def test_each_image_counts_by_the_weight_of_its_class() -> None:
    """As in `torch.nn.CrossEntropyLoss`, but for what the sum is divided by."""
    task = Supervised(batch_size=16, class_weights=(1.0, 4.0, 0.5))
    env, x, target, logs = first_step(task, positives=Some())
    weights = scaled_weights((1.0, 4.0, 0.5), env.labels.given.bincount()).float()
    fresh = begin(Supervised(), positives=Some())

    def expected(rows: Tensor, domain: Domain) -> Tensor:
        logits = fresh.logits(fresh.models["net"], x[rows], domain).logits.detach()
        labels = target[rows].argmax(1)
        summed = torch.nn.functional.cross_entropy(logits, labels, weights, reduction="sum")
        return summed / len(rows)

    hard = expected(ROWS, "aux")
    torch.testing.assert_close(logs["positives_loss"], hard)
    torch.testing.assert_close(logs["loss"], expected(torch.arange(16), "main") + hard)


def test_there_is_a_weight_for_each_class() -> None:
    with pytest.raises(
        ConfigError, match=r"^run\.task: Supervised\.class_weights has 2 numbers, and Tiny 3 classes"
    ):
        begin(Supervised(class_weights=(1.0, 2.0)))


def test_a_rare_class_is_learnt() -> None:
    """Two images in forty-eight: without weights the network need not care."""
    labels = torch.arange(COUNT) % 3
    rare = torch.where(labels == 2, -1, labels)
    rare[[2, 5]] = 2
    recalls = []
    for weights in (None, "balanced"):
        task = Supervised(batch_size=16, lr=3e-3, milestones=(), class_weights=weights)  # type: ignore[arg-type]
        env = begin(task, labels=TrainLabels(rare, rare >= 0), epochs=4)
        train(task, env, range(4))
        with env.evaluating():
            of_class = env.images((labels == 2).nonzero()[:, 0])
            recalls.append(float(task.predict(of_class)[:, 2].mean()))
    assert recalls[1] > 2 * recalls[0]


# ----------------------------------------------------------------------------------------- Algorithm 1
def first_step(task: Supervised, **slots: Augmenter) -> tuple[Environment, Tensor, Tensor, dict[str, Tensor]]:
    """One step on plain images: the environment, the images and their target, the logs."""
    env = begin(task, **slots)
    env.weak = env.images  # type: ignore[method-assign]
    (step, *_) = task.batches(0)
    index = step.batches[0].index
    logs = task.update(step, env.views)
    return env, env.images(index), one_hot(env.labels.given[index], 3), logs


def loss_before(x: Tensor, target: Tensor, domain: Domain = "main") -> Tensor:
    """What the network, as a run begins with it, loses on a batch."""
    env = begin(Supervised(), positives=Some())
    return soft_cross_entropy(env.logits(env.models["net"], x, domain).logits.detach(), target)


def test_without_positives_the_loss_is_cross_entropy() -> None:
    _, x, target, logs = first_step(Supervised(batch_size=16))
    torch.testing.assert_close(logs["loss"], loss_before(x, target))
    assert set(logs) == {"loss", "train_accuracy"}


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_positives_add_their_loss_with_the_label_of_their_image(weight: float) -> None:
    _, x, target, logs = first_step(Supervised(batch_size=16, positives_weight=weight), positives=Some())
    added = loss_before(x[ROWS], target[ROWS], "aux")
    torch.testing.assert_close(logs["positives_loss"], added)
    torch.testing.assert_close(logs["loss"], loss_before(x, target) + weight * added)
    assert not any(value.requires_grad for value in logs.values())


def test_positives_may_bring_a_target_of_their_own() -> None:
    own = one_hot(torch.tensor([1, 1]), 3)
    _, x, target, logs = first_step(Supervised(batch_size=16), positives=Some(own))
    torch.testing.assert_close(logs["positives_loss"], loss_before(x[ROWS], own, "aux"))
    assert not torch.equal(own, target[ROWS])


def test_a_target_of_the_view_is_that_of_the_positives_too() -> None:
    _, x, _, logs = first_step(Supervised(batch_size=16), view=Renamed(), positives=Identity())
    renamed = loss_before(x, class_two(x))
    torch.testing.assert_close(logs["positives_loss"], renamed)
    torch.testing.assert_close(logs["loss"], 2 * renamed)


def test_a_step_goes_down_the_gradient_of_its_own_batch() -> None:
    """Nothing adds up from one step to the next."""
    task = Supervised(batch_size=16, optimizer="sgd", lr=1e-12)
    env = begin(task)
    env.weak = env.images  # type: ignore[method-assign]
    (step, *_) = task.batches(0)
    gradients = []
    for _ in range(2):
        task.update(step, env.views)
        gradients.append([p.grad.clone() for p in env.models["net"].parameters() if p.grad is not None])
    for one, again in zip(*gradients, strict=True):
        torch.testing.assert_close(one, again)
        assert one.abs().max() > 0


def parts(env: Environment) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Main running statistics, everything auxiliary, and the other weights."""
    state = weights_of(env.models["net"])
    aux = {name: value for name, value in state.items() if ".aux." in name}
    main = {n: v for n, v in state.items() if n not in aux and ("running" in n or "num_batches" in n)}
    return main, aux, {n: v for n, v in state.items() if n not in aux and n not in main}


def test_the_auxiliary_branch_trains_its_batchnorm_and_leaves_the_main_statistics_alone() -> None:
    plain = parts(first_step(Supervised(batch_size=16))[0])
    main, aux, weights = parts(first_step(Supervised(batch_size=16), positives=Identity(domain="aux"))[0])
    assert all(torch.equal(main[name], plain[0][name]) for name in main)
    fresh = parts(begin(Supervised(), positives=Identity(domain="aux")))[1]
    assert all(not torch.equal(aux[name], fresh[name]) for name in aux), "trained, and its statistics moved"
    assert any(not torch.equal(weights[name], plain[2][name]) for name in weights), "the trunk learns from it"
    shared = parts(first_step(Supervised(batch_size=16), positives=Identity())[0])[0]
    assert any(not torch.equal(shared[name], plain[0][name]) for name in shared)


def test_pairs_of_views_are_compared_with_the_images_that_they_were_made_of() -> None:
    task = Supervised(batch_size=16, positives_weight=12.0)
    _, x, target, logs = first_step(task, positives=Some(twins=True))
    env = begin(Supervised(), positives=Some())
    images = env.logits(env.models["net"], x).logits.detach()[ROWS]
    pairs = env.logits(env.models["net"], torch.cat([x[ROWS], x[ROWS] / 2]), "aux").logits.detach()
    torch.testing.assert_close(logs["positives_loss"], jensen_shannon(images, *pairs.chunk(2)))
    torch.testing.assert_close(logs["loss"], loss_before(x, target) + 12 * logs["positives_loss"])


def test_pairs_of_views_go_through_their_augmenters_batchnorm() -> None:
    for domain, main, aux in (("main", 6, set()), ("aux", 3, {3})):
        task = Supervised(batch_size=16)
        env = begin(task, positives=AugMix(jensen_shannon=True, domain=domain))  # type: ignore[arg-type]
        train(task, env, [0])
        assert (batches_seen(env, "main"), batches_seen(env, "aux")) == ({main}, aux)


def test_weightless_positives_in_the_auxiliary_branch_change_nothing() -> None:
    plain, weightless = Supervised(batch_size=16), Supervised(batch_size=16, positives_weight=0.0)
    one, other = begin(plain), begin(weightless, positives=Identity(domain="aux"))
    train(plain, one, range(2))
    train(weightless, other, range(2))
    after = weights_of(other.models["net"])
    for name, value in weights_of(one.models["net"]).items():
        assert torch.equal(value, after[name]), name


@pytest.mark.parametrize(("iterations", "ratio"), [(1, 1.0), (3, 1.0), (3, 0.5)])
def test_passes_are_counted_where_they_happen(iterations: int, ratio: float) -> None:
    task = Supervised(batch_size=16)
    env = begin(task, positives=LPA3(iterations=iterations, ratio=ratio))
    train(task, env, range(2))
    assert_two_passes(env, iterations, ratio)


def test_it_learns() -> None:
    task = Supervised(batch_size=16, lr=0.01, milestones=())
    done = train(task, begin(task, epochs=15), range(15))
    accuracies = [float(logs["train_accuracy"]) for _, logs in done]
    assert sum(accuracies[:3]) / 3 < 0.8
    assert sum(accuracies[-3:]) / 3 > 0.95
