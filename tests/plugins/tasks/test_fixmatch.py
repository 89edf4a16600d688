"""FixMatch: what it draws, who sees which view, and what counts. Its formulas are held against the released
code in golden/."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs
from support.small_runs import begin, train
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Context, Domain, Step, TrainLabels, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.sampler import Batch
from lpa3bench.errors import ConfigError
from lpa3bench.testing import COUNT, TinySet, assert_same, environment, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.backbones.wideresnet import WideResNet
from lpa3bench_plugins.tasks.fixmatch import (
    TRAIN,
    FixMatch,
    confidence_mask,
    decays,
    learning_rate,
    repeated_rows,
    weighted_cross_entropy,
)

STEPS = 5


def small(**changed: Any) -> FixMatch:
    return FixMatch(**({"batch_size": 4, "mu": 2, "steps_per_epoch": STEPS} | changed))


def few(count: int = 6) -> TrainLabels:
    """The first images keep their label."""
    labelled = torch.arange(COUNT) < count
    return TrainLabels(torch.where(labelled, torch.arange(COUNT) % 3, -1), labelled)


def counted(logits: Tensor, guess: Tensor, threshold: float) -> Tensor:
    """The loss of guesses that count from a threshold on."""
    return weighted_cross_entropy(logits, guess.argmax(1), confidence_mask(guess, threshold))


class Told(Augmenter):
    """Gives every image one shade, remembers what it was told, and may leave rows out."""

    def __init__(
        self, shade: float | None = None, rows: tuple[int, ...] = (), domain: Domain = "main"
    ) -> None:
        self.shade, self.rows, self.bn_domain = shade, rows, domain
        self.seen: list[tuple[Tensor, Context]] = []

    def __deepcopy__(self, memo: Any) -> Told:
        return self  # so that the test sees what the run's copy is told

    def generate(self, x: Tensor, ctx: Context) -> View:
        self.seen.append((x, ctx))
        rows = torch.tensor(self.rows) if self.rows else torch.arange(len(x))
        return View(x[rows] if self.shade is None else torch.full_like(x[rows], self.shade), rows)


# ------------------------------------------------------------------------------------------ pure functions
@given(st.integers(0, 40), st.integers(41, 400), st.integers(0, 400))
def test_the_rate_rises_and_falls(warmup: int, steps: int, step: int) -> None:
    step = min(step, steps)
    rate = learning_rate(step, steps, 2.0, warmup)
    if step < warmup:
        assert rate == pytest.approx(2.0 * step / warmup)
    else:
        assert learning_rate(steps, steps, 2.0, warmup) - 1e-12 <= rate <= 2.0
    assert learning_rate(warmup, steps, 2.0, warmup) == 2.0
    assert learning_rate(steps, steps, 2.0, warmup) == pytest.approx(2 * 0.19509, rel=1e-4)


@given(st.integers(1, 70), st.integers(1, 200))
def test_labelled_images_fill_an_epoch(n: int, count: int) -> None:
    filled = repeated_rows(torch.arange(n) + 7, count)
    assert count <= len(filled) < count + n
    assert filled.bincount(minlength=n + 7)[7:].tolist() == [len(filled) // n] * n


def test_only_rows_with_a_confident_guess_count_but_all_are_in_the_mean() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0], [-1.0, 0.5]], requires_grad=True)
    guess = torch.tensor([[0.9, 0.1], [0.89, 0.11], [0.05, 0.95], [0.5, 0.5]])
    loss, share = counted(logits, guess, 0.9), confidence_mask(guess, 0.9).mean()
    one, _, three, _ = F.cross_entropy(logits, torch.tensor([0, 0, 1, 0]), reduction="none")
    torch.testing.assert_close(loss, (one + three) / 4)
    assert float(share) == 0.5
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.abs().sum(1).bool().tolist() == [True, False, True, False]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_is_left_before_the_loss(dtype: torch.dtype) -> None:
    guess = torch.tensor([[1.0, 0.0]], dtype=torch.float64 if dtype is torch.float64 else torch.float32)
    assert counted(torch.zeros(1, 2, dtype=dtype), guess, 0.5).dtype == guess.dtype


# ----------------------------------------------------------------------------------------------- set-up
def kinds(model: nn.Module) -> dict[str, type[nn.Module]]:
    """Of each parameter, by its full name, the kind of layer that it belongs to."""
    return {
        f"{path}.{name}": type(module)
        for path, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
    }


def test_kernels_alone_decay() -> None:
    task = small(weight_decay=0.03)
    experiment = Experiment(
        task=task,
        dataset=TinySet(),
        backbone=partial(WideResNet, depth=10, widen=1),
        epochs=1,
        positives=Identity(domain="aux"),
    )
    env = environment(experiment)
    task.setup(env)
    names = {parameter: name for name, parameter in env.models["net"].named_parameters()}
    decayed, exempt = task.sgd.param_groups
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.03, 0.0)
    found = {names[p]: group is decayed for group in (decayed, exempt) for p in group["params"]}
    kind = kinds(env.models["net"])
    assert found.keys() == kind.keys()
    for name, decay in found.items():
        expected = issubclass(kind[name], nn.Conv2d | nn.Linear) and not name.endswith("bias")
        assert decay is decays(name) is expected, name


def test_sgd_is_as_bound() -> None:
    task = small(lr=0.5, momentum=0.7)
    begin(task)
    for group in task.sgd.param_groups:
        assert (group["momentum"], group["nesterov"], group["foreach"]) == (0.7, True, True)


def test_the_rate_is_set_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small(lr=0.4, warmup_steps=3)
    env = begin(task, epochs=2)
    rates = []
    go = task.sgd.step
    monkeypatch.setattr(
        task.sgd, "step", lambda: (rates.append({g["lr"] for g in task.sgd.param_groups}), go())
    )
    train(task, env, range(2))
    assert rates == [{learning_rate(step, 2 * STEPS, 0.4, 3)} for step in range(2 * STEPS)]


# ------------------------------------------------------------------------------------------------- data
@pytest.mark.parametrize("count", [3, 6, COUNT])
def test_a_step_takes_labelled_and_unlabelled_images(count: int) -> None:
    task = small()
    env = begin(task, epochs=6, labels=few(count))
    done = train(task, env, range(6))
    assert len(done) == 6 * STEPS
    (phase,) = task.phases(6)
    assert phase == (TRAIN, 0, STEPS)
    assert [step.time for step, _ in done] == pytest.approx([i / STEPS for i in range(6 * STEPS)])
    for step, _ in done:
        labelled, unlabelled = step.batches
        assert len(labelled.index) == 4
        assert len(unlabelled.index) == 8
        assert bool((labelled.index < count).all())
    drawn = torch.cat([step.batches[0].index for step, _ in done]).bincount(minlength=count)
    assert len(drawn) == count
    # The images are repeated to fill an epoch of 20 draws, which drop what is over.
    whole = -(-20 // count) * 6 if count < 20 else 2
    assert drawn.max() <= max(whole, 3)


@pytest.mark.parametrize("labelled_too", [True, False])
def test_passes_over_the_unlabelled_images_go_on_from_epoch_to_epoch(labelled_too: bool) -> None:
    task = small(labelled_too=labelled_too)
    env = begin(task, epochs=6, labels=few(8))
    batches = [step.batches[1] for step, _ in train(task, env, range(6))]
    pool = range(COUNT) if labelled_too else range(8, COUNT)
    each = len(pool) // 8
    assert [batch.pass_no for batch in batches] == [i // each for i in range(6 * STEPS)]
    for start in range(0, len(batches) - each + 1, each):
        seen = torch.cat([batch.index for batch in batches[start : start + each]])
        assert sorted(seen.tolist()) == [*pool]


def test_there_must_be_something_to_learn_from() -> None:
    with pytest.raises(ConfigError, match=r"^FixMatch.labelled_too: False leaves nothing"):
        begin(small(labelled_too=False))
    begin(small(labelled_too=True))


# ------------------------------------------------------------------------------------------- who sees what
def test_the_slots_get_the_views_that_are_theirs() -> None:
    """Labelled and weak views pass through `view`; the strong view starts from a weak one of its own."""
    view, strong, positives = Told(), Told(0.5), Told(rows=(1, 4))
    task = small()
    env = begin(task, labels=few(), view=view, strong=strong, positives=positives)
    ((step, logs), *_) = train(task, env, [0])
    labelled, unlabelled = step.batches
    (x, for_labelled), (weak, for_weak) = view.seen[:2]
    (base, for_strong), (handed, for_positives) = strong.seen[0], positives.seen[0]
    assert torch.equal(handed, weak)
    assert base.shape == weak.shape
    assert not torch.equal(base, weak), "drawn independently"
    for ctx in (for_labelled, for_weak, for_strong, for_positives):
        batch = labelled if ctx is for_labelled else unlabelled
        assert ctx.index is not None
        assert torch.equal(ctx.index, batch.index)
        assert (ctx.pass_no, ctx.copies) == (batch.pass_no, 1)
    assert for_labelled.target is not None
    assert for_labelled.target.argmax(1).tolist() == env.labels.given[labelled.index].tolist()
    assert for_weak.target is None
    assert for_strong.target is None
    guess = for_positives.target
    assert guess is not None
    assert guess.shape == (8, 3)
    assert not guess.requires_grad
    torch.testing.assert_close(guess.sum(1), torch.ones(8))
    # What the first step computes, from the network that a run begins with.
    env = begin(small(), positives=Identity(domain="main"))
    stacked = torch.cat([x, weak, torch.full_like(base, 0.5)])
    on_x, on_weak, on_strong = env.logits(env.models["net"], stacked).logits.split([4, 8, 8])
    torch.testing.assert_close(guess, on_weak.softmax(1))
    expected = F.cross_entropy(on_x, env.labels.given[labelled.index])
    torch.testing.assert_close(logs["labelled_loss"], expected)
    torch.testing.assert_close(logs["unlabelled_loss"], counted(on_strong, guess, 0.95))
    on_hard = env.logits(env.models["net"], weak[[1, 4]]).logits
    torch.testing.assert_close(logs["positives_loss"], counted(on_hard, guess[[1, 4]], 0.9))
    assert not any(value.requires_grad for value in logs.values())


def certain(**changed: Any) -> FixMatch:
    """Every guess counts."""
    return small(**({"threshold": 0.0, "positives_threshold": 0.0} | changed))


@pytest.mark.parametrize(("lambda_u", "weight"), [(1.0, 1.0), (2.5, 0.0), (0.0, 3.0)])
def test_the_weights_of_the_losses(lambda_u: float, weight: float) -> None:
    task = certain(lambda_u=lambda_u, positives_weight=weight)
    for _, logs in train(task, begin(task, labels=few(), positives=Identity()), [0]):
        added = lambda_u * logs["unlabelled_loss"] + weight * logs["positives_loss"]
        assert logs["unlabelled_loss"] > 0
        assert logs["positives_loss"] > 0
        torch.testing.assert_close(logs["loss"], logs["labelled_loss"] + added)
        assert logs["confident"] == logs["positives_confident"] == 1


def test_each_threshold_has_its_own_loss() -> None:
    for changed, name in (
        ({"threshold": 1.0}, "confident"),
        ({"positives_threshold": 1.0}, "positives_confident"),
    ):
        task = certain(**changed)
        for _, logs in train(task, begin(task, labels=few(), positives=Identity()), [0]):
            assert {key for key in ("confident", "positives_confident") if logs[key] == 0} == {name}


def test_a_colder_guess_is_a_surer_one() -> None:
    shares = []
    for temperature in (1.0, 0.1):
        task = small(temperature=temperature)
        done = train(task, begin(task, labels=few()), [0])
        shares.append(sum(float(logs["confident"]) for _, logs in done))
    assert shares[0] < shares[1]


def test_without_a_strong_augmenter_two_weak_views_are_compared() -> None:
    task, other = certain(), certain()
    plain = train(task, begin(task, labels=few()), range(2))
    same = train(other, begin(other, labels=few(), strong=Identity()), range(2))
    assert_same([logs for _, logs in plain], [logs for _, logs in same])


@pytest.mark.parametrize("domain", ["main", "aux"])
def test_a_strong_view_is_trained_through_its_own_batchnorm(domain: Domain) -> None:
    task = certain(weight_decay=0.0, positives_weight=0.0)
    env = begin(task, labels=few(), strong=Told(domain=domain), positives=Identity(domain="aux"))
    before = weights_of(env.models["net"])
    (step, *_) = task.batches(0)
    task.update(step, env.views)
    scales = [name for name, _ in env.models["net"].named_parameters() if ".aux." in name]
    after = weights_of(env.models["net"])
    assert scales
    assert all(torch.equal(after[name], before[name]) for name in scales) is (domain == "main")


def test_positives_that_are_none_add_nothing() -> None:
    task, other = small(), small()
    plain = train(task, begin(task, labels=few()), range(2))
    waiting = train(other, begin(other, labels=few(), positives=LPA3(warmup_steps=10**9)), range(2))
    assert_same([logs for _, logs in plain], [logs for _, logs in waiting])


def test_the_memory_of_a_selection_is_renewed_with_every_pass_over_the_unlabelled() -> None:
    task = small()
    env = begin(task, epochs=6, labels=few(), positives=LPA3(iterations=0, ratio=0.2, select="dataset"))
    thresholds, passes = [], []
    for epoch in range(6):
        done = train(task, env, [epoch])
        passes.append(done[-1][0].batches[1].pass_no)
        thresholds.append(float(env.views.state_dict()["augmenters"]["positives/net"]["bank"]["threshold"]))
    for one, two in zip(range(5), range(1, 6), strict=True):
        assert (thresholds[one] == thresholds[two]) is (passes[one] == passes[two])
    assert thresholds[0] == 1.0, "nothing is known yet"
    assert len(set(passes)) > 3


# ------------------------------------------------------------------------------------------- BatchNorm
def statistics(env: Environment) -> dict[str, Tensor]:
    return {n: v for n, v in weights_of(env.models["net"]).items() if "running" in n or "num_batches" in n}


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_a_part_of_the_batch_holds_its_share_of_everything(chunks: int) -> None:
    task = certain(bn_chunks=chunks, lr=1e-9)
    env = begin(task, labels=few(), positives=Identity(domain="aux"))
    seen: list[tuple[int, str]] = []
    whole = env.logits

    def watched(model: Any, x: Tensor, domain: Domain = "main", **more: Any) -> Any:
        seen.append((len(x), domain))
        return whole(model, x, domain, **more)

    env.logits = watched  # type: ignore[method-assign]
    env.weak = env.images  # type: ignore[method-assign]
    (step, *_) = task.batches(0)
    logs = task.update(step, env.views)
    assert seen == [(20 // chunks, "main")] * chunks + [(8, "aux")]
    counts = {int(v) for n, v in statistics(env).items() if "num_batches" in n and ".aux." not in n}
    assert counts == {chunks}
    labelled, unlabelled = (env.images(batch.index) for batch in step.batches)
    fresh = begin(small(), positives=Identity())
    losses = []
    for x, u, index in zip(
        labelled.chunk(chunks), unlabelled.chunk(chunks), step.batches[0].index.chunk(chunks), strict=True
    ):
        logits = fresh.logits(fresh.models["net"], torch.cat([x, u, u])).logits
        losses.append(F.cross_entropy(logits[: len(x)], env.labels.given[index]))
    torch.testing.assert_close(logs["labelled_loss"], torch.stack(losses).mean())


@pytest.mark.parametrize(("iterations", "ratio"), [(1, 1.0), (3, 0.5)])
def test_passes_are_counted_where_they_happen(iterations: int, ratio: float) -> None:
    task = small()
    env = begin(task, labels=few(), strong=RandAugment(), positives=LPA3(iterations=iterations, ratio=ratio))
    train(task, env, [0])
    with env.evaluating(), env.passes.at("evaluation"):
        task.predict(env.images(torch.arange(7)))
    images, chosen = 20 * STEPS, int(8 * STEPS * ratio)
    assert env.passes.as_record() == {
        "task": {"forward": images, "backward_weights": images, "backward_image": 0},
        "positives/loss": {"forward": chosen, "backward_weights": chosen, "backward_image": 0},
        "positives/search": {
            "forward": 8 * STEPS + 2 * iterations * chosen,
            "backward_weights": 0,
            "backward_image": iterations * chosen,
        },
        "evaluation": {"forward": 7, "backward_weights": 0, "backward_image": 0},
    }


# ------------------------------------------------------------------------------------------- the average
def test_it_predicts_with_the_average() -> None:
    task = small(ema_decay=0.5, lr=0.3)
    env = begin(task, labels=few())
    train(task, env, range(2))
    x = env.images(torch.arange(9))
    average: Any = task.ema.model
    with env.evaluating():
        found, own = task.predict(x), env.models["net"](x).logits.softmax(1)
    torch.testing.assert_close(found, average(x).logits.softmax(1))
    assert not torch.allclose(found, own)
    assert_same(
        statistics(env), {n: v for n, v in weights_of(average).items() if "running" in n or "num_b" in n}
    )


def test_the_average_follows_every_step() -> None:
    task = small(ema_decay=0.75, lr=0.3)
    env = begin(task, labels=few())
    average: Any = task.ema.model
    known = weights_of(average)
    for step in task.batches(0):
        task.update(step, env.views)
        for name, parameter in env.models["net"].named_parameters():
            known[name] = 0.75 * known[name] + 0.25 * parameter.detach()
    for name, parameter in average.named_parameters():
        torch.testing.assert_close(parameter, known[name])


# --------------------------------------------------------------------------------------------- the rest
def test_a_step_goes_down_the_gradient_of_its_own_batch() -> None:
    """Nothing adds up from one step to the next."""
    task = certain(lr=1e-12, momentum=1e-6, weight_decay=0.0)
    env = begin(task, labels=few())
    env.weak = env.images  # type: ignore[method-assign]
    (step, *_) = task.batches(0)
    gradients = []
    for _ in range(2):
        task.update(step, env.views)
        gradients.append([p.grad.clone() for p in env.models["net"].parameters() if p.grad is not None])
    for one, again in zip(*gradients, strict=True):
        torch.testing.assert_close(one, again)
        assert one.abs().max() > 0


def test_the_host_waits_for_nothing() -> None:
    task = small()
    env = begin(task, labels=few(), strong=Identity(), positives=LPA3(iterations=1, ratio=1.0))
    images = {8: torch.rand(8, 3, 8, 8), 4: torch.rand(4, 3, 8, 8)}
    env.weak = lambda index: images[len(index)]  # type: ignore[method-assign]
    step = Step(TRAIN, (Batch(torch.arange(4), 0), Batch(torch.arange(8), 0)), 0.0)
    with HostSyncs() as syncs:
        task.update(step, env.views)
    assert syncs.found == []


def test_it_learns_and_grows_confident() -> None:
    task = small(ema_decay=0.9, lr=0.1, steps_per_epoch=10)
    env = begin(task, epochs=3, labels=few(3))
    shares = [float(logs["confident"]) for _, logs in train(task, env, range(3))]
    with env.evaluating():
        found = task.predict(env.images(torch.arange(3, COUNT))).argmax(1)
    assert float((found == torch.arange(3, COUNT) % 3).float().mean()) > 0.9
    assert sum(shares[:5]) / 5 < 0.4 < 0.7 < sum(shares[-5:]) / 5


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 0}, {"mu": 0}, {"steps_per_epoch": 0}, {"bn_chunks": 0}, {"lr": 0.0},
        {"temperature": 0.0}, {"momentum": 1.0}, {"momentum": 0.0}, {"weight_decay": -1.0},
        {"warmup_steps": -1}, {"lambda_u": -1.0}, {"positives_weight": -0.1}, {"threshold": 1.1},
        {"positives_threshold": -0.1}, {"ema_decay": 1.1}, {"bn_chunks": 3},
    ],
    ids=lambda given: "".join(f"{name}={value}" for name, value in given.items()),
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must"):
        FixMatch(**given)
