"""How a run is scored: its columns, the epoch that is selected, and the predictions that it leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lpa3bench import config
from lpa3bench.api import Metric, Phase
from lpa3bench.errors import PluginError
from lpa3bench.plugin import registry
from lpa3bench.testing import assert_same
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.predictions import Predictions, StoredPredictions, read_predictions
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.scoring import number
from lpa3bench.training.sinks import Sink
from lpa3bench_plugins.metrics.accuracy import Accuracy
from lpa3bench_plugins.metrics.nll import NLL
from lpa3bench_plugins.tasks.supervised import Supervised

GIN = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.weak = @WeakView()
run.epochs = 4
Synthetic.size = 8
Synthetic.train = 64
Synthetic.val = 24
Synthetic.test = 40
Synthetic.num_classes = 4
SmallNet.width = 4
WeakView.pad = 1
Supervised.batch_size = 16
Supervised.lr = 0.05
"""
DEFAULT = ("accuracy", "balanced_accuracy", "macro_auc", "nll", "ece")


def job(folder: Path, *bindings: str) -> Job:
    folder.mkdir(exist_ok=True)
    file = folder / "test.gin"
    file.write_text(GIN)
    loaded = config.load([file], bindings=bindings, registry=registry.load())
    return Job(config=loaded, device="cpu", data=folder, out=folder / "runs")


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RunDirectory(folder).metrics.read_text().splitlines()]


def stored(folder: Path) -> StoredPredictions:
    found = read_predictions(RunDirectory(folder).predictions)
    assert found is not None
    return found


class Killed(Exception):
    pass


class KillAfter(Sink):
    """Dies in the given epoch, after its row and before its checkpoint."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == self.at:
            raise Killed


def test_every_epoch_is_scored_by_every_metric_on_every_split(tmp_path: Path) -> None:
    folder = run(job(tmp_path)).folder
    names = [f"{split}/{metric}" for metric in DEFAULT for split in ("val", "test")]
    for row in rows(folder):
        assert list(row)[: 1 + len(names)] == ["epoch", *names]
        assert all(isinstance(row[name], float) for name in names)


def test_the_one_that_selects_stands_first_and_a_detail_nowhere(tmp_path: Path) -> None:
    metrics = "run.metrics = (@metrics.Accuracy(), @metrics.ConfusionMatrix(), @metrics.NLL())"
    folder = run(job(tmp_path, metrics, "run.select = 'nll'", "Synthetic.val = 0")).folder
    assert [name for name in rows(folder)[0] if "/" in name] == ["test/nll", "test/accuracy"]
    assert not (folder / "best.pt").exists()
    assert stored(folder).selected == {}


def test_the_predictions_are_those_that_were_scored(tmp_path: Path) -> None:
    folder = run(job(tmp_path)).folder
    curve, found = rows(folder), stored(folder)
    best = max(range(4), key=lambda epoch: (curve[epoch]["val/accuracy"], -epoch))
    for epoch, splits in ((3, found.last), (best, found.selected)):
        for split, its in splits.items():
            for metric in (Accuracy(), NLL()):
                assert number(metric, its) == curve[epoch][f"{split}/{metric.name}"]


def test_where_lower_is_better_the_lowest_epoch_is_kept(tmp_path: Path) -> None:
    folder = run(job(tmp_path, "run.select = 'nll'")).folder
    losses = [row["val/nll"] for row in rows(folder)]
    state = torch.load(folder / "best.pt", weights_only=True)
    assert state["epoch"] == losses.index(min(losses))
    assert number(NLL(), stored(folder).selected["val"]) == min(losses)


@pytest.mark.parametrize("select", ["accuracy", "nll"])
def test_a_run_that_was_killed_leaves_the_same_predictions(tmp_path: Path, select: str) -> None:
    binding = f"run.select = '{select}'"
    undisturbed = run(job(tmp_path / "one", binding)).folder
    disturbed = job(tmp_path / "two", binding)
    for epoch in (0, 2, 3):
        with pytest.raises(Killed):
            run(disturbed, [KillAfter(epoch)])
    found = [stored(folder) for folder in (undisturbed, run(disturbed).folder)]
    assert found[0].selected
    for when in ("last", "selected"):
        assert_same(*({split: its.probs for split, its in getattr(one, when).items()} for one in found))


def test_what_a_run_is_scored_by_changes_nothing_in_it(tmp_path: Path) -> None:
    folders = [run(job(tmp_path / name, *more)).folder for name, more in {
        "default": (), "few": ("run.metrics = (@metrics.Accuracy(),)",),
    }.items()]  # fmt: skip
    states = [RunDirectory(folder).checkpoints.load() for folder in folders]
    assert states[0] is not None
    assert states[1] is not None
    assert_same(states[0]["env"], states[1]["env"])
    assert torch.equal(stored(folders[0]).last["test"].probs, stored(folders[1]).last["test"].probs)


def test_a_run_that_goes_on_is_scored_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added meanwhile is computed later, from the predictions; no column begins half-way."""
    began = job(tmp_path, "run.metrics = (@metrics.Accuracy(),)")
    with pytest.raises(Killed):
        run(began, [KillAfter(2)])
    more = job(tmp_path, "run.metrics = (@metrics.Brier(), @metrics.Accuracy(), @metrics.ConfusionMatrix())")
    outcome = run(more)
    assert outcome.folder == tmp_path / "runs" / outcome.folder.name
    assert {name for row in rows(outcome.folder) for name in row if name.startswith("test/")} == {
        "test/accuracy"
    }


def test_a_metric_that_fails_is_named_before_the_second_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Metric, probs: torch.Tensor, labels: torch.Tensor) -> float | None:
        raise ZeroDivisionError("no images")

    monkeypatch.setattr(NLL, "compute", broken)
    with pytest.raises(PluginError, match=r"^NLL.compute failed \(ZeroDivisionError: no images\)"):
        run(job(tmp_path))


def test_a_phase_cannot_be_called_like_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its losses would stand among the scores."""
    real = Supervised.batches
    monkeypatch.setattr(Supervised, "phases", lambda *_: (Phase("val", 0, 4),))
    monkeypatch.setattr(
        Supervised, "batches", lambda *args: (step._replace(phase="val") for step in real(*args))
    )
    with pytest.raises(PluginError, match="Supervised.phases: a phase cannot be called val, like a split"):
        run(job(tmp_path))


def test_labels_of_images_that_were_held_out_are_the_given_ones(tmp_path: Path) -> None:
    noisy = ("run.labels = @labels.SymmetricNoise()", "SymmetricNoise.rate = 0.5")
    folder = run(job(tmp_path, "Synthetic.val = 0", "run.holdout = 24", *noisy)).folder
    found: Predictions = stored(folder).last["val"]
    assert len(found.labels) == 24
    assert number(Accuracy(), found) == rows(folder)[-1]["val/accuracy"]
