"""The InfoMin-style augmenter: its two objectives, who learns from them, and what it leaves alone."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import DatasetSpec, SlotName, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.nn.freeze import frozen
from lpa3bench.ops import probabilities, soft_cross_entropy
from lpa3bench.types import SLOTS
from lpa3bench_plugins.augmenters import infomin
from lpa3bench_plugins.augmenters.infomin import InfoMinStyle, information_bound, sure_labels


def rows(seed: int, count: int = 6, width: int = 4) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)).double()


# --------------------------------------------------------------------------------------------- InfoNCE
def test_information_by_hand() -> None:
    one, other = rows(0), rows(1)
    total = 0.0
    for i in range(6):
        for a, b in ((one, other), (other, one)):
            cosines = [float(torch.cosine_similarity(a[i], b[j], dim=0)) / 0.5 for j in range(6)]
            total += cosines[i] - math.log(sum(map(math.exp, cosines)))
    assert float(information_bound(one, other, 0.5)) == pytest.approx(math.log(6) + total / 12, abs=1e-12)


def test_information_is_at_most_the_logarithm_of_the_count() -> None:
    alike = torch.eye(6).double()
    assert float(information_bound(alike, alike, 0.01)) == pytest.approx(math.log(6), abs=1e-9)
    assert float(information_bound(alike, alike.flip(0), 0.07)) < 0  # the wrong partner for each
    constant = torch.ones(6, 4).double()
    assert float(information_bound(constant, rows(0), 0.07)) < math.log(6) / 2
    assert float(information_bound(constant, constant, 0.07)) == pytest.approx(0, abs=1e-12)


def test_copies_are_told_from_their_own_copy_alone() -> None:
    one, other = rows(0), rows(1)
    halves = [float(information_bound(one[part], other[part], 0.2)) for part in (slice(0, 3), slice(3, 6))]
    assert float(information_bound(one, other, 0.2, copies=2)) == pytest.approx(sum(halves) / 2, abs=1e-12)


def test_one_image_tells_nothing() -> None:
    one = rows(0, 1).requires_grad_()
    found = information_bound(one, rows(1, 1), 0.07)
    (gradient,) = torch.autograd.grad(found, one)
    assert found.item() == 0
    assert not gradient.any()


def test_sure_labels() -> None:
    belief = torch.tensor([[0.96, 0.04], [0.9, 0.1], [0, 1], [0.05, 0.95]])
    assert sure_labels(belief, 0.95).tolist() == [[1, 0], [0, 0], [0, 1], [0, 1]]


# ------------------------------------------------------------------------------------------ the augmenter
class Bench:
    """One augmenter with the tiny set's real environment; calls it through the engine's guard."""

    def __init__(self, slot: SlotName = "positives", seed: int = 0, **options: Any) -> None:
        bound: dict[str, Any] = {slot: InfoMinStyle(**options)}
        experiment = Experiment(
            task=testing.Bystander(), dataset=testing.TinySet(), backbone=testing.TinyNet, epochs=1, **bound
        )
        self.slot = slot
        self.env = testing.environment(experiment, seed)
        self.net = self.env.models["net"]
        ((_, self.infomin),) = self.env.views._bound.items()

    def images(self, count: int = 16, first: int = 0) -> Tensor:
        return self.env.images(torch.arange(first, first + count))

    def target(self, count: int = 16, first: int = 0) -> Tensor:
        labels = self.env.labels.given[first : first + count]
        return torch.nn.functional.one_hot(labels, testing.SPEC.num_classes).float()

    def __call__(self, count: int = 16, target: Tensor | None = None, **more: Any) -> View:
        given = {"index": None} | more
        view = self.env.views(self.slot, self.net, self.images(count), target=target, **given)
        assert view is not None
        self.env.alarm.check()
        assert not view.x.requires_grad
        assert view.rows.tolist() == list(range(count))
        for name, parameter in self.net.named_parameters():
            assert parameter.grad is None, name
        for learner in (self.infomin.generator, self.infomin.estimator):
            assert learner is None or all(p.grad is None for p in learner.module.parameters())
        return view

    @contextmanager
    def ready(self) -> Iterator[Any]:
        """The context that `generate` gets, the model frozen."""
        with frozen(self.net):
            yield SimpleNamespace(
                model=self.net, logits=self.net, index=None, target=None, copies=1, spec=testing.SPEC
            )


@pytest.mark.parametrize("space", ["rgb", "ydbdr"])
def test_starts_with_the_images_and_leaves_them(space: str) -> None:
    bench = Bench(space=space, generator_lr=0.01)
    x, target = bench.images(), bench.target()
    torch.testing.assert_close(bench(target=target).x, x, rtol=0, atol=1e-6)
    for _ in range(10):
        view = bench(target=target)
    assert (view.x - x).abs().mean() > 0.005
    assert view.info["recoloured"] == pytest.approx((view.x - x).abs().mean())
    assert set(view.info) == {"information", "cross_entropy", "recoloured"}
    assert all(value.ndim == 0 and not value.requires_grad for value in view.info.values())


def test_views_are_of_the_generator_before_its_step() -> None:
    bench = Bench(generator_lr=0.05)
    bench()
    before = copy.deepcopy(bench.infomin)
    view = bench()
    x = bench.images()
    with torch.no_grad():
        expected = before.colours.decode(before.generator.module(before.colours.encode(x))).clamp(0, 1)
        later = before.colours.decode(bench.infomin.generator.module(before.colours.encode(x))).clamp(0, 1)
    assert torch.equal(view.x, expected)
    assert not torch.equal(later, expected)


def objective(bench: Bench, weight: float) -> tuple[float, float]:
    """What the generator minimises, and the information in it, on the first batch."""
    own, x, target = bench.infomin, bench.images(), bench.target()
    with torch.no_grad():
        made = own.colours.decode(own.generator.module(own.colours.encode(x))).clamp(0, 1)
        plain, viewed = bench.net(x), bench.net(made)
        head = own.estimator.module
        shared = information_bound(
            head(infomin._pooled(plain)), head(infomin._pooled(viewed)), own.temperature
        )
        return float(weight * shared + soft_cross_entropy(viewed.logits, target)), float(shared)


@pytest.mark.parametrize("space", ["rgb", "ydbdr"])
def test_a_step_of_the_generator_lowers_its_objective(space: str) -> None:
    """On a fixed batch, against an estimator that stands still."""
    bench = Bench(space=space, weight=2.0, estimator_lr=1e-12, domain="main", generator_lr=2e-3)
    found = []
    for _ in range(8):
        bench(target=bench.target())
        found.append(objective(bench, 2.0)[0])
    assert all(later < earlier for earlier, later in pairwise(found))


def test_a_step_of_the_estimator_raises_the_bound() -> None:
    bench = Bench(generator_lr=1e-12, estimator_lr=1e-3, domain="main", temperature=0.5)
    with torch.no_grad():
        bench()
        for parameter in bench.infomin.generator.module.parameters():
            parameter.fill_(0.2)
    bounds = []
    for _ in range(8):
        bench()
        bounds.append(objective(bench, 1.0)[1])
    assert all(later > earlier for earlier, later in pairwise(bounds))


def test_the_generator_against_the_estimator() -> None:
    """Without the cross-entropy it takes information away; without the information it keeps the label."""
    apart, kept = (Bench(weight=w, threshold=t, generator_lr=0.01) for w, t in ((1.0, 1.0), (0.0, 0.0)))
    for bench in (apart, kept):
        for _ in range(30):
            view = bench(target=bench.target() if bench is kept else None)
        bench.view = view  # type: ignore[attr-defined]
    first = Bench()(target=Bench().target())
    assert apart.view.info["cross_entropy"] == 0  # type: ignore[attr-defined]  # nothing is sure
    assert apart.view.info["information"] < first.info["information"] - 0.1  # type: ignore[attr-defined]
    assert kept.view.info["cross_entropy"] < first.info["cross_entropy"]  # type: ignore[attr-defined]


def test_without_a_target_the_sure_predictions_are_the_labels() -> None:
    bench = Bench(threshold=0.34, domain="main")
    with bench.ready() as ctx:
        x = bench.images()
        logits = bench.net(x).logits.detach()
        belief = probabilities(logits)
        view = bench.infomin.generate(x, ctx)
    expected = soft_cross_entropy(logits, sure_labels(belief, 0.34))
    torch.testing.assert_close(view.info["cross_entropy"], expected, rtol=1e-4, atol=1e-5)
    assert 0 < float(sure_labels(belief, 0.4).sum()) < 16


def test_where_gradients_are_off_nothing_is_learnt() -> None:
    bench = Bench(generator_lr=0.05)
    for _ in range(3):
        bench()
    before = bench.infomin.state_dict()
    stored = copy.deepcopy(before)
    with torch.no_grad():
        view = bench()
    testing.assert_same(stored, bench.infomin.state_dict())
    assert (view.x - bench.images()).abs().max() > 1e-3
    assert view.info == {}


def test_one_image_is_told_from_none() -> None:
    """The estimator stays as it is, momentum and all; the generator goes by the cross-entropy."""
    bench = Bench(domain="main")
    bench(target=bench.target())
    head, flow = (
        copy.deepcopy(learner.module.state_dict())
        for learner in (bench.infomin.estimator, bench.infomin.generator)
    )
    view = bench(1, bench.target(1))
    assert view.info["information"] == 0
    testing.assert_same(head, bench.infomin.estimator.module.state_dict())
    assert any(
        not torch.equal(value, flow[name])
        for name, value in bench.infomin.generator.module.state_dict().items()
    )
    two = bench(2, bench.target(2), copies=2)
    assert two.info["information"] == 0


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_resumes_bit_for_bit(steps: int) -> None:
    straight, stopped, fresh = (Bench(generator_lr=0.01) for _ in range(3))
    for _ in range(steps):
        straight()
        stopped()
    stored = io.BytesIO()
    torch.save(stopped.env.state_dict(), stored)
    stored.seek(0)
    fresh.env.load_state_dict(torch.load(stored, weights_only=True))
    for bench in (straight, fresh):
        bench()
    assert torch.equal(straight().x, fresh().x)
    testing.assert_same(straight.env.state_dict(), fresh.env.state_dict())


def test_setting_up_draws_nothing_from_the_global_generator() -> None:
    env = Bench().env
    with testing.no_global_randomness():
        InfoMinStyle().setup(env)


def test_each_copy_is_initialised_from_a_seed_of_its_own() -> None:
    def weight(bench: Bench) -> Tensor:
        found: Tensor = bench.infomin.generator.module.blocks[0].conv1.weight
        return found

    assert torch.equal(weight(Bench()), weight(Bench()))
    assert not torch.equal(weight(Bench()), weight(Bench(seed=1)))
    env = Bench().env
    one, other = InfoMinStyle(), InfoMinStyle()
    for own in (one, other):
        own.setup(env)
    assert one.seed != other.seed


@pytest.mark.parametrize("target", [True, False])
def test_nothing_waits_for_the_device(target: bool) -> None:
    bench = Bench()
    bench()  # the estimator is made in the first call
    with bench.ready() as ctx:
        ctx.target = bench.target() if target else None
        with HostSyncs() as syncs:
            bench.infomin.generate(bench.images(), ctx)
    assert syncs.found == []


def test_where_it_makes_no_sense() -> None:
    grey = DatasetSpec(name="Grey", num_classes=2, channels=1, size=8, mean=(0.5,), std=(0.2,))
    own = InfoMinStyle()
    reason = own.unsupported(grey, SLOTS["positives"])
    assert reason == "the flow shifts three colour channels by one another, and Grey has one channel"
    assert own.unsupported(testing.SPEC, SLOTS["positives"]) is None
    assert own.unsupported(testing.SPEC, SLOTS["strong"]) is None
    assert "domain" in (own.unsupported(testing.SPEC, SLOTS["view"]) or "")
    assert InfoMinStyle(domain="main").unsupported(testing.SPEC, SLOTS["view"]) is None


def test_conforms_in_the_main_domain_too() -> None:
    testing.check_augmenter(lambda: InfoMinStyle(domain="main"), "view")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", "hsv"), ("weight", -1), ("weight", math.inf), ("generator_lr", 0), ("estimator_lr", -1),
        ("projection", 0), ("temperature", 0), ("threshold", 1.1), ("domain", "both"),
    ],
)  # fmt: skip
def test_values_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        InfoMinStyle(**{name: value})
