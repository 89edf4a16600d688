"""Verbs that take records, and the predictions that lie beside these in run directories."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import torch
from click.testing import CliRunner, Result
from support.small_boards import LPA3, TOML, board_folder
from support.small_records import changed, small_record

import lpa3bench
from lpa3bench.cli import main
from lpa3bench.records import Record, read_record, write_record
from lpa3bench.training.predictions import Predictions, StoredPredictions, write_predictions

MARGIN = """
from lpa3bench.api import Metric
from lpa3bench.plugin.hookspecs import hookimpl

class MeanMargin(Metric):
    name = "margin"
    title = "mean margin"

    def compute(self, probs, labels):
        best = probs.sort(1).values
        return float((best[:, -1] - best[:, -2]).double().mean())

@hookimpl
def register_metrics(register):
    register("MeanMargin", MeanMargin)
"""
LABELS = torch.arange(30) % 3


def predicted(seed: int) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    return Predictions((torch.randn(30, 3, generator=generator) + torch.eye(3)[LABELS]).softmax(1), LABELS)


def run_directory(runs: Path, seed: int, **options: object) -> Record:
    """Of a finished run, with its predictions."""
    said = predicted(seed)
    record = small_record(said.correct.tolist(), **options)  # type: ignore[arg-type]
    path = runs / str(record) / "result.json"
    path.parent.mkdir(parents=True)
    write_record(path, record.data)
    write_predictions(path.with_name("predictions.npz"), StoredPredictions({"test": said}, {}))
    return read_record(path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run without an augmenter, and one with."""
    run_directory(tmp_path / "runs", 0, identity="a")
    run_directory(tmp_path / "runs", 1, identity="b", slots=LPA3)
    return tmp_path / "runs"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "margin.py").write_text(MARGIN)
    return tmp_path / "margin.py"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def test_a_metric_that_came_later_is_compared(runs: Path, plugin: Path) -> None:
    sides = (f"{runs}/*-lpa3-*", f"{runs}/digits-supervised-????????-s0")
    assert (
        "--metric margin.last: none of the records has it"
        in call("compare", *sides, "--metric", "margin.last").stderr
    )
    done = call("compare", *sides, "--metric", "margin.last", "--plugin", plugin)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "2 records: margin computed from stored predictions\n"
    best = [predicted(seed).probs.sort(1).values for seed in (1, 0)]
    ours, theirs = (float((b[:, -1] - b[:, -2]).double().mean()) for b in best)
    assert f"mean margin, last epoch: {ours:.3f} against {theirs:.3f}, 1 pair" in done.stdout
    records = [read_record(path) for path in runs.glob("*/result.json")]
    assert {record.metrics["margin"].computed for record in records} == {"later"}
    again = call("compare", *sides, "--metric", "margin.last")
    assert (again.exit_code, again.stderr, again.stdout) == (0, "", done.stdout), "it stands in the records"


def test_from_python_as_well(runs: Path, plugin: Path) -> None:
    """Of the arm at equal cost too; records that were loaded before are read anew."""
    sides = (f"{runs}/*-lpa3-*", f"{runs}/digits-supervised-????????-s0")
    ours, theirs = map(lpa3bench.load, sides)
    found = lpa3bench.compare(ours, iter(theirs), metric="margin.last", plugins=[plugin])
    assert found.notes == ("2 records: margin computed from stored predictions",)
    (cell,) = found.cells
    assert cell.method.scores.mean == read_record(ours[0].path).score("margin.last")
    again = lpa3bench.compare(*sides, metric="margin.last")
    assert (str(again), again.notes) == (str(found), ())
    run_directory(runs, 0, identity="a", setting="equal_cost", passes=ours[0].passes)
    found = lpa3bench.compare(*sides, metric="margin.last", plugins=[plugin])
    assert found.notes == ("1 record: margin computed from stored predictions",)
    assert found.cells[0].at_equal_cost is not None


def test_a_board_of_a_metric_that_came_later(runs: Path, plugin: Path, tmp_path: Path) -> None:
    board = board_folder(tmp_path / "board", text=TOML.replace("accuracy.last", "margin.last"))
    done = call("leaderboard", "build", board, "--from", runs, "--plugin", plugin)
    assert done.exit_code == 0, done.stderr
    assert "2 records: margin computed from stored predictions" in done.stderr
    data = json.loads((board / "board.json").read_text())
    assert data["measures"]["margin.last"]["name"] == "mean margin, last epoch"
    assert all(cell["mean"] is not None for cell in data["cells"])


def test_the_copy_of_the_plugin_that_is_missing_is_named(runs: Path, plugin: Path, tmp_path: Path) -> None:
    copy = next(runs.glob("*-lpa3-*")) / "plugins" / "00ff-margin" / "margin.py"
    copy.parent.mkdir(parents=True)
    copy.write_text(MARGIN)
    board = board_folder(tmp_path / "board", text=TOML.replace("accuracy.last", "margin.last"))
    told = f"there is no metric margin here; its copy is {copy}; give it with --plugin"
    for words in (
        ("compare", f"{runs}/*-lpa3-*", f"{runs}/*", "--metric", "margin.last"),
        ("leaderboard", "build", board, "--from", runs),
        ("records", "compute", runs, "--metric", "margin"),
    ):
        done = call(*words)
        assert done.exit_code == 2
        assert told in done.stderr
    assert call("leaderboard", "build", board, "--from", runs, "--plugin", copy).exit_code == 0


@pytest.mark.parametrize("verb", ["build", "merge"])
def test_a_record_that_its_predictions_contradict_is_refused(runs: Path, tmp_path: Path, verb: str) -> None:
    board = board_folder(tmp_path / "board")
    (path,) = runs.glob("*-lpa3-*/result.json")
    honest = read_record(path)
    better = small_record([True] * 30, identity="b", slots=LPA3)
    write_record(path, msgspec.structs.replace(better.data, identity=honest.data.identity, cell=honest.cell))
    done = call("leaderboard", verb, board, *(["--from"] if verb == "build" else []), runs)
    assert done.exit_code == 4
    assert f"refused {path}: its predictions contradict it: the images that it calls right" in done.stderr
    assert "1 record taken, 1 refused" in done.stderr


def test_a_value_that_its_predictions_contradict_is_refused(runs: Path, tmp_path: Path) -> None:
    (path,) = runs.glob("*-lpa3-*/result.json")
    assert call("records", "compute", runs, "--metric", "nll").exit_code == 0
    record = read_record(path)
    nll = msgspec.structs.replace(record.metrics["nll"], scores={**record.metrics["nll"].scores, "last": 0.1})
    write_record(path, changed(record, metrics={**record.metrics, "nll": nll}).data)
    done = call("leaderboard", "build", board_folder(tmp_path / "board"), "--from", runs)
    assert done.exit_code == 4
    assert "its predictions contradict it: nll.last is 0.1, and predictions.npz says " in done.stderr


def test_damaged_predictions_make_a_record_doubtful(runs: Path, tmp_path: Path) -> None:
    (path,) = runs.glob("*-lpa3-*/predictions.npz")
    path.write_bytes(b"no archive")
    done = call("leaderboard", "build", board_folder(tmp_path / "board"), "--from", runs)
    assert done.exit_code == 4
    assert f"{path}: damaged" in done.stderr
