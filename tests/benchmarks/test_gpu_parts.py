"""What the GPU benchmark is made of, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import gpu
import numpy as np
import pytest
import torch
from gpu_parts import (
    budget,
    cells,
    checks,
    compiled,
    growth,
    plain,
    precision,
    repeats,
    rivals,
    table,
    together,
    watch,
)
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench import attack
from lpa3bench_plugins.backbones.wideresnet import WideResNet

CPU = torch.device("cpu")


# -------------------------------------------------------------------------------------------------- budget
def test_parts_that_fail_or_have_no_time_leave_the_others_alone() -> None:
    setting = budget.Setting(device=CPU, toy=True, quick=True)
    saved: list[int] = []

    def broken() -> Any:
        raise ValueError("first line\nsecond line")

    def first(_: budget.Setting) -> Iterator[budget.Item]:
        yield "breaks", broken
        yield "works", lambda: 1

    def second(setting: budget.Setting) -> Iterator[budget.Item]:
        assert 50 < setting.deadline.left <= 60  # the share of the first is over to the second
        yield "in time", lambda: 2
        setting.deadline = budget.Deadline(0)
        yield "too late", lambda: 3

    parts: dict[str, tuple[float, budget.Part]] = {"first": (0.5, first), "second": (0.5, second)}
    budget.run(setting, parts, 60, after=lambda: saved.append(1))
    assert setting.results == {"first": {"works": 1}, "second": {"in time": 2}}
    assert setting.failed == ["first, breaks: ValueError: first line"]
    assert setting.left_out == ["second, too late: no time"]
    assert len(saved) == 3


def test_what_takes_too_long_is_ended_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "GRACE", 0.05)
    setting = budget.Setting(device=CPU, toy=True, quick=True)

    def endless() -> Any:
        while True:
            torch.ones(3).sum()

    def slow(setting: budget.Setting) -> Iterator[budget.Item]:
        setting.deadline = budget.Deadline(0.05)
        yield "endless", endless

    def quick(_: budget.Setting) -> Iterator[budget.Item]:
        yield "works", lambda: 1

    budget.run(setting, {"slow": (0.5, slow), "quick": (0.5, quick)}, 60, after=lambda: None)
    assert setting.results == {"slow": {}, "quick": {"works": 1}}
    assert setting.left_out == ["slow, endless: not done within 0 s"]
    assert setting.failed == []


# --------------------------------------------------------------------------------------------------- watch
def test_tally_of_what_a_profiler_saw() -> None:
    seen = watch.tally(
        [
            watch.Event("aten::conv2d", False, 1.0),
            watch.Event("cudaLaunchKernel", False, 1.0),
            watch.Event("big", True, 3e-3),
            watch.Event("small", True, 1e-3),
            watch.Event("small", True, 1e-3),
            watch.Event("Memcpy DtoH (Device -> Pageable)", True, 1.0),
            watch.Event("Memcpy HtoD (Pageable -> Device)", True, 1.0),
            watch.Event("Memset (Device)", True, 1.0),
            watch.Event("cudaStreamSynchronize", False, 1.0),
        ]
    )
    assert (seen["kernels"], seen["waits"], seen["copies_to_host"]) == (3, 1, 1)
    assert seen["busy_seconds"] == pytest.approx(5e-3)
    assert [(row["name"], row["calls"]) for row in seen["top_kernels"]] == [("big", 1), ("small", 2)]


def test_a_cpu_runs_no_kernels() -> None:
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        torch.ones(3).sum()

    assert watch.profiled(CPU, act)["kernels"] == 0
    assert watch.host_syncs(CPU, act) is None
    assert len(calls) == 2


# -------------------------------------------------------------------------------------------------- checks
def test_verdicts_by_golden_file() -> None:
    told = """
tests/golden/test_golden_phi.py::one PASSED                [ 30%]
tests/golden/test_golden_phi.py::two[a - b] FAILED         [ 60%]
tests/golden/test_golden_tcs.py::three SKIPPED (no GPU)    [100%]
FAILED tests/golden/test_golden_phi.py::two[a - b] - off by 3
"""
    found = checks.verdicts(told, ["B", "G"], finished=True)
    rest = {"unfinished": False}
    assert found["G"] == {"passed": 1, "failed": ["two[a - b]: off by 3"], "skipped": 0, **rest}
    assert found["B"] == {"passed": 0, "failed": [], "skipped": 1, **rest}


def test_golden_tests_that_were_cut_short_are_told_as_far_as_they_went() -> None:
    told = "tests/golden/test_golden_attack.py::one PASSED [ 1%]\ntests/golden/test_golden_attack.py::two "
    found = checks.verdicts(told, ["A", "D"], finished=False)
    assert found["A"] == {"passed": 1, "failed": [], "skipped": 0, "unfinished": True}
    assert found["D"]["passed"] == 0
    assert table.right({"results": {"checks": {"golden": found}}})
    found["A"]["failed"] = ["x"]
    assert not table.right({"results": {"checks": {"golden": found}}})


def test_every_golden_test_belongs_to_a_file() -> None:
    tests = {
        path.stem.removeprefix("test_golden_")
        for path in (checks.ROOT / "tests/golden").glob("test_golden_*")
    }
    assert tests == {name for names in checks.GOLDEN.values() for name in names}


def test_the_furthest_of_two_states() -> None:
    expected = {"a": torch.tensor([1.0, 4.0]), "b": torch.tensor(0.5)}
    assert checks.furthest(expected, expected) == 0
    other = {"a": torch.tensor([1.0, 4.4]), "b": torch.tensor(0.6)}
    assert checks.furthest(other, expected) == pytest.approx(0.1, rel=1e-5)
    with pytest.raises(ValueError, match="same tensors"):
        checks.furthest({"a": expected["a"]}, expected)


def test_host_draws_are_the_same_for_every_device() -> None:
    like = torch.empty(0, dtype=torch.float64)
    one, other = (checks.HostDraws(5).uniform((4, 3), -1, 1, like=like) for _ in range(2))
    assert one.dtype is torch.float64
    assert torch.equal(one, other)
    assert torch.equal(checks.HostDraws(5).uniform((2,)), checks.HostDraws(5).uniform((2,)))


def test_states_are_compared_bit_by_bit() -> None:
    state = {"x": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    assert repeats.compared(state, state)["bit_equal"]
    found = repeats.compared({"x": torch.tensor([1.0, 2.5]), "n": torch.tensor(3)}, state)
    assert (found["bit_equal"], found["different"], found["where"]) == (False, 1, "x")
    assert found["difference"] == pytest.approx(0.25)


# ----------------------------------------------------------------------------------------------- precision
@given(st.floats(min_value=2.0**-100, max_value=2.0**100, width=32), st.booleans())
def test_rounding_to_tf32(value: float, negative: bool) -> None:
    x = torch.tensor([-value if negative else value])
    rounded = precision.to_tf32(x)
    assert int(rounded.view(torch.int32)) % 2**13 == 0
    assert abs(float(rounded) / float(x) - 1) <= 2.0**-11
    assert torch.equal(precision.to_tf32(rounded), rounded)


def test_ties_go_to_the_even_number() -> None:
    step = 2.0**-10
    x = torch.tensor([1 + step / 2, 1 + 1.5 * step, 1.0])
    np.testing.assert_array_equal(precision.to_tf32(x).numpy(), [1.0, 1 + 2 * step, 1.0])


def test_rounded_products_round_both_ways() -> None:
    layer = torch.nn.Linear(16, 1, bias=False)
    x = torch.rand(1, 16, requires_grad=True)
    weight = layer.weight.detach().clone()
    with precision.rounded_products(layer):
        (gradient,) = torch.autograd.grad(layer(x).sum() * (1 + 2.0**-12), x)
    assert torch.equal(gradient, precision.to_tf32(weight))  # 1 + 2^-12 was rounded to 1 on its way back
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


def test_float64_is_its_own_reference() -> None:
    scene, _ = precision.trained(CPU, toy=True)
    exact = precision.first_step(scene, precision.EXACT)
    again = precision.first_step(scene, precision.EXACT)
    assert exact.delta.dtype is torch.float64
    assert torch.equal(exact.step_length, again.step_length)
    # The loss's scale changes nothing but its weight against the 1e-8 beside the gradient's norm.
    scaled = precision.first_step(scene, precision.EXACT._replace(share=precision.SCALE))
    assert torch.allclose(exact.step_length, scaled.step_length, rtol=1e-2)


# -------------------------------------------------------------------------------------------- growth, table
def test_line_through_points() -> None:
    found = growth.line((1, 2, 4), (3.0, 5.0, 9.0))
    assert (found["slope"], found["intercept"], found["r_squared"]) == pytest.approx((2, 1, 1))
    assert growth.line((1, 2, 3), (1.0, 3.0, 1.0))["r_squared"] < 0.5


def test_a_wrong_number_is_found_in_the_report() -> None:
    def report(**found: Any) -> dict[str, Any]:
        return {"results": {"checks": found}}

    alike = {"bit_equal": True, "difference": 0.0}
    apart = {"bit_equal": False, "difference": 1e-3}
    whole = {"unfinished": False}
    right = {"A": {"passed": 3, "failed": [], **whole}}
    assert table.right(report(golden=right))
    assert not table.right(report())
    assert not table.right(report(golden={"A": {"passed": 3, "failed": ["x"], **whole}}))
    assert not table.right(report(golden={"A": {"passed": 0, "failed": [], **whole}}))
    assert not table.right(report(**{"CPU and device, x": {"none": {"equal": False}}}))
    for mode, fine in (("default", True), ("deterministic", False)):
        repeated = {f"runs, {mode}": {"same_seed": alike, "resumed": apart}}
        assert table.right({"results": {"repeats": repeated}}) is fine


def test_one_cell_of_each_task() -> None:
    tasks = [type(cells.experiment(cell, cells.NONE, toy=True).task) for cell in cells.one_of_each_task()]
    assert len(set(tasks)) == len(tasks) == 7


# -------------------------------------------------------------------------------------------------- rivals
def test_the_search_written_plainly_is_the_same_search() -> None:
    torch.manual_seed(0)
    net = WideResNet(num_classes=10, in_channels=3, depth=10, widen=1).double()
    mean = torch.tensor((0.5, 0.4, 0.3), dtype=torch.float64).view(-1, 1, 1)
    std = mean / 2
    z = (torch.rand(6, 3, 32, 32, dtype=torch.float64) - mean) / std
    noise = torch.empty_like(z).uniform_(-0.01, 0.01)
    with torch.no_grad():
        output = net(z)
    options = attack.Options(margin=0.02, iterations=3)
    box = attack.Box.of(mean, std)
    ours, _ = attack.search(net, z, noise, attack.make_reference(output), box=box, options=options)
    theirs = plain.search(net, z, noise, output.logits, output.features, box, options)
    assert (ours - noise).abs().max() > 0.001
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-8)
    assert net.stem.weight.grad is not None, "a full backward pass"


def test_fixmatch_written_plainly_trains() -> None:
    made = cells.experiment(cells.ALL[0], cells.LPA3, toy=True)
    step = plain.PlainFixMatch(made, CPU, autocast=nullcontext, workers=0, images=64)
    before = {name: value.clone() for name, value in step.net.state_dict().items()}
    assert np.isfinite([step.advance() for _ in range(3)]).all()
    moved = [name for name, value in step.net.state_dict().items() if not torch.equal(value, before[name])]
    for part in ("head.weight", "running_mean", "aux.running_mean"):
        assert any(name.endswith(part) for name in moved), part


def test_how_much_longer_the_rival_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the two of them move."""
    clock = {"now": 0.0, "turn": 0}
    monkeypatch.setattr(watch.time, "perf_counter", lambda: clock["now"])
    setting = budget.Setting(device=CPU, toy=False, quick=True, deadline=budget.Deadline(60))

    def fast() -> None:
        clock["now"] += 2.0

    def slow() -> None:
        clock["turn"] += 1
        clock["now"] += 2.0 * clock["turn"]

    told = rivals.turn_by_turn(setting, {"fast": fast, "slow": slow}, calls=1, rounds=3)
    assert told == {"fast_seconds": 2.0, "slow_seconds": 6.0, "ratio": 3.0, "ratios": [2.0, 4.0], "rounds": 3}


# ------------------------------------------------------------------------------------------------ together
@pytest.mark.parametrize(
    ("found", "worth"),
    [
        ({1: 10.0}, 1),
        ({1: 10.0, 2: 19.0, 4: 19.1}, 2),
        ({1: 10.0, 2: 19.0, 4: 30.0}, 4),
        ({1: 9.0, 2: 8.0}, 1),
    ],
)
def test_how_many_processes_are_worth_having(found: dict[int, float], worth: int) -> None:
    assert together.worth_having(found) == worth


# ------------------------------------------------------------------------------------------------ compiled
@pytest.mark.slow
def test_a_compiled_network_takes_the_same_steps() -> None:
    setting = budget.Setting(device=CPU, toy=True, quick=True, deadline=budget.Deadline(60))
    row = compiled.one(setting, cells.ALL[0], cells.LPA3)
    assert row["loss_apart"] < 1e-5
    assert row["ratio"] > 0


def test_single_parts_share_the_time() -> None:
    assert [*gpu.chosen()] == [*gpu.PARTS]
    assert "growth" not in gpu.chosen(without=["growth"])
    two = gpu.chosen(["compiled", "checks"])
    assert [*two] == ["checks", "compiled"]
    assert sum(share for share, _ in two.values()) == pytest.approx(1)
    assert sum(share for share, _ in gpu.PARTS.values()) == pytest.approx(1)
