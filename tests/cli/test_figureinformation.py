"""`lpa3bench figure information`, from trained runs to a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.small_trained import NUISANCES, few_copies, train

from lpa3bench.analysis import representation
from lpa3bench.analysis.card import probes
from lpa3bench.cli import main

IDENTITY = "run.positives = @augmenters.Identity()\npositives/Identity.domain = 'aux'\n"


def information(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["figure", "information", *map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One of the task alone and one with an augmenter."""
    folder = tmp_path_factory.mktemp("information")
    with pytest.MonkeyPatch.context() as patch:
        few_copies(patch)
        patch.setattr(probes, "STEPS", 2)
        for text in ("", IDENTITY):
            train(folder, text, base=NUISANCES)
        yield folder / "runs"


def test_runs_are_measured_once_and_drawn_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = runs.parent / "first"
    data = ("--data", runs.parent, "--device", "cpu")
    done = information(runs, *data, "--out", out)
    assert done.exit_code == 0, done.output
    assert "| Identity |" in done.stdout
    assert "1/2 nuisancedigits-supervised-" in done.stderr
    assert done.stdout.splitlines()[-3:] == [f"{out}{suffix}" for suffix in (".json", ".svg", ".png")]
    written = json.loads(out.with_suffix(".json").read_text())
    assert [(arm["role"], len(arm["runs"])) for arm in written["arms"]] == [("baseline", 1), ("method", 1)]
    plain, augmented = (arm["runs"][0] for arm in written["arms"])
    assert {"swapped", "blank"} <= {*plain}
    assert not {"swapped", "blank"} & {*augmented}

    monkeypatch.setattr(representation, "measure_representation", None)  # is called no more
    known = runs.parent / "second"
    assert information(runs, *data, "--known", out.with_suffix(".json"), "--out", known).exit_code == 0
    redrawn = runs.parent / "third"
    told = information(out.with_suffix(".json"), "--out", redrawn, "--json")
    assert json.loads(told.stdout)["arms"] == written["arms"]
    for other in (known, redrawn):
        for suffix in (".json", ".svg", ".png"):
            assert other.with_suffix(suffix).read_bytes() == out.with_suffix(suffix).read_bytes()


def test_what_cannot_be_measured_is_told_in_a_line(runs: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare" / "run.json"
    bare.parent.mkdir()
    first = next(run for run in runs.iterdir() if "identity" not in run.name)
    bare.write_bytes((first / "result.json").read_bytes())
    other = information(bare.parent, "--out", tmp_path / "x")
    assert other.exit_code == 4
    assert other.stderr == f"error: {bare}: is a record without its run, and its network is needed\n"
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    refused = information(wrong, "--out", tmp_path / "x")
    assert refused.exit_code == 4
    assert refused.stderr.startswith(f"error: {wrong}: is no file of measured bits (")
    assert not [*tmp_path.glob("x*")]
