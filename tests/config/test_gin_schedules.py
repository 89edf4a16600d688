"""Settings that stretch and cut the schedules of digits move every point of them, and nothing else."""

from __future__ import annotations

import pytest
from support.shipped_configs import loaded, value

from lpa3bench.config import Config

PES = ("run.epochs", "PES.warmup_epochs", "PES.head_epochs", "PES.late_epoch", "PES.ramp_epochs")
WARMUP = "positives/LPA3.warmup_steps"


def moved(file: str, setting: str, *, overlay: str = "augmenters/lpa3") -> dict[str, tuple[float, float]]:
    """What a setting changes: the values of the whole schedule and its own."""
    whole, other = (
        {v.name: v.text for v in config.values if not v.name.startswith("run.setting")}
        for config in (loaded(file, overlay), loaded(file, overlay, setting=setting))
    )
    assert whole.keys() == other.keys()
    return {name: (float(whole[name]), float(other[name])) for name in whole if whole[name] != other[name]}


def steps(config: Config) -> float:
    return float(value(config, "run.epochs")) * float(value(config, "FixMatch.steps_per_epoch"))


@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_budget_of_pes_is_the_whole_schedule_that_many_times(times: int) -> None:
    found = moved("digits_pes", f"budget{times}")
    assert found.keys() == {*PES}
    assert {after / before for before, after in found.values()} == {times}


@pytest.mark.parametrize("part", [2, 4, 8])
def test_a_short_schedule_of_pes_is_as_near_as_whole_epochs_come(part: int) -> None:
    found = moved("digits_pes", f"short{part}")
    assert {"run.epochs", "PES.late_epoch"} <= found.keys() <= {*PES}
    for before, after in found.values():
        assert abs(after - max(before / part, 1)) <= 0.5


@pytest.mark.parametrize(
    ("setting", "times"), [(f"budget{k}", k) for k in (2, 4, 8)] + [(f"short{k}", 1 / k) for k in (2, 4, 8)]
)
@pytest.mark.parametrize("overlay", ["lpa3", "lpa3_fast"])
def test_fixmatch_takes_that_share_of_the_steps_and_lpa3_of_its_warm_up(
    setting: str, times: float, overlay: str
) -> None:
    found = moved("digits_fixmatch", setting, overlay=f"augmenters/{overlay}")
    (warmup,) = (found.pop(name) for name in [*found] if name.endswith(".warmup_steps"))
    assert warmup[1] == warmup[0] * times
    whole, other = (loaded("digits_fixmatch", setting=s) for s in (None, setting))
    assert steps(other) == steps(whole) * times
    assert found.keys() <= {"run.epochs", "FixMatch.steps_per_epoch", "FixMatch.ema_decay"}
    if times > 1:
        assert "FixMatch.ema_decay" not in found
    else:
        before, after = found["FixMatch.ema_decay"]
        assert (1 - after) * times == pytest.approx(1 - before), "reaches over as large a part"


@pytest.mark.parametrize(
    ("file", "setting", "equal_cost", "kept"),
    [
        ("digits_pes", "sym50", "equal_cost", {"PES.lambda_u": "15.0", "SymmetricNoise.rate": "0.5"}),
        ("digits_pes", "sym80", "sym80_equal_cost", {"PES.lambda_u": "25.0", "SymmetricNoise.rate": "0.8"}),
        ("digits_supervised", "labels40", "labels40_equal_cost", {"FewLabels.count": "40"}),
        ("cifar10_mini_pes", "sym90", "equal_cost", {"PES.lambda_u": "25.0", "SymmetricNoise.rate": "0.9"}),
        ("cifar10_mini_fixmatch", "labels40", "equal_cost", {"FewLabels.count": "40"}),
    ],
)
def test_equal_cost_is_the_schedule_alone_stretched_by_one_factor(
    file: str, setting: str, equal_cost: str, kept: dict[str, str]
) -> None:
    whole, other = (loaded(file, setting=s) for s in (setting, equal_cost))
    texts, others = (
        {v.name: v.text for v in config.values if not v.name.startswith("run.setting")}
        for config in (whole, other)
    )
    assert {name: others[name] for name in kept} == {name: texts[name] for name in kept} == kept
    different = {name for name in texts if texts[name] != others[name]}
    assert different == ({*PES} if file.endswith("_pes") else {"run.epochs"})
    times = int(others["run.epochs"]) / int(texts["run.epochs"])
    for name in different:
        assert abs(int(others[name]) - int(texts[name]) * times) <= 1


def test_noise_of_80_percent_takes_the_weights_published_for_cifar10() -> None:
    for overlays in ((), ("augmenters/lpa3",)):
        ours, published = (loaded(file, *overlays, setting="sym80") for file in ("digits_pes", "cifar10_pes"))
        assert value(ours, "PES.lambda_u") == value(published, "PES.lambda_u")
