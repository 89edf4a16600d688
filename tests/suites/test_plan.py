"""Plans: which runs there are, where each is done, and what keeps a cell from being run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support import config_plugins
from support.config_plugins import WHOLE, ToyData, ToyNoise

from lpa3bench.api import Split
from lpa3bench.errors import ConfigError, DataError
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.registry import Registry
from lpa3bench.suites import check_suite
from lpa3bench.suites.plan import CellPlan, Planner, matching_plans
from lpa3bench.training.job import Job
from lpa3bench.training.job import plan as plan_job

TOYS = config_plugins.registry()
IMAGES = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
SPLIT = Split(IMAGES, torch.zeros(4, dtype=torch.int64))
SEARCH = '{"trials": 3, "ranges": {"ToyAttack.margin": ("log", 0.01, 1)}, "seeds": (7, 8), "holdout": 2}'
Plan = Callable[..., list[CellPlan]]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The data folders that the toy set was read from; it has no validation split."""
    found: list[Path] = []

    def load(self: ToyData, root: Path, **_: Any) -> dict[str, Split]:
        found.append(root)
        return {"train": SPLIT, "test": SPLIT}

    monkeypatch.setattr(ToyData, "load", load)
    return found


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: list[Path]) -> Plan:
    """Plans the suite of these cells, done in `runs`."""
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")

    def plan(*cells: str, seeds: str = "(1, 2)", more: str = "", registry: Registry = TOYS, **options: Any):
        Path("s.gin").write_text(f"suite.cells = {list(cells)}\nsuite.seeds = {seeds}\n{more}")
        checked = check_suite(Path("s.gin"), registry)
        assert checked.errors == ()
        only = options.pop("only", ())
        planner = Planner(checked.suite, registry, **{"out": Path("runs"), "data": Path("data")} | options)
        plans = planner.plan(checked.cells)
        return [*matching_plans(plans, only, checked.suite.seeds)] if only else plans

    return plan


def test_a_run_is_done_where_run_does_it(tmp_path: Path, plan: Plan) -> None:
    """So that a suite and a command typed by hand take up each other's runs."""
    registry = registries.load_registry()
    cells = ("digits_pes augmenters/lpa3", "digits_supervised --setting labels40", "digits_supervised")
    plans = plan(*cells, seeds="(3,)", registry=registry, options=("--device", "cpu"))
    for cell, planned in zip(cells, plans, strict=True):
        job = Job(config=planned.loaded.config, seed=3, device="cpu", data=Path("data"), out=Path("runs"))
        (run,) = planned.runs
        assert run.folder.path == plan_job(job).folder.path
        assert run.arguments == (*cell.split(), "--seed", "3", "--device", "cpu", "--out", "runs")
        assert run.name == f"{planned.name}-{planned.identity}-s3"
        assert (run.cell, run.epochs, run.state) == (cell, job.config.experiment().epochs, "new")


def test_a_data_set_is_read_once(plan: Plan, loads: list[Path]) -> None:
    plans = plan("a.gin", "a.gin none.gin", "a.gin --setting high")
    assert [len(planned.runs) for planned in plans] == [2, 2, 2]
    assert loads == [Path("data")]
    plan("a.gin", "a.gin -p 'ToyData.mean = (0.1, 0.2, 0.3)'")
    assert len(loads) == 3, "another one is another one"


def test_labels_that_are_read_are_read_for_every_seed(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyNoise, "content", lambda self, root, seed: bytes([seed % 2]) + str(root).encode())
    (planned,) = plan("a.gin", seeds="(0, 1, 2)")
    first, second, third = (run.name.split("-")[-2] for run in planned.runs)
    assert first == third != second


def test_without_its_data_a_cell_is_not_run_and_the_others_are(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ToyData.load

    def damaged(self: ToyData, root: Path, **_: Any) -> dict[str, Split]:
        if self.mean[0] != 0.5:
            raise DataError("toys: train.npz is not there")
        return load(self, root, **_)

    monkeypatch.setattr(ToyData, "load", damaged)
    whole, broken = plan("a.gin", "a.gin -p 'ToyData.mean = (0.1, 0.2, 0.3)'")
    assert len(whole.runs) == 2
    assert whole.problem is None
    assert (broken.runs, str(broken.problem)) == ((), "toys: train.npz is not there")


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["a.gin"], ["a-1", "a-2"]),
        (["a.gin*"], ["a-1", "a-2", "none-1", "none-2"]),
        (["*-s2"], ["a-2", "none-2"]),
        (["a.gin none.gin", "*-toyattack-*-s1"], ["a-1", "none-1", "none-2"]),
        (["b*"], []),
    ],
)
def test_some_of_them(plan: Plan, only: list[str], names: list[str]) -> None:
    plans = plan("a.gin", "a.gin none.gin", only=only)
    found = [f"{'none' if 'none' in str(p) else 'a'}-{run.seed}" for p in plans for run in p.runs]
    assert found == names


# ------------------------------------------------------------------------------------------------- search
def test_trials_are_runs_apart_that_hold_images_out(plan: Plan) -> None:
    searched, plain = plan("a.gin", "a.gin none.gin", more=f"suite.search = {SEARCH}")
    assert (plain.trials, len(plain.runs)) == ((), 2)
    assert searched.runs == ()
    assert [trial.number for trial in searched.trials] == [0, 1, 2]
    margins = [trial.values["ToyAttack.margin"] for trial in searched.trials]
    assert len({*margins}) == 3
    for trial, margin in zip(searched.trials, margins, strict=True):
        assert [run.seed for run in trial.runs] == [7, 8]
        assert {run.out for run in trial.runs} == {Path("runs/search")}
        for run in trial.runs:
            expected = f"a.gin -p 'ToyAttack.margin = {margin}' -p 'run.holdout = 2'"
            assert run.cell == expected
            assert run.arguments[-4:] == ("--purpose", "aid", "--out", "runs/search")
            assert run.purpose == "aid"
    assert len({run.name for run in searched.all_runs}) == 6


def test_a_cell_keeps_its_own_holdout(plan: Plan) -> None:
    (searched,) = plan("a.gin -p run.holdout=3", more=f"suite.search = {SEARCH}")
    assert "holdout = 2" not in searched.trials[0].runs[0].cell
    assert "run.holdout=3" in searched.trials[0].runs[0].cell


def test_with_validation_images_none_are_held_out(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ToyData, "load", lambda self, root, **_: dict.fromkeys(("train", "val", "test"), SPLIT)
    )
    (searched,) = plan("a.gin", more=f"suite.search = {SEARCH}")
    assert "holdout" not in searched.trials[0].runs[0].cell


def test_with_nothing_to_choose_by_the_suite_is_refused(plan: Plan) -> None:
    none = SEARCH.replace('"holdout": 2', '"holdout": 0')
    with pytest.raises(ConfigError, match=r"^s\.gin:3: .*toy has no validation split to choose by"):
        plan("a.gin", more=f"suite.search = {none}")


def test_some_runs_of_a_search_that_is_not_over_are_a_problem(plan: Plan) -> None:
    searched, plain = plan("a.gin", "a.gin none.gin", more=f"suite.search = {SEARCH}", only=["*-s2"])
    assert "its search is not over" in str(searched.problem)
    assert searched.all_runs == ()
    assert [run.seed for run in plain.runs] == [2]
    more = f"suite.search = {SEARCH}"
    assert [len(p.trials) for p in plan("a.gin", "a.gin none.gin", more=more, only=["a.gin"])] == [3]
    assert plan("a.gin", "a.gin none.gin", more=more, only=["*-s3"]) == []


def test_some_runs_of_a_cell_without_its_data_are_a_problem(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: ToyData, root: Path, **_: Any) -> dict[str, Split]:
        raise DataError("toys are not here")

    monkeypatch.setattr(ToyData, "load", missing)
    assert [str(p.problem) for p in plan("a.gin", only=["*-s2"])] == ["toys are not here"]
    assert plan("a.gin", only=["*-s3"]) == []
