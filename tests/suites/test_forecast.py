"""What runs will take: by what is done, by timed steps, or by what is like them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import config_plugins
from support.config_plugins import WHOLE, ToyData
from support.small_records import finish as finish_run

from lpa3bench.api import Split
from lpa3bench.errors import DataError
from lpa3bench.runtime.duration import TIMED_DOUBT
from lpa3bench.suites import Suite, SuiteCell, check_suite, forecast, timing
from lpa3bench.suites.forecast import (
    GUESSED_DOUBT,
    MEASURED_DOUBT,
    START_SECONDS,
    SuiteForecast,
    forecast_suite,
    seconds_left,
    seconds_together,
)
from lpa3bench.suites.overview import SuiteOverview
from lpa3bench.suites.plan import CellPlan, Planner
from lpa3bench.suites.suite_run import SuiteRun

SPLIT = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
CRASHING = """
import os
from lpa3bench import hookimpl
from lpa3bench.api import Augmenter

print("hello")

class Crashing(Augmenter):
    def generate(self, x, ctx):
        os._exit(9)

@hookimpl
def register_augmenters(register):
    register("Crashing", Crashing)
"""
Ask = Callable[..., SuiteForecast]


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[CellPlan]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ToyData, "load", lambda self, root, **_: {"train": SPLIT, "test": SPLIT})
    for name in ("a.gin", "b.gin"):
        Path(name).write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")
    cells = ["a.gin", "a.gin none.gin", "b.gin --setting high"]
    Path("s.gin").write_text(f"suite.cells = {cells}\nsuite.seeds = (0, 1, 2, 3, 4)")
    registry = config_plugins.registry()
    checked = check_suite(Path("s.gin"), registry)
    return Planner(checked.suite, registry, out=Path("runs"), data=Path("data")).plan(checked.cells)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Threads of PyTorch at each timing, which makes an hour expected."""
    found: list[int] = []

    def fake(cells: Sequence[SuiteCell], *, threads: int, **options: Any) -> list[float | None]:
        found.extend([threads] * len(cells))
        return [3600.0] * len(cells)

    monkeypatch.setattr(timing, "time_cells", fake)
    return found


@pytest.fixture
def ask(plans: list[CellPlan], timed: list[int]) -> Ask:
    def ask(**options: Any) -> SuiteForecast:
        given = {"data": Path("data"), "device": "cpu", "threads": 2, "cache": Path("runs/.cache")}
        return forecast_suite(plans, **given | options)

    return ask


def finish(run: SuiteRun, seconds: float) -> None:
    finish_run(run.folder.path, seconds=seconds)


def test_by_the_mean_of_some_finished_runs(ask: Ask, plans: list[CellPlan], timed: list[int]) -> None:
    for run, seconds in zip(plans[0].runs, (10.0, 20.0, 30.0, 500.0), strict=False):
        finish(run, seconds)
    found = ask()
    assert found.seconds["a.gin"] == START_SECONDS + 20
    assert (found.measured, found.timed, found.guessed) == (1, 2, 0)
    assert len(timed) == 2


def test_by_timed_steps_with_the_suites_threads_once(ask: Ask, timed: list[int]) -> None:
    assert {*ask().seconds.values()} == {START_SECONDS + 3600}
    assert timed == [2, 2, 2]
    assert ask().timed == 3
    assert len(timed) == 3, "they are kept"
    ask(threads=3)
    assert len(timed) == 6, "with other threads it takes another time"
    Path("runs/.cache/forecasts.json").write_text("{")
    assert ask().timed == 3, "a file that is damaged is done without"


def test_cells_for_which_no_time_is_left_are_like_those_of_the_same_file(
    ask: Ask, plans: list[CellPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "time_cells", lambda cells, **options: [])
    assert ask().seconds == {}
    finish(plans[0].runs[0], 100.0)
    finish(plans[2].runs[0], 300.0)
    found = ask()
    assert found.seconds["a.gin none.gin"] == START_SECONDS + 100
    assert (found.measured, found.timed, found.guessed) == (2, 0, 1)


def test_none_at_all(ask: Ask, timed: list[int]) -> None:
    assert ask(time_steps=False).seconds == {}
    assert timed == []
    assert not Path("runs").exists()


def test_what_cannot_be_timed_is_not_forecast_and_not_tried_again(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(cells: Sequence[SuiteCell], **options: Any) -> list[float | None]:
        asked.append(len(cells))
        return [None] * len(cells)

    monkeypatch.setattr(timing, "time_cells", refuse)
    assert ask().seconds == {}
    assert ask().seconds == {}
    assert asked == [3, 0]


@pytest.mark.slow
def test_steps_are_timed_in_a_process_that_may_crash(tmp_path: Path) -> None:
    """Cells are as the suite has them; what their plugins print is no answer."""
    small = tmp_path / "small.gin"
    small.write_text(
        "run.task = @tasks.Supervised()\nrun.dataset = @datasets.Synthetic()\n"
        "run.backbone = @backbones.SmallNet\nrun.epochs = 2\nSmallNet.width = 4\n"
    )
    plugin = tmp_path / "crashing.py"
    plugin.write_text(CRASHING)
    cells = [
        SuiteCell((str(small),), bindings=("Supervised.batch_size = 16",)),
        SuiteCell(("nowhere.gin",)),
        SuiteCell((str(small),), bindings=("run.view = @Crashing()",)),
        SuiteCell((str(small),)),
    ]
    options = {"data": tmp_path, "device": "cpu", "threads": 1, "plugins": [plugin]}
    found = timing.time_cells(cells, **options, budget=500.0)
    assert len(found) == 2
    assert found[0] is not None
    assert found[0] > 0
    assert found[1] is None
    assert timing.time_cells(cells, **options, budget=0.0) == []


def test_what_is_left_of_runs(plans: list[CellPlan]) -> None:
    done, begun, new, unknown = plans[0].runs[:4]
    finish(done, 10.0)
    begun.folder.path.mkdir(parents=True)
    begun.folder.metrics.write_text('{"epoch": 1}\n')
    assert begun.epochs == 3
    seconds = {done.name: 90.0, begun.name: 90.0, new.name: 90.0}
    assert seconds_left([done, begun, new, unknown], seconds) == pytest.approx([30, 90, 0])


def test_runs_together_take_as_long_as_the_longest() -> None:
    assert seconds_together([10.0] * 6, 3) == 20
    assert seconds_together([10.0, 50.0], 2) == 50
    assert seconds_together([10.0, 50.0], 9) == 50
    assert seconds_together([], 2) == 0


def test_a_forecast_has_a_range_by_how_it_is_known(
    ask: Ask, plans: list[CellPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth for what is measured, half as long again for timed steps, twice for what is guessed."""
    monkeypatch.setattr(timing, "time_cells", lambda cells, **options: [3595.0])
    monkeypatch.setattr(forecast, "busy", lambda: "the machine is busy")
    finish(plans[0].runs[0], 95.0)
    found = ask()
    assert found.doubt == {
        "a.gin": MEASURED_DOUBT,
        "a.gin none.gin": TIMED_DOUBT,
        "b.gin --setting high": GUESSED_DOUBT,
    }
    assert found.at(1).seconds["a.gin none.gin"] == 5400
    assert found.at(-1).seconds["b.gin --setting high"] == found.seconds["b.gin --setting high"] / 2
    suite = Suite(tuple(p.loaded.cell for p in plans), (0, 1, 2, 3, 4))
    overview = SuiteOverview(suite, plans, found, 1)
    low, high = overview.seconds_range or (0.0, 0.0)
    assert low < (overview.seconds or 0.0) < high
    (line,) = [line for line in overview.text().splitlines() if line.startswith("forecast")]
    assert line.startswith("forecast   about 7.7 h (4.7 to 13 h), until ")
    assert line.endswith(
        "(cells measured: 1, from timed steps: 1, guessed from others: 1); the machine is busy"
    )
    assert overview.as_data()["busy"] == "the machine is busy"
    lacking = replace(plans[0], runs=(), problem=DataError("its data are not here"))
    assert (
        "forecast   nothing that can run is left to do\n" in SuiteOverview(suite, [lacking], found, 1).text()
    )
