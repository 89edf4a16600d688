"""A metric in somebody else's one file: in runs, records, comparisons and boards by that file alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.metrics import cohen_kappa_score
from support.console import Cli

from lpa3bench.cli import main
from lpa3bench.plugin import registry

KAPPA = """
import torch

from lpa3bench import Metric, hookimpl


class Kappa(Metric):
    "How far the classes are agreed on beyond what their shares would give by chance (Cohen 1960)."

    name = "kappa"
    title = "Cohen's kappa"
    undefined = "all images are of one class and were taken for it"

    def compute(self, probs, labels):
        classes = probs.shape[1]
        pairs = torch.bincount(labels * classes + probs.argmax(1), minlength=classes**2)
        shares = pairs.view(classes, classes).double() / len(labels)
        chance = float(shares.sum(0) @ shares.sum(1))
        return None if chance == 1 else (float(shares.trace()) - chance) / (1 - chance)


@hookimpl
def register_metrics(register):
    register("Kappa", Kappa)
"""
CONFIG = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.weak = @WeakView()
run.epochs = 3
Synthetic.size = 8
Synthetic.train = 96
Synthetic.val = 32
Synthetic.test = 60
Synthetic.num_classes = 4
SmallNet.width = 4
WeakView.pad = 1
Supervised.batch_size = 16
Supervised.lr = 0.02
"""
BOARD = """
title = "By kappa"
metric = "kappa.last"
also = ["accuracy.last"]
protocol = 1

[[columns]]
key = "synthetic"
name = "Synthetic"
match = { dataset = "Synthetic" }

[[rows]]
key = "none"
name = "no augmenter"
match = { "slots.view" = "none" }

[[rows]]
key = "randaugment"
name = "RandAugment"
baseline = "none"
match = { "slots.view" = "RandAugment" }
"""
SEEDS = (0, 1, 2)
WITH_KAPPA = ("-p", "run.metrics = (@metrics.Accuracy(), @metrics.Kappa())")


def command(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def train(folder: Path, out: str, *words: str) -> list[Result]:
    """Runs without and with RandAugment, three seeds each, below `folder / out`."""
    plugin = ("--plugin", folder / "kappa.py") if words else ()
    return [
        command(
            "run", folder / "small.gin", *overlay, "--seed", str(seed), "--device", "cpu",
            "--out", folder / out, "--data", folder, *plugin, *words,
        )
        for overlay in ((), ("-p", "run.view = @augmenters.RandAugment()"))
        for seed in SEEDS
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`kappa.py`, and runs that were scored by it (`scored/`) and before it was there (`unscored/`)."""
    folder = tmp_path_factory.mktemp("kappa")
    (folder / "kappa.py").write_text(KAPPA)
    (folder / "small.gin").write_text(CONFIG)
    registry.load_registry.cache_clear()
    (folder / "summary.txt").write_text(train(folder, "scored", *WITH_KAPPA)[0].stdout)
    train(folder, "unscored")
    return folder


def records(runs: Path) -> dict[str, dict[str, Any]]:
    """By the name of the run."""
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(runs.glob("*/result.json"))}


def computed(run: Path, which: str = "test") -> float:
    with np.load(run / "predictions.npz") as stored:
        return float(cohen_kappa_score(stored["test/labels"], stored[f"{which}/probs"].argmax(1)))


def test_it_is_in_the_summary_and_in_every_row(folder: Path) -> None:
    summary = (folder / "summary.txt").read_text()
    assert "Cohen's kappa" in summary
    for run in (folder / "scored").iterdir():
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert all(-1 <= row["val/kappa"] <= 1 for row in rows)
        assert rows[-1]["test/kappa"] == pytest.approx(computed(run))


def test_it_is_in_the_record_with_what_the_class_says_of_it(folder: Path) -> None:
    for name, record in records(folder / "scored").items():
        kappa = record["metrics"]["kappa"]
        assert (kappa["title"], kappa["unit"], kappa["higher_is_better"]) == ("Cohen's kappa", "", True)
        assert "computed" not in kappa, "the run itself computed it"
        run = folder / "scored" / name
        assert kappa["scores"]["last"] == pytest.approx(computed(run))
        assert kappa["scores"]["val_selected"] == pytest.approx(computed(run, "test_selected"))


def test_a_run_is_the_same_run_whatever_it_is_scored_by(folder: Path) -> None:
    """So the metric's code is no part of what defines it, and earlier runs stand beside later ones."""
    scored, unscored = records(folder / "scored"), records(folder / "unscored")
    assert scored.keys() == unscored.keys()
    for name in scored:
        assert scored[name]["metrics"]["accuracy"] == unscored[name]["metrics"]["accuracy"]
        assert "Kappa.py" not in str(scored[name]["identity"])


@pytest.fixture(scope="module")
def late(folder: Path, cli: Cli) -> Path:
    """The runs that were made before it, with it computed by the real command."""
    before = records(folder / "unscored")
    plugin = folder / "kappa.py"
    done = cli("records", "compute", folder / "unscored", "--metric", "Kappa", "--plugin", plugin)
    assert done.returncode == 0, done.stderr
    assert not any("kappa" in record["metrics"] for record in before.values())
    return folder / "unscored"


def test_it_is_computed_later_without_any_training(folder: Path, late: Path) -> None:
    in_time = records(folder / "scored")
    for name, record in records(late).items():
        kappa = record["metrics"]["kappa"]
        assert kappa["computed"] == "later"
        for rule in ("last", "val_selected"):
            assert kappa["scores"][rule] == in_time[name]["metrics"]["kappa"]["scores"][rule]
        assert kappa["scores"]["oracle_best"] is None
        assert "computed later from predictions.npz" in kappa["undefined"]["oracle_best"]


@pytest.mark.parametrize("runs", ["scored", "unscored"])
def test_it_is_a_column_of_records(folder: Path, late: Path, runs: str) -> None:
    rows = json.loads(command("records", folder / runs, "--json").stdout)
    assert len(rows) == 2 * len(SEEDS)
    made = {f"{row['cell']}-{row['identity']}-s{row['seed']}": row["kappa.last"] for row in rows}
    for name, record in records(folder / runs).items():
        assert made[name] == record["metrics"]["kappa"]["scores"]["last"]


@pytest.mark.parametrize("runs", ["scored", "unscored"])
def test_methods_are_compared_by_it(folder: Path, late: Path, runs: str) -> None:
    found = records(folder / runs)
    ours, theirs = (
        [r for r in found.values() if bool(r["cell"]["slots"]) == bound] for bound in (True, False)
    )
    words = (f"{folder / runs}/*randaugment*", f"{folder / runs}/synthetic-supervised-[0-9a-f]*")
    told = json.loads(command("compare", *words, "--metric", "kappa.last", "--json").stdout)
    assert (told["metric"], told["measure"]["unit"]) == ("kappa.last", "")
    (cell,) = told["cells"]
    assert cell["test"]["n"] == len(SEEDS)
    last = [np.mean([r["metrics"]["kappa"]["scores"]["last"] for r in side]) for side in (ours, theirs)]
    assert cell["test"]["difference"] == pytest.approx(last[0] - last[1])
    assert "kappa" in command("compare", *words, "--metric", "kappa.last").stdout.lower()


@pytest.mark.parametrize("runs", ["scored", "unscored"])
def test_a_board_can_be_of_it(folder: Path, late: Path, runs: str, tmp_path: Path) -> None:
    board = tmp_path / "board"
    board.mkdir()
    (board / "board.toml").write_text(BOARD)
    command("leaderboard", "build", board, "--from", folder / runs)
    page = (board / "README.md").read_text()
    assert "Cohen's kappa" in page
    means = {
        bound: np.mean(
            [
                record["metrics"]["kappa"]["scores"]["last"]
                for record in records(folder / runs).values()
                if bool(record["cell"]["slots"]) == bound
            ]
        )
        for bound in (True, False)
    }
    shown = [float(text.replace("−", "-")) for text in re.findall(r"[−-]?\d\.\d+", page)]
    for mean in means.values():
        assert any(number == pytest.approx(mean, abs=0.006) for number in shown)
