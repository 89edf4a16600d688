"""`lpa3bench predict`: new images, decoded and judged as a run's own."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.pictures import CLASSES, made_folder

from lpa3bench import config
from lpa3bench.cli import main
from lpa3bench.plugin import registry
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.predictions import StoredPredictions, read_predictions

CONFIG = """
run.task = @tasks.Supervised()
Supervised.batch_size = 3
run.dataset = @datasets.Images()
Images.path = "{path}"
Images.size = 8
Images.fit = "pad"
run.resize = 10
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.epochs = 3
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, `runs/…`, and its images, `new`, where the run does not look for them."""
    folder = tmp_path_factory.mktemp("predict")
    mine = made_folder(folder)
    (folder / "test.gin").write_text(CONFIG.format(path=mine))
    loaded = config.load_config([folder / "test.gin"], registry=registry.load_registry())
    done = run(Job(config=loaded, seed=0, device="cpu", data=folder, out=folder / "runs"))
    done.folder.rename(folder / "run")
    mine.rename(folder / "new")
    shutil.rmtree(folder / "runs")
    return folder


@pytest.fixture
def stored(place: Path) -> StoredPredictions:
    found = read_predictions(place / "run" / "predictions.npz")
    assert found is not None
    return found


def predict(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, words), "--device", "cpu"], catch_exceptions=False)


def test_the_file_says_which_images_and_classes_they_are(stored: StoredPredictions) -> None:
    assert stored.class_names == CLASSES
    for split in ("val", "test"):
        ids = stored.places[split].ids
        assert ids is not None
        assert [name.split("/")[:2] for name in ids] == [
            [split, CLASSES[label]] for label in stored.last[split].labels.tolist()
        ]


@pytest.mark.parametrize("weights", ["last", "best"])
def test_the_runs_own_test_images_are_predicted_as_it_did(
    place: Path, stored: StoredPredictions, weights: str
) -> None:
    done = predict(place / "run", place / "new" / "test", "--json", "--weights", weights)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["classes"] == [*CLASSES]
    own = (stored.last if weights == "last" else stored.selected)["test"]
    ids = stored.places["test"].ids
    assert ids is not None
    assert [f"test/{image['file']}" for image in told["images"]] == [*ids]
    assert [image["probabilities"] for image in told["images"]] == own.probs.tolist()
    assert [image["class"] for image in told["images"]] == [CLASSES[best] for best in own.probs.argmax(1)]


def test_a_table_for_people_and_one_for_programs(place: Path) -> None:
    (place / "=odd").mkdir(exist_ok=True)
    shutil.copy(place / "new/test/ant/0.png", place / "=odd/=1.png")
    lines = predict(place / "run", place / "new/test/ant").stdout.splitlines()
    assert lines[0].split() == ["file", "class", "probability", "next", "probability"]
    assert [line.split()[0] for line in lines[1:]] == ["0.png", "1.png"]
    assert all(float(line.split()[2]) >= float(line.split()[4]) for line in lines[1:])
    (row,) = csv.DictReader(io.StringIO(predict(place / "run", place / "=odd", "--csv").stdout))
    assert list(row) == ["file", "class", "probability", "p(ant)", "p(bee)", "p(cat)"]
    assert row["file"] == "'=1.png"
    assert float(row["probability"]) == float(row[f"p({row['class']})"])
    assert sum(float(row[f"p({name})"]) for name in CLASSES) == pytest.approx(1)


def test_an_archive_and_one_file(place: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", images=np.zeros((2, 9, 9, 3), np.uint8))
    told = json.loads(predict(place / "run", tmp_path / "new.npz", "--json").stdout)
    assert [image["file"] for image in told["images"]] == ["images[0]", "images[1]"]
    one = json.loads(predict(place / "run", place / "new/test/ant/0.png", "--json").stdout)
    assert [image["file"] for image in one["images"]] == ["0.png"]


def test_an_export_predicts_the_same_and_knows_its_weights(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "best"
    words = ["export", place / "run", "--weights", "best", "--out", out, "--device", "cpu"]
    done = CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    images = place / "new" / "test"
    ours, theirs = predict(place / "run", images, "--csv", "--weights", "best"), predict(out, images, "--csv")
    assert ours.stdout == theirs.stdout
    assert predict(out / "model.safetensors", images, "--csv").stdout == ours.stdout
    refused = predict(out, images, "--weights", "last")
    assert refused.exit_code == 2
    assert "holds the best weights; export the run with --weights last" in refused.stderr


def test_what_is_wrong_is_told(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    done = predict(place / "run", tmp_path)
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr.startswith("error: predict: a.png cannot be read (")
    assert predict(place / "new", place / "new").exit_code == 1, "it is no run directory"
    assert f"; name one of the 1 in it, as {place / 'run'}" in predict(place, place / "new").stderr


@pytest.mark.parametrize("verb", ["predict", "export", "figure confusion"])
def test_a_pattern_that_fits_several_runs(place: Path, verb: str) -> None:
    done = CliRunner().invoke(main, [*verb.split(), *[str(place / "run")] * 3])
    assert done.exit_code == 2
    assert "it takes one RUN, and a pattern as runs/* stands for all that fit it" in done.stderr


def test_what_else_makes_no_sense(place: Path, tmp_path: Path) -> None:
    assert predict(place / "run", place / "new", "--csv", "--json").exit_code == 2
    bare = tmp_path / "run"
    shutil.copytree(place / "run", bare)
    (bare / "best.pt").unlink()
    done = predict(bare, place / "new", "--weights", "best")
    assert done.exit_code == 1
    assert "nothing was selected on a validation split (run.holdout = N makes one)" in done.stderr
