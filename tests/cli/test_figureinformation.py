"""`lpa3bench figure information`, from trained runs to a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from support.small_trained import NUISANCES, few_copies, train

from lpa3bench.analysis import representation
from lpa3bench.analysis.card import probes
from lpa3bench.cli import main
from lpa3bench.report.figures.measured_bits import read_bits

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


def test_of_other_images_nothing_is_known(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bits(value: float) -> dict[str, list[float]]:
        return {"label": [value]}

    def pixels(*_: object, **__: object) -> dict[str, Any]:
        return {"targets": [{"name": "label", "values": 10, "entropy": 3.3}], "images": bits(3.0)}

    def reading(*_: object, calibrate: bool) -> dict[str, Any]:
        more = {"swapped": bits(2.0), "blank": bits(0.0)} if calibrate else {}
        return {"features": 8, "bits": bits(2.0), **more}

    monkeypatch.setattr(representation, "measure_images", pixels)
    monkeypatch.setattr(representation, "measure_representation", reading)
    out, other = tmp_path / "out", tmp_path / "other.json"
    arguments = (runs, "--data", runs.parent, "--device", "cpu", "--out", out)
    assert information(*arguments).exit_code == 0
    file = read_bits(out.with_suffix(".json"))
    theirs = msgspec.structs.replace(file.arms[0].runs[0], run="another-s0")
    arm = msgspec.structs.replace(file.arms[0], runs=(theirs,))
    other.write_text(msgspec.structs.replace(file, images=bits(1.0), arms=(arm,)).text())
    assert information(*arguments, "--known", other).exit_code == 0
    assert read_bits(out.with_suffix(".json")) == file


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
