"""A dry run goes through every phase, on made-up images, and touches no disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lpa3bench.api import Phase
from lpa3bench.config import Config, load_config
from lpa3bench.errors import ConfigError, RunFailed
from lpa3bench.plugin import registry
from lpa3bench.testing import no_global_randomness
from lpa3bench.training.dry_run import count_passes, forecast, try_every_phase

BASE = """
run.dataset = @datasets.CIFAR10()
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.positives = @augmenters.LPA3()
LPA3.iterations = 2
LPA3.ratio = 1.0
run.epochs = 4
"""
SUPERVISED = "run.task = @tasks.Supervised()\n"
PES = "run.task = @tasks.PES()\nPES.warmup_epochs = 2\nPES.head_epochs = 1\n"


def config(folder: Path, text: str, *bindings: str) -> Config:
    path = folder / "test.gin"
    path.write_text(BASE + text)
    return load_config([path], bindings=bindings, registry=registry.load_registry())


def test_nothing_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 is not there, and need not be."""
    made = config(tmp_path, PES)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("HOME", str(empty))
    monkeypatch.setenv("LPA3BENCH_DATA", str(empty))
    with no_global_randomness():
        try_every_phase(made, device="cpu")
    assert [*empty.rglob("*")] == []


def test_every_phase_does_a_step_at_a_small_batch(tmp_path: Path) -> None:
    done = try_every_phase(config(tmp_path, PES), device="cpu")
    assert [cost.phase.name for cost in done.phases] == ["warm-up", "head", "mixmatch"]
    assert [cost.phase.first_epoch for cost in done.phases] == [0, 2, 2]
    assert (done.batch_size, done.full_batch_size) == (8, 128)
    warm_up, head, mixmatch = (cost.passes for cost in done.phases)
    assert warm_up == 8 * 3
    assert head == 8, "nothing goes back through the body"
    assert mixmatch > warm_up
    assert all(cost.loss >= 0 for cost in done.phases)
    assert done.parameters > 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("PES.warmup_epochs = 0\n", ["head", "mixmatch"]),
        ("PES.head_epochs = 0\n", ["warm-up", "mixmatch"]),
        ("PES.warmup_epochs = 4\n", ["warm-up"]),
        ("PES.warmup_epochs = 3\n", ["warm-up", "head", "mixmatch"]),
    ],
)
def test_phases_that_a_config_leaves_out_are_not_waited_for(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    lines = [line for line in PES.splitlines() if line.split(" =")[0] not in text]
    done = try_every_phase(config(tmp_path, "\n".join(lines) + "\n" + text), device="cpu")
    assert [cost.phase.name for cost in done.phases] == names


def test_the_cost_of_a_step_is_counted_exactly(tmp_path: Path) -> None:
    (cost,) = try_every_phase(config(tmp_path, SUPERVISED), device="cpu", repeats=2).phases
    own, search = 3 + 3, 1 + 2 * 2 + 2
    assert cost.passes == 8 * (own + search)


def test_it_repeats_with_the_same_numbers(tmp_path: Path) -> None:
    one, other = (try_every_phase(config(tmp_path, PES), device="cpu") for _ in range(2))
    assert [cost.loss for cost in one.phases] == [cost.loss for cost in other.phases]


def test_partial_labels_are_rehearsed_as_such(tmp_path: Path) -> None:
    few = "run.labels = @labels.FewLabels()\nFewLabels.count = 40\n"
    (cost,) = try_every_phase(config(tmp_path, SUPERVISED + few), device="cpu").phases
    assert cost.phase.steps_per_epoch == 2, "half of the four made-up batches have labels"


def test_a_loss_that_is_no_number_is_found_with_its_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lpa3bench_plugins.tasks.supervised import Supervised

    made = config(tmp_path, SUPERVISED)
    monkeypatch.setattr(Supervised, "update", lambda *_: {"loss": torch.tensor(float("nan"))})
    with pytest.raises(RunFailed, match="^phase train: the loss of its first step is nan"):
        try_every_phase(made, device="cpu")


def test_a_phase_that_never_comes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lpa3bench_plugins.tasks.supervised import Supervised

    made = config(tmp_path, SUPERVISED)
    phases = (Phase("train", 0, 2), Phase("fine-tune", 3, 2))
    monkeypatch.setattr(Supervised, "phases", lambda *_: phases)
    with pytest.raises(RunFailed, match="^Supervised: no step of phase fine-tune came"):
        try_every_phase(made, device="cpu")


def test_nonsense_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run.view: LPA3"):
        try_every_phase(config(tmp_path, SUPERVISED, "run.view = @augmenters.LPA3()"), device="cpu")


def test_a_forecast_knows_the_steps_of_a_data_set_that_is_not_here(tmp_path: Path) -> None:
    text = "run.task = @tasks.Supervised()\nrun.labels = @labels.FewLabels()\nFewLabels.count = 1000\n"
    told = forecast(config(tmp_path, text), root=tmp_path, device="cpu")
    (phase,) = told["phases"]
    assert phase["steps"] == 4 * 8  # epochs of 1,000 labelled images in batches of 128
    assert told["hours"] == pytest.approx(phase["seconds_per_step"] * 32 / 3600)


def test_the_same_network_and_as_many_passes_are_forecast_the_same_time(tmp_path: Path) -> None:
    """The seconds of a pass are measured once a network, whatever else the cells are."""
    rates: dict[str, float] = {}
    plain = SUPERVISED + "run.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = "
    made = [
        forecast(config(tmp_path, plain + rate), root=tmp_path, device="cpu", rates=rates)
        for rate in ("0.5", "0.9")
    ]
    (rate,) = rates.values()
    assert made[0]["hours"] == made[1]["hours"] > 0
    (phase,) = made[0]["phases"]
    assert phase["seconds_per_step"] == pytest.approx(phase["forward_equivalents_per_step"] * rate)
    wider = config(tmp_path, SUPERVISED, "SmallNet.width = 8")
    forecast(wider, root=tmp_path, device="cpu", rates=rates)
    assert len(rates) == 2


def test_all_passes_of_a_run_are_counted_without_a_clock(tmp_path: Path) -> None:
    made = config(tmp_path, SUPERVISED)
    told = forecast(made, root=tmp_path, device="cpu")
    (phase,) = told["phases"]
    assert count_passes(made, root=tmp_path) == phase["steps"] * phase["forward_equivalents_per_step"]
    assert phase["forward_equivalents_per_step"] == 128 * (3 + 3 + 1 + 2 * 2 + 2)
