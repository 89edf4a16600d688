"""`lpa3bench score`: stored weights on corrupted images, beside the run and on a board."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from support.small_trained import SUPERVISED, train
from torch import Tensor

from lpa3bench.analysis import rescoring
from lpa3bench.analysis.rescoring import score_on_corruptions
from lpa3bench.analysis.temperature import scaled_probabilities
from lpa3bench.analysis.trained_run import open_run
from lpa3bench.cli import main
from lpa3bench.data.corruptions import corrupted
from lpa3bench.errors import UsageError
from lpa3bench.records import read_record
from lpa3bench.records.later_scores import read_later_scores
from lpa3bench.types import Corruption
from lpa3bench_plugins.metrics.nll import NLL


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run, scored under everything, and what was told of it as JSON."""
    run = train(tmp_path_factory.mktemp("score"), SUPERVISED)
    done = call("score", run, "--temperature", "--json", "--data", run)
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    return run, told


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)


def test_the_images_as_they_are_score_as_in_the_run(scored: tuple[Path, dict[str, Any]]) -> None:
    run, told = scored
    record = read_record(run / "result.json")
    assert told["run"] == str(record)
    assert told["purpose"] == "score"
    for metric in ("accuracy", "nll", "ece"):
        assert told["clean"]["scores"][metric] == pytest.approx(record.score(f"{metric}.last"))
    assert {*told["clean"]["scaled"]} == {"ece", "nll", "brier"}
    assert told["temperature"] > 0
    conditions = {(one["kind"], one["severity"]) for one in told["conditions"]}
    assert len(conditions) == len(told["conditions"]) == 75
    assert told["whole"]
    assert json.loads((run / "scores/corruptions.json").read_text()) == told | {"digest": any_digest(run)}


@pytest.mark.parametrize(("kind", "severity"), [("contrast", 5), ("fog", 1)])
def test_a_condition_is_of_the_images_so_corrupted(
    scored: tuple[Path, dict[str, Any]], kind: Corruption, severity: int
) -> None:
    run, told = scored
    trained = open_run(run, data=run, device="cpu")
    pixels = trained.test.images.pixels(torch.arange(len(trained.test.labels)))
    probs = trained.probabilities(corrupted(pixels, kind, severity))
    (condition,) = (one for one in told["conditions"] if (one["kind"], one["severity"]) == (kind, severity))
    assert condition["scores"]["nll"] == NLL().compute(probs, trained.test.labels)
    assert condition["scaled"]["nll"] == NLL().compute(
        scaled_probabilities(probs, told["temperature"]), trained.test.labels
    )


def test_the_images_as_they_are_alone_have_a_file_of_their_own(
    scored: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    original, told = scored
    run = tmp_path / original.name
    shutil.copytree(original, run)
    done = call("score", run, "--on", "test", "--data", original)
    assert done.exit_code == 0, done.output
    assert [row.split()[0] for row in done.stdout.splitlines()[2:]] == ["clean"]
    found = read_later_scores(run / "scores" / "test.json")
    assert (found.on, found.whole, found.conditions, found.temperature) == ("test", True, (), None)
    assert found.clean.scores == told["clean"]["scores"]


def any_digest(run: Path) -> str:
    found: str = json.loads((run / "scores/corruptions.json").read_text())["digest"]
    assert len(found) == 64
    return found


def test_a_part_is_told_in_a_table_beside_a_baseline(scored: tuple[Path, dict[str, Any]]) -> None:
    run, _ = scored
    before = (run / "scores/corruptions.json").read_bytes()
    words = [
        "--kinds",
        "fog",
        "--kinds",
        "contrast",
        "--severities",
        "1,4-5",
        "--baseline",
        run,
        "--data",
        run,
    ]
    done = call("score", run, *words)
    assert done.exit_code == 0, done.output
    head, names, *rows = done.stdout.splitlines()
    assert "40 test images" in head
    assert done.stderr.count("wrote ") == 1
    assert "error / baseline" in names
    assert [row.split()[0] for row in rows] == ["clean", "fog", "contrast", "mean"]
    assert [row.split()[-1] for row in rows] == ["–", "1.000", "1.000", "1.000"]
    part = json.loads((run / "scores/corruptions-part.json").read_text())
    assert [(one["kind"], one["severity"]) for one in part["conditions"]] == [
        (kind, severity) for kind in ("fog", "contrast") for severity in (1, 4, 5)
    ]
    assert (run / "scores/corruptions.json").read_bytes() == before


def test_of_several_runs_a_last_table_has_the_means(
    scored: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, _ = scored
    again = shutil.copytree(run, tmp_path / run.name)
    done = call(
        "score", run, again, "--kinds", "fog", "--kinds", "contrast", "--severities", "1", "--data", run
    )
    assert done.exit_code == 0, done.output
    *single, (head, _, *rows) = (part.splitlines() for part in done.stdout.split("\n\n"))
    assert head == "means over the corruptions, by run"
    assert [row.split() for row in rows] == [[run.name, *part[-1].split()[1:]] for part in single]


def test_of_several_runs_one_that_fails_stops_no_other(
    scored: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, _ = scored
    good = shutil.copytree(run, tmp_path / run.name)
    (tmp_path / "none").mkdir()
    lost = shutil.copytree(run, tmp_path / "lost")
    for path in lost.glob("*.pt"):
        path.unlink()
    part = ("--kinds", "fog", "--severities", "1", "--data", run)
    done = call("score", tmp_path / "none", lost, good, "--json", *part)
    assert done.exit_code == 1
    assert [one["run"] for one in json.loads(done.stdout)] == [str(read_record(run / "result.json"))]
    first, second, written, last = done.stderr.splitlines()
    assert first == f"error: {tmp_path / 'none'}: is no run directory: there is no env.json"
    assert second.startswith(f"error: {lost}: no checkpoint")
    assert written == f"wrote {good / 'scores/corruptions-part.json'}"
    assert last == "2 of 3 were not scored"
    alone = call("score", tmp_path / "none", *part, "--baseline", good)
    assert alone.exit_code == 1
    assert alone.stdout == ""


def test_what_one_run_has_corrupted_is_used_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, str, int]] = []

    def counted(pixels: Tensor, kind: Corruption, severity: int) -> Tensor:
        made.append((len(pixels), kind, severity))
        return corrupted(pixels, kind, severity)

    monkeypatch.setattr(rescoring, "corrupted", counted)
    images, pixels = rescoring.CorruptedImages(), torch.arange(3 * 64, dtype=torch.uint8).view(3, 1, 8, 8)
    for shown in (pixels, pixels.clone(), pixels[:2], pixels[:2]):
        assert torch.equal(images.under(shown, "fog", 3), corrupted(shown, "fog", 3))
    images.under(pixels[:2], "fog", 4)
    assert made == [(3, "fog", 3), (2, "fog", 3), (2, "fog", 4)]
    monkeypatch.setattr(rescoring, "_MOST_BYTES", 75 * pixels.nbytes - 1)
    images.under(pixels, "fog", 3)
    images.under(pixels, "fog", 3)
    assert made[3:] == 2 * [(3, "fog", 3)]


def test_without_a_validation_split_there_is_no_temperature(scored: tuple[Path, dict[str, Any]]) -> None:
    run, _ = scored
    trained = open_run(run, data=run, device="cpu")
    lone = replace(trained, data=replace(trained.data, scored={"test": trained.test}))
    with pytest.raises(UsageError, match=r"no validation split to fit a temperature on \(run.holdout = N"):
        score_on_corruptions(lone, (), weights="last", temperature=True)


def test_what_does_not_go_together_is_refused(scored: tuple[Path, dict[str, Any]]) -> None:
    run, _ = scored
    for words in (("--kinds", "fog"), ("--severities", "1"), ("--baseline", run)):
        done = call("score", run, "--on", "test", *words)
        assert (done.exit_code, "has no corruptions" in done.output) == (2, True)
    done = call("score", run, "--severities", "0-3")
    assert (done.exit_code, "none of 1 to 5" in done.output) == (2, True)


def test_a_baseline_of_other_images_is_refused(scored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run, _ = scored
    other = train(tmp_path, SUPERVISED, bindings=("Synthetic.test = 20", "run.epochs = 1"))
    done = call("score", other, "--baseline", run, "--kinds", "fog", "--severities", "1", "--data", run)
    assert done.exit_code == 2, done.output
    assert done.stderr.splitlines()[-1] == (
        f"error: --baseline {run}: its images are not those of {other}; score {other} without"
    )
    assert not (other / "scores").exists()


def test_boards_show_them_as_measures(scored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run, told = scored
    board, copy = tmp_path / "board", tmp_path / run.name
    shutil.copytree(run, copy)
    assert call("leaderboard", "build", board, "--from", copy).exit_code == 0
    shutil.rmtree(copy)
    (cell,) = json.loads((board / "board.json").read_text())["cells"]
    accuracy = [one["scores"]["accuracy"] for one in told["conditions"]]
    assert cell["other_scores"]["corruptions_accuracy.last"] == pytest.approx(sum(accuracy) / 75)
    assert cell["other_scores"]["scaled_nll.last"] == pytest.approx(told["clean"]["scaled"]["nll"])
    assert "corruptions_accuracy.last" in (board / "index.html").read_text()
    kept = sorted(path.name for path in (board / "results/scores").iterdir())
    assert kept == [f"{told['run']}.corruptions.json"]
    assert "corruptions_accuracy" not in (board / "results" / f"{told['run']}.json").read_text()
    pages = {path: path.read_bytes() for path in board.rglob("*") if path.is_file()}
    assert call("leaderboard", "build", board).exit_code == 0
    assert {path: path.read_bytes() for path in board.rglob("*") if path.is_file()} == pages
