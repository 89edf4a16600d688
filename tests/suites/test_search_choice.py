"""Which trial is chosen, what is written down of it, and what the runs after it are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support import config_plugins
from support.config_plugins import WHOLE, ToyData
from support.small_records import finish as finish_run

from lpa3bench.api import Split
from lpa3bench.errors import DataError
from lpa3bench.records import searches
from lpa3bench.suites import check_suite
from lpa3bench.suites.execution import with_chosen_runs
from lpa3bench.suites.plan import CellPlan, Planner
from lpa3bench.suites.search_choice import SearchChoice, choose_trial

TOYS = config_plugins.registry()
SPLIT = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
Curve = Sequence[float | None]
Made = tuple[Planner, CellPlan]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """The plan of one cell with three trials on two seeds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ToyData, "load", lambda self, root, **_: {"train": SPLIT, "test": SPLIT})

    def make(epoch: str = "last", select: str = "accuracy") -> Made:
        Path("a.gin").write_text(f"{WHOLE}run.select = '{select}'\n")
        Path("s.gin").write_text(
            'suite.cells = ["a.gin"]\nsuite.seeds = (0, 1, 2)\nsuite.bindings = ["ToyTask.lr = 0.2"]\n'
            'suite.search = {"trials": 3, "ranges": {"ToyAttack.margin": ("log", 0.01, 1)}, '
            f'"seeds": (7, 8), "holdout": 2, "epoch": "{epoch}"}}'
        )
        checked = check_suite(Path("s.gin"), TOYS)
        assert checked.errors == ()
        planner = Planner(checked.suite, TOYS, out=Path("runs"), data=Path("data"))
        (planned,) = planner.plan(checked.cells)
        return planner, planned

    return make


def finish(planned: CellPlan, *curves: tuple[Curve, Curve] | None, metric: str = "accuracy") -> None:
    """Write the records of trials: the validation scores by epoch, of both seeds."""
    for trial, both in zip(planned.trials, curves, strict=True):
        for run, scores in zip(trial.runs, both or (), strict=bool(both)):
            finish_run(run.folder.path, val=scores, metric=metric)


def chosen(made: Made, failed: dict[str, str] | None = None) -> int:
    choice = choose_trial(*made, failed or {})
    assert isinstance(choice, SearchChoice)
    number: int = choice.data["chosen"]
    return number


def test_the_best_mean_over_the_seeds_at_the_last_epoch(make: Callable[..., Made]) -> None:
    made = make()
    finish(made[1], ([0.9, 0.5], [0.9, 0.5]), ([0.1, 0.4], [0.1, 0.8]), ([0.0, 0.7], [0.0, 0.4]))
    assert chosen(made) == 1


def test_the_best_mean_over_the_seeds_at_the_best_epoch(make: Callable[..., Made]) -> None:
    made = make("best")
    finish(made[1], ([0.9, 0.5], [0.7, 0.5]), ([0.1, 0.4], [0.1, 0.8]), ([0.0, 0.7], [0.0, None]))
    assert chosen(made) == 0


@pytest.mark.parametrize(("epoch", "best"), [("last", 0), ("best", 2)])
def test_where_lower_is_better_the_lowest_is_chosen(make: Callable[..., Made], epoch: str, best: int) -> None:
    made = make(epoch, select="nll")
    finish(
        made[1], ([0.9, 0.5], [0.9, 0.5]), ([0.4, 0.7], [0.4, 0.6]), ([0.1, 2.0], [0.2, 3.0]), metric="nll"
    )
    assert chosen(made) == best


def test_the_first_of_equals(make: Callable[..., Made]) -> None:
    made = make()
    finish(made[1], ([0.4], [0.4]), ([0.5], [0.5]), ([0.5], [0.5]))
    assert chosen(made) == 1


def test_no_choice_before_every_trial_is_over(make: Callable[..., Made]) -> None:
    planner, planned = make()
    finish(planned, ([0.4], [0.4]), ([0.5], [0.5]), None)
    assert choose_trial(planner, planned, {}) is None
    failed = {planned.trials[2].runs[1].name: "the loss is NaN"}
    assert chosen((planner, planned), failed) == 1, "one that failed by itself is a bad draw"


def test_a_bad_draw_is_not_chosen_for_the_seed_that_went_well(make: Callable[..., Made]) -> None:
    planner, planned = make()
    finish(planned, ([0.4], [0.4]), ([0.5], [0.5]), ([0.9], [0.9]))
    planned.trials[2].runs[1].folder.result.unlink()
    assert chosen((planner, planned), {planned.trials[2].runs[1].name: "the loss is NaN"}) == 1


def test_without_any_score_there_is_no_choice_and_the_reason_is_told(make: Callable[..., Made]) -> None:
    planner, planned = make()
    failed = {trial.runs[0].name: "the loss is NaN" for trial in planned.trials}
    (after,) = with_chosen_runs(planner, [planned], failed)
    assert str(after.problem) == "none of its 3 trials has a score; one says: the loss is NaN"
    assert after.runs == ()
    assert not after.is_unchosen


def test_what_was_chosen_runs_on_the_suites_seeds_and_all_images(make: Callable[..., Made]) -> None:
    planner, planned = make()
    finish(planned, ([0.4], [0.4]), ([0.5], [0.5]), ([0.3], [0.3]))
    (after,) = with_chosen_runs(planner, [planned], {})
    assert after.problem is None
    margin = planned.trials[1].values["ToyAttack.margin"]
    assert [run.seed for run in after.runs] == [0, 1, 2]
    assert {run.cell for run in after.runs} == {
        f"a.gin -p 'ToyTask.lr = 0.2' -p 'ToyAttack.margin = {margin}'"
    }
    assert {run.out for run in after.runs} == {Path("runs")}
    assert not {run.name for run in after.runs} & {run.name for t in planned.trials for run in t.runs}
    assert with_chosen_runs(planner, [after], {}) == [after], "it is not chosen twice"


def test_what_was_tried_stands_beside_the_runs(make: Callable[..., Made]) -> None:
    planner, planned = make()
    finish(planned, ([0.4], [0.4]), ([0.5], [0.6]), ([0.3], [0.3]))
    failed = {planned.trials[2].runs[0].name: "the loss is NaN"}
    (after,) = with_chosen_runs(planner, [planned], failed)
    found = searches.find_searches([Path("runs"), Path("nowhere")])
    assert found.keys() == {run.name for run in after.runs}
    one = found[after.runs[0].name]
    assert (one.trials, one.ranges) == (3, {"ToyAttack.margin": ["log", 0.01, 1]})
    assert one.values == planned.trials[1].values
    assert one.text == "best of 3 draws of ToyAttack.margin"
    assert [tried["score"] for tried in one.data["tried"]] == [0.4, 0.55, None]
    assert [tried["failed"] for tried in one.data["tried"]] == [None, None, "the loss is NaN"]
    assert (one.data["holdout"], one.data["seeds"], one.data["epoch"]) == (2, [7, 8], "last")
    before = one.path.read_bytes()
    with_chosen_runs(planner, [planned], failed)
    assert [path.read_bytes() for path in Path("runs/search").glob("*.json")] == [before]


@pytest.mark.parametrize("most", ["0.json", "1.json"])
def test_a_search_that_was_enlarged_counts_whole_though_it_chose_the_same(tmp_path: Path, most: str) -> None:
    """Of 8 draws and of the same and 8 more: whichever file comes first."""
    for name in ("0.json", "1.json"):
        trials = 16 if name == most else 8
        data = {"cell": "a", "trials": trials, "ranges": {}, "values": {}, "runs": ["r"]}
        searches.write_search(tmp_path / "search" / name, data | {"tried": [{}] * trials})
    assert searches.find_searches([tmp_path])["r"].trials == 16


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trials": 4}, "3 were tried, and trials is 4"),
        ({"runs": None}, "Expected `array`, got `null` - at `$.runs`"),
        ({"values": {}}, "the values are not those of the ranges"),
        ({"schema_version": 9}, "Invalid enum value 9 - at `$.schema_version`"),
    ],
)
def test_what_tells_of_no_search_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    data = {
        "cell": "a", "trials": 3, "ranges": {"X.a": ["log", 1, 2]}, "values": {"X.a": 1.5}, "runs": ["r"],
        "tried": [{}, {}, {}],
    }  # fmt: skip
    path = tmp_path / "search" / "0.json"
    searches.write_search(path, data)
    assert searches.read_search(path).runs == ("r",)
    path.write_text(json.dumps({"schema_version": 1, **data, **change}))
    with pytest.raises(DataError, match=re.escape(says)):
        searches.find_searches([tmp_path])
    path.write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        searches.find_searches([tmp_path])
