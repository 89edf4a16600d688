"""The LP-A3 augmenter: what it selects, remembers, preserves and refuses. Its numbers are golden file A's."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.lpa3_bench import CLASSES, FIRST, SPEC, Bench, images
from torch import Tensor

from lpa3bench import attack
from lpa3bench.api import View
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.runtime.distributed import ALONE
from lpa3bench.types import SLOTS, SlotName
from lpa3bench_plugins.augmenters.lpa3 import LPA3


def test_all_rows_at_ratio_one() -> None:
    bench = Bench(ratio=1.0)
    x = images()
    view = bench(x, FIRST)
    assert bench.lpa3.bank is None
    assert view.rows.tolist() == list(range(10))
    assert ((view.x - x).flatten(1).abs().max(1).values > 1e-3).all()
    assert bench.model.calls == 1 + 2 * 5
    assert view.info["selected"] == 1.0
    assert float(view.info["distance"]) > 0
    assert view.info["logp_drop"].shape == ()


def test_nothing_at_ratio_zero() -> None:
    """A run with it draws, computes and trains as one without."""
    bench = Bench(ratio=0.0)
    before = bench.draws.state_dict()
    view = bench(images(), FIRST)
    assert view.x.shape == (0, 3, 8, 8)
    assert view.info == {"selected": 0.0}
    assert bench.model.calls == 0
    assert torch.equal(bench.draws.state_dict()["host"], before["host"])
    assert bench.draws.state_dict()["device"] is None


def test_nothing_lies_where_the_images_do() -> None:
    view = LPA3(ratio=0.0).generate(torch.empty(4, 3, 8, 8, device="meta"), SimpleNamespace())  # type: ignore[arg-type]
    assert view.rows.device == view.x.device == torch.device("meta")


def test_selects_the_least_consistent_by_scores_from_before_this_batch() -> None:
    bench = Bench(ratio=0.3)
    assert bench(images(), FIRST).rows.tolist() == [0, 1, 2]  # all scores equal: the first of the batch
    bench.lpa3.bank.load_state_dict(Bench(ratio=0.3).lpa3.bank.state_dict())
    for sample, prediction in ((7, 0), (7, 1), (2, 0), (2, 1), (4, 0), (4, 1)):
        bench.lpa3.bank.update(torch.tensor([sample]), torch.eye(CLASSES)[[prediction]])
    order = torch.tensor([9, 7, 1, 4, 0, 2, 3, 5, 6, 8])
    before = bench.lpa3.bank.scores()
    view = bench(images(), order)
    assert order[view.rows].sort().values.tolist() == [2, 4, 7]
    assert view.info["selected"] == pytest.approx(0.3)
    after = bench.lpa3.bank.scores()
    assert (after[:10] != before[:10]).all()
    assert torch.equal(after[10:], before[10:])


@pytest.mark.parametrize(("ratio", "count", "expected"), [(0.9, 10, 9), (0.25, 10, 2), (0.01, 10, 0)])
def test_count_is_fixed(ratio: float, count: int, expected: int) -> None:
    assert len(Bench(ratio=ratio)(images(count=count), FIRST[:count]).rows) == expected


def test_copies_are_one_sample() -> None:
    """Both views of a selected sample are treated, and the memory takes their mean."""
    bench, twin = Bench(ratio=0.4), Bench(ratio=0.4)
    x = images()
    index = FIRST[:5].repeat(2)
    view = bench(x, index, copies=2)
    assert view.rows.tolist() == [0, 1, 5, 6]
    with bn_domain(twin.model, "aux"):
        mean = twin.model(x).logits.softmax(1).view(2, 5, CLASSES).mean(0)
    torch.testing.assert_close(bench.lpa3.bank.probabilities[:5], mean)


def test_no_index_no_memory() -> None:
    bench = Bench(ratio=0.5)
    view = bench(images(), None)
    assert len(view.rows) == 10
    assert not bench.lpa3.bank.scores().any()


def test_data_set_wide_threshold_moves_with_the_pass() -> None:
    bench = Bench(ratio=0.5, select="dataset")
    halves = (torch.arange(10), torch.arange(10, 20))
    for half in halves:  # the first pass takes everything
        assert len(bench(images(int(half[0])), half, pass_no=0).rows) == 10
    scores = bench.lpa3.bank.scores()
    lowest = set(scores.argsort()[:9].tolist())  # 20 - trunc(0.5 * 20) - 1
    found: set[int] = set()
    for half in halves:
        rows = bench(images(int(half[0])), half, pass_no=1).rows
        found |= set(half[rows].tolist())
    assert found == lowest
    bench.lpa3.bank.threshold.fill_(-100)
    assert bench(images(), FIRST, pass_no=1).x.shape == (0, 3, 8, 8)  # none may qualify


def test_the_threshold_is_of_what_the_batches_are_drawn_from() -> None:
    bench = Bench(ratio=0.5, select="dataset")
    bench(images(), FIRST, pass_no=0)
    assert len(bench(images(1), FIRST, pass_no=1, pool=FIRST).rows) == 10 - 5 - 1
    whole = Bench(ratio=0.5, select="dataset")
    whole(images(), FIRST, pass_no=0)
    assert len(whole(images(1), FIRST, pass_no=1).rows) == 0, "those never drawn lie below all others"


def test_the_memory_divides_by_the_temperature() -> None:
    bench, twin = Bench(ratio=0.5, temperature=0.25), Bench()
    bench(images(), FIRST)
    with bn_domain(twin.model, "aux"):
        expected = (twin.model(images()).logits / 0.25).softmax(1)
    torch.testing.assert_close(bench.lpa3.bank.probabilities[:10], expected)


def test_warm_up_remembers_and_selects_nothing() -> None:
    bench = Bench(ratio=0.5, warmup_steps=3)
    assert len(bench(images(), FIRST, step=2).rows) == 0
    assert bench.lpa3.bank.scores()[:10].all()
    assert bench.model.calls == 1
    assert len(bench(images(), FIRST, step=3).rows) == 5


def by_hand(bench: Bench, x: Tensor, rows: Tensor, label: Tensor | None) -> Tensor:
    """The reference of the whole batch, then the search on the rows alone, noise drawn for these."""
    model, options = bench.model, bench.lpa3.options
    with frozen(model), bn_domain(model, bench.lpa3.bn_domain):
        z = model.normalise(x)
        reference = attack.make_reference(model.from_normalised(z), label, options.temperature).rows(rows)
        noise = bench.draws.uniform((len(rows), 3, 8, 8), -options.start, options.start, like=z)
        box = attack.Box.of(model.mean, model.std)
        delta, _ = attack.search(model.from_normalised, z[rows], noise, reference, box=box, options=options)
    return (x[rows] + delta * model.std).clamp(0, 1)


@pytest.mark.parametrize("label", ["model", "given"])
@pytest.mark.parametrize("domain", ["aux", "main"])
def test_is_the_search_on_the_selected_rows(label: str, domain: str) -> None:
    options = {"ratio": 0.4, "label": label, "domain": domain, "margin": 0.1, "lam": 5.0, "temperature": 0.5}
    bench, twin = Bench(**options), Bench(**options)
    x = images()
    labels = torch.arange(10) % CLASSES
    view = bench(x, FIRST, target=torch.eye(CLASSES)[labels])
    expected = by_hand(twin, x, torch.arange(4), labels if label == "given" else None)
    torch.testing.assert_close(view.x, expected, rtol=0, atol=1e-6)
    assert bench.lpa3.bn_domain == domain


def test_given_labels_matter_and_need_a_target() -> None:
    target = torch.eye(CLASSES)[torch.arange(10) % CLASSES]
    given = Bench(ratio=1.0, label="given")(images(), FIRST, target=target).x
    own = Bench(ratio=1.0)(images(), FIRST, target=target).x
    none = Bench(ratio=1.0, label="given")(images(), FIRST).x
    assert not torch.equal(given, own)
    assert torch.equal(none, own)


def test_without_iterations_the_start_noise_is_left() -> None:
    bench = Bench(ratio=1.0, iterations=0, start=0.02)
    x = images() * 0.9 + 0.05
    view = bench(x, FIRST)
    moved = (view.x - x).abs()
    assert moved.max() <= 0.02 * 0.25 + 1e-6
    assert moved.mean() == pytest.approx(0.01 * 0.25, rel=0.1)
    assert bench.model.calls == 1
    assert set(view.info) == {"selected"}


@pytest.mark.parametrize("select", ["batch", "dataset"])
def test_resumes_bit_for_bit(select: str) -> None:
    def steps(bench: Bench, numbers: range) -> list[View]:
        return [bench(images(k), FIRST + 10 * (k % 2), step=k, pass_no=k // 2) for k in numbers]

    whole = Bench(ratio=0.5, select=select)
    expected = steps(whole, range(6))[-1]
    first, second = (Bench(ratio=0.5, select=select) for _ in range(2))
    steps(first, range(5))
    second.lpa3.load_state_dict(copy.deepcopy(first.lpa3.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    second.model.load_state_dict(first.model.state_dict())
    found = steps(second, range(5, 6))[0]
    assert torch.equal(found.rows, expected.rows)
    assert torch.equal(found.x, expected.x)
    for name, value in whole.lpa3.state_dict()["bank"].items():
        assert torch.equal(second.lpa3.state_dict()["bank"][name], value), name
    assert len(found.rows) < 10


def test_nothing_waits_for_the_device_in_batch_mode() -> None:
    bench = Bench(ratio=0.5)
    x = images()
    ctx = SimpleNamespace(
        model=bench.model,
        index=FIRST,
        target=None,
        copies=1,
        step=0,
        pass_no=1,
        draws=bench.draws,
        pool=None,
        processes=ALONE,
    )
    with frozen(bench.model), HostSyncs() as syncs:
        bench.lpa3.generate(x, ctx)  # type: ignore[arg-type]
    assert syncs.found == []


def test_where_it_makes_no_sense() -> None:
    def reason(slot: SlotName, **options: Any) -> str | None:
        return LPA3(**options).unsupported(SPEC, SLOTS[slot])

    assert reason("positives") is None
    assert "ratio" in (reason("view", domain="main") or "")
    assert "ratio" in (reason("strong", select="dataset", ratio=1.0) or "")
    assert "warmup_steps" in (reason("strong", warmup_steps=1, ratio=1.0) or "")
    assert "domain" in (reason("view", ratio=1.0) or "")
    assert reason("view", ratio=1.0, domain="main") is None
    assert reason("strong", ratio=1.0) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin", -1), ("margin", 0), ("step_size", 0), ("iterations", -1), ("lam", -1), ("ratio", 1.1),
        ("ratio", -0.1), ("select", "epoch"), ("tcs", "kl"), ("label", "true"), ("warmup_steps", -1),
        ("temperature", 0), ("start", -1), ("probe", 0), ("floor", 0), ("domain", "both"),
    ],
)  # fmt: skip
def test_values_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        LPA3(**{name: value})


def test_a_random_direction_takes_views_as_far_at_the_same_cost() -> None:
    x = images()
    searched, drawn = (Bench(ratio=1.0, margin=0.002, direction=of) for of in ("search", "random"))
    there, elsewhere = searched(x, FIRST), drawn(x, FIRST)
    far, other = ((view.x - x).flatten(1).norm(dim=1) for view in (there, elsewhere))
    assert torch.allclose(far, other, rtol=1e-3)
    assert not torch.allclose(there.x, elsewhere.x, atol=1e-3)
    assert searched.model.calls == drawn.model.calls
    assert there.info["distance"] == elsewhere.info["distance"], "the same search"


def test_a_search_in_pixels_goes_farther_in_pixels() -> None:
    x = images()
    far = {
        of: (Bench(ratio=1.0, distance=of)(x, FIRST).x - x).flatten(1).norm(dim=1).mean()
        for of in ("features", "pixels")
    }
    assert far["pixels"] > 1.2 * far["features"]


def test_a_direction_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="direction: must be 'search' or 'random', not 'up'"):
        LPA3(direction="up")  # type: ignore[arg-type]
