"""LPA3Fast: LP-A3's own search, from what is remembered of each image, at the passes that it promises."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.lpa3_bench import CLASSES, FIRST, SPEC, Bench, Model, images

from lpa3bench import attack
from lpa3bench.api import View
from lpa3bench.nn.bank import divergence_lpa3
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.runtime.distributed import ALONE
from lpa3bench.types import SLOTS, SlotName, WeakView
from lpa3bench_plugins.augmenters.lpa3fast import LPA3Fast, Memory


class Fast(Bench):
    """It with a memory."""

    of = LPA3Fast

    @property
    def memory(self) -> Memory:
        memory: Memory = self.lpa3.memory
        return memory


def test_defaults_cost_a_fifth_more_than_plain_training() -> None:
    fast = LPA3Fast()
    options = fast.options
    assert (fast.ratio, options.iterations, options.probe) == (0.1, 1, None), "1 + 2 · 0.1"
    assert (options.margin, options.lam, fast.decay, options.start) == (0.02, 10, 0.9, 0.01)
    assert options.schedule()[0].lam == 1, "at its only iteration λ weighs as much as LP-A3's in the end"


SAME: dict[str, Any] = {"ratio": 1.0, "iterations": 5, "lam": 1.0, "probe": 0.1}


@pytest.mark.parametrize("label", ["model", "given"])
@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_it_is_lpa3s_search_where_it_has_nothing_of_its_own(label: str, decay: float) -> None:
    """Every image, five iterations, a probe: bit for bit at first, and always where nothing is kept."""
    fast, whole = Fast(**SAME, decay=decay, label=label), Bench(ratio=1.0, label=label)
    target = torch.eye(CLASSES)[FIRST % CLASSES]
    for step in range(2):
        x = images(step)
        view, expected = (bench(x, FIRST, step=step, target=target) for bench in (fast, whole))
        assert torch.equal(view.x, expected.x) == (step == 0 or decay == 0)
        assert torch.equal(view.rows, expected.rows)
        assert view.info.keys() == expected.info.keys()


def test_it_goes_on_where_the_last_search_of_each_image_ended() -> None:
    fast = Fast(ratio=1.0, probe=0.1, decay=0.5, start=0.0, storage="single")
    kept = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 0.1
    fast.memory.delta.copy_(kept)
    index, x = torch.tensor([7, 3, 11, 0]), images(count=4)
    twin = Model()
    view = fast(x, index)
    with frozen(twin):
        z = twin.normalise(x)
        reference = attack.make_reference(twin.from_normalised(z))
        box = attack.Box.of(twin.mean, twin.std)
        options = fast.lpa3.options
        delta, _ = attack.search(
            twin.from_normalised, z, kept[index] * 0.5, reference, box=box, options=options
        )
    torch.testing.assert_close(view.x, attack.perturbed(x, delta, twin.std))
    torch.testing.assert_close(fast.memory.delta[index], delta)
    others = torch.tensor([i for i in range(20) if i not in index])
    assert torch.equal(fast.memory.delta[others], kept[others])
    assert fast.memory.step[index].tolist() == [0] * 4
    assert (fast.memory.step[others] == -1).all()


@pytest.mark.parametrize(("probe", "passes"), [(None, 3), (0.1, 4)])
@pytest.mark.parametrize("iterations", [1, 3])
def test_passes_are_those_of_its_page(probe: float | None, passes: int, iterations: int) -> None:
    """With three for the loss on the views 1 + 2·ratio times a supervised step, or 1 + 7/3·ratio."""
    fast = Fast(ratio=0.3, probe=probe, iterations=iterations)
    view = fast(images(), FIRST)
    assert len(view.rows) == 3
    assert fast.model.passes == 3 * (1 + (passes - 1) * iterations)


def test_without_a_probe_the_slope_is_that_from_the_image() -> None:
    """And a step takes it no further than the trust in it goes."""
    model = Model()
    z = model.normalise(images())
    with frozen(model):
        reference = attack.make_reference(model.from_normalised(z))
        options = attack.Options(probe=None, iterations=1, margin=0.5)
        box = attack.Box(torch.full((3, 1, 1), -100.0), torch.full((3, 1, 1), 100.0))
        delta = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)) * 0.05
        (last,) = attack.trace(model.from_normalised, z, delta, reference, box=box, options=options)
    length = delta.flatten(1).norm(dim=1)
    assert last.probe_logp is None
    torch.testing.assert_close(last.rate, last.gap.abs() / length)
    bound = attack.TRUST * length
    torch.testing.assert_close(last.step_length, (0.5 / (last.rate + 1e-4)).minimum(bound))
    torch.testing.assert_close((last.delta - delta).flatten(1).norm(dim=1), last.step_length)


def test_new_images_come_first_then_those_that_have_come_furthest() -> None:
    fast = Fast(ratio=0.3)
    assert fast(images(), FIRST, step=0).rows.tolist() == [0, 1, 2]
    assert fast(images(), FIRST, step=1).rows.tolist() == [3, 4, 5]
    fast.memory.step[:10] = torch.tensor([1, 2, 3, 4, 5, 5, 5, 5, 5, 5])
    fast.memory.pace[:10] = torch.tensor([1.0, 2, 1, 0.5, 3, 9, 0, 0, 0, 0])
    assert fast(images(), FIRST, step=6).rows.tolist() == [0, 1, 5], "pace times steps since"


def test_the_label_to_preserve_is_that_of_the_rows_selected() -> None:
    """Targets of rows that are left out are all one; those of the others are not."""
    made = []
    for rows in ([], [0, 1, 2, 3, 4, 5, 6], [7, 8, 9]):
        fast = Fast(ratio=0.3, label="given", margin=0.1)
        fast.memory.step[:7] = 0
        target = torch.eye(CLASSES)[FIRST % CLASSES]
        target[rows] = target[rows].roll(1, dims=1)
        view = fast(images(), FIRST, step=1, target=target)
        assert view.rows.tolist() == [7, 8, 9]
        made.append(view.x)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_the_number_selected_is_the_nearest_whole_one() -> None:
    for ratio, count in ((0.28, 3), (0.32, 3)):
        assert len(Fast(ratio=ratio)(images(), FIRST).rows) == count
        assert len(Fast(ratio=ratio, select="random")(images(), FIRST).rows) == count


def test_what_is_remembered_of_predictions() -> None:
    fast = Fast(ratio=1.0, temperature=0.5)
    never = torch.full((10, CLASSES), 1 / CLASSES)
    with bn_domain(fast.model, "aux"), frozen(fast.model):
        said = (copy.deepcopy(fast.model)(images()).logits / 0.5).softmax(1)
    fast(images(), FIRST, step=4)
    torch.testing.assert_close(fast.memory.probabilities[:10], said)
    first, pace = fast.memory.probabilities[:10].clone(), fast.memory.pace[:10].clone()
    torch.testing.assert_close(pace, divergence_lpa3(first, never))
    fast(images(1), FIRST, step=7)
    second = fast.memory.probabilities[:10]
    assert not torch.equal(first, second)
    torch.testing.assert_close(fast.memory.pace[:10], divergence_lpa3(second, first) / 3)


def test_any_rows_are_drawn() -> None:
    fast = Fast(ratio=0.3, select="random")
    drawn = [tuple(fast(images(), FIRST, step=step).rows.tolist()) for step in range(4)]
    assert {len(rows) for rows in drawn} == {3}
    assert len(set(drawn)) > 1


def test_copies_are_one_sample() -> None:
    """Both views of a selected sample are treated, and the memory takes their mean."""
    fast = Fast(ratio=0.4, storage="single")
    x = images(count=10)
    view = fast(x, FIRST[:5].repeat(2), copies=2)
    assert view.rows.tolist() == [0, 1, 5, 6]
    moved = ((view.x - x[view.rows]) / fast.model.std).view(2, 2, 3, 8, 8).mean(0)
    torch.testing.assert_close(fast.memory.delta[:2], moved, rtol=0, atol=1e-5)


def test_images_outside_the_training_set_touch_no_memory() -> None:
    fast = Fast(ratio=0.3)
    assert len(fast(images(), None).rows) == 10
    assert not fast.memory.delta.any()
    assert (fast.memory.step == -1).all()


def test_nothing_is_called_before_the_warm_up_is_over_or_where_nothing_is_selected() -> None:
    for options, step in (({"warmup_steps": 3}, 2), ({"ratio": 0.0}, 9), ({"ratio": 0.01}, 9)):
        fast = Fast(**options)
        assert fast(images(), FIRST, step=step).x.shape == (0, 3, 8, 8)
        assert fast.model.calls == 0
        assert not fast.memory.delta.any()
    assert len(Fast(warmup_steps=3, ratio=0.3)(images(), FIRST, step=3).rows) == 3


@pytest.mark.parametrize("select", ["consistency", "random"])
def test_resumes_from_its_memory_bit_for_bit(select: str) -> None:
    def steps(bench: Fast, numbers: range) -> list[View]:
        return [bench(images(k), FIRST + 10 * (k % 2), step=k) for k in numbers]

    whole, first, second = (Fast(ratio=0.5, select=select) for _ in range(3))
    expected = steps(whole, range(6))[-1]
    steps(first, range(5))
    second.lpa3.load_state_dict(copy.deepcopy(first.lpa3.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    second.model.load_state_dict(first.model.state_dict())
    found = steps(second, range(5, 6))[0]
    assert torch.equal(found.rows, expected.rows)
    assert torch.equal(found.x, expected.x)
    for name, value in whole.memory.state_dict().items():
        assert torch.equal(second.memory.state_dict()[name], value), name


def test_its_memory_waits_for_no_device() -> None:
    fast = Fast(ratio=0.5)
    ctx = SimpleNamespace(
        model=fast.model, index=FIRST, target=None, copies=1, step=0, pass_no=1,
        draws=fast.draws, pool=None, processes=ALONE,
    )  # fmt: skip
    with frozen(fast.model), HostSyncs() as syncs:
        fast.lpa3.generate(images(), ctx)
    assert syncs.found == []


def test_the_memory_has_the_size_of_the_views() -> None:
    small = replace(SPEC, weak=WeakView(crop=6))
    assert Memory(4, small, storage=torch.float16).delta.shape == (4, 3, 6, 6)
    assert Memory(4, SPEC, storage=torch.float16).delta.dtype == torch.float16


def test_slots_and_processes() -> None:
    def reason(slot: SlotName, **options: Any) -> str | None:
        return LPA3Fast(**options).unsupported(SPEC, SLOTS[slot])

    assert reason("positives") is None
    assert "LPA3Fast selects; set ratio = 1" in (reason("strong") or "")
    assert "warmup_steps" in (reason("strong", ratio=1.0, warmup_steps=1) or "")
    assert reason("strong", ratio=1.0) is None
    assert "domain" in (reason("view", ratio=1.0) or "")
    assert reason("view", ratio=1.0, domain="main") is None
    assert "torchrun" in (LPA3Fast().unshared() or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decay", 1.5),
        ("select", "batch"),
        ("storage", "double"),
        ("ratio", 2.0),
        ("probe", 0.0),
        ("label", "x"),
    ],
)
def test_parameters_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        LPA3Fast(**{name: value})
