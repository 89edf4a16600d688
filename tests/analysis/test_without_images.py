"""Runs opened without the images that they were trained on."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import torch
from support.small_trained import DIVIDEMIX, FIXMATCH, SUPERVISED, train

from lpa3bench.analysis.trained_run import open_run
from lpa3bench.analysis.without_images import tells_of_data
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.training.predictions import read_predictions
from lpa3bench.training.run_directory import RunDirectory, _Env
from lpa3bench.types import Weights

NOISE = "run.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = 0.2\n"
TASKS = {
    "FixMatch": FIXMATCH,
    "Supervised": SUPERVISED + "run.resize = 12\n",
    "DivideMix": DIVIDEMIX,
    "PES": f"run.task = @tasks.PES()\nPES.batch_size = 8\nPES.warmup_epochs = 1\n{NOISE}",
    "Mixup": f"run.task = @tasks.Mixup()\nMixup.batch_size = 16\n{NOISE}",
    "PCorrection": f"run.task = @tasks.PCorrection()\nPCorrection.batch_size = 16\n{NOISE}",
    "MCorrection": f"run.task = @tasks.MCorrection()\nMCorrection.batch_size = 16\n{NOISE}",
}


@pytest.mark.parametrize("task", TASKS)
def test_it_predicts_as_it_did(tmp_path: Path, task: str) -> None:
    """Images go the way of new ones: as bytes, through the run's own resizing."""
    run = train(tmp_path, TASKS[task])
    stored = read_predictions(run / "predictions.npz")
    assert stored is not None
    kinds: tuple[Weights, ...] = ("last", "best")
    for weights in kinds:
        opened = open_run(run, data=None, weights=weights, device="cpu")
        pixels = opened.config.experiment().dataset.load(tmp_path)["test"].images
        assert torch.equal(opened.probabilities(pixels), stored.of(weights)["test"].probs)
        assert opened.changed == ()


def test_a_run_of_an_earlier_engine_wants_the_data(tmp_path: Path) -> None:
    run = train(tmp_path, SUPERVISED)
    assert tells_of_data(run)
    folder = RunDirectory(run)
    env = msgspec.json.decode(folder.env.read_bytes(), type=_Env)
    env.spec = msgspec.UNSET
    env.digest = env.digest_of_rest()
    folder.env.write_text(json.dumps(msgspec.to_builtins(env)))
    assert "spec" not in json.loads(folder.env.read_text())
    assert not tells_of_data(run)
    with pytest.raises(RunFailed, match="does not say what its data set is, as runs do now; give --data"):
        open_run(run, data=None, device="cpu")
    assert open_run(run, data=tmp_path, device="cpu").changed == ()


def test_without_its_labels_it_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, SUPERVISED)
    (run / "labels.npz").unlink()
    with pytest.raises(DataError, match=r"labels\.npz: damaged or gone"):
        open_run(run, data=None, device="cpu")
