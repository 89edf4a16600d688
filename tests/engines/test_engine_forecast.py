"""What runs will take: by what is done, by timed steps, or by what is like them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import config_plugins
import pytest
import torch
from config_plugins import WHOLE, ToyData

from lpa3bench import rehearsal
from lpa3bench.api import Split
from lpa3bench.engines import forecast as forecasts
from lpa3bench.engines.forecast import START_SECONDS, Forecast, forecast, left
from lpa3bench.engines.plan import CellPlan, Planner
from lpa3bench.engines.runs import Run
from lpa3bench.errors import RunFailed
from lpa3bench.suite import check

SPLIT = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
Ask = Callable[..., Forecast]


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[CellPlan]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ToyData, "load", lambda self, root: {"train": SPLIT, "test": SPLIT})
    for name in ("a.gin", "b.gin"):
        Path(name).write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")
    cells = ["a.gin", "a.gin none.gin", "b.gin --setting high"]
    Path("s.gin").write_text(f"suite.cells = {cells}\nsuite.seeds = (0, 1, 2, 3, 4)")
    registry = config_plugins.registry()
    checked = check(Path("s.gin"), registry)
    return Planner(checked.suite, registry, out=Path("runs"), data=Path("data")).plan(checked.cells)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Threads of PyTorch at each timing, which makes an hour expected."""
    found: list[int] = []

    def fake(config: Any, *, root: Path, device: str) -> dict[str, Any]:
        found.append(torch.get_num_threads())
        return {"hours": 1.0}

    monkeypatch.setattr(rehearsal, "forecast", fake)
    return found


@pytest.fixture
def ask(plans: list[CellPlan], timed: list[int]) -> Ask:
    def ask(**options: Any) -> Forecast:
        given = {"data": Path("data"), "device": "cpu", "threads": 2, "cache": Path("runs/.cache")}
        return forecast(plans, **given | options)

    return ask


def finish(run: Run, seconds: float) -> None:
    run.folder.path.mkdir(parents=True)
    cost = {"wall_seconds": {"train": seconds - 1.0, "evaluation": 1.0}}
    run.folder.result.write_text(json.dumps({"cost": cost}))


def test_by_the_mean_of_some_finished_runs(ask: Ask, plans: list[CellPlan], timed: list[int]) -> None:
    for run, seconds in zip(plans[0].runs, (10.0, 20.0, 30.0, 500.0), strict=False):
        finish(run, seconds)
    found = ask()
    assert found.seconds["a.gin"] == START_SECONDS + 20
    assert (found.measured, found.timed, found.guessed) == (1, 2, 0)
    assert len(timed) == 2


def test_by_timed_steps_with_the_suites_threads_once(ask: Ask, timed: list[int]) -> None:
    threads = torch.get_num_threads()
    assert {*ask().seconds.values()} == {START_SECONDS + 3600}
    assert timed == [2, 2, 2]
    assert torch.get_num_threads() == threads
    assert ask().timed == 3
    assert len(timed) == 3, "they are kept"
    ask(threads=3)
    assert len(timed) == 6, "with other threads it takes another time"
    Path("runs/.cache/forecasts.json").write_text("{")
    assert ask().timed == 3, "a file that is damaged is done without"


def test_no_steps_are_timed_where_that_would_take_long(
    ask: Ask, plans: list[CellPlan], timed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cells for which no time is left are like those of the same file, else like all."""
    monkeypatch.setattr(forecasts, "BUDGET_SECONDS", 0.0)
    assert ask().seconds == {}
    finish(plans[0].runs[0], 100.0)
    finish(plans[2].runs[0], 300.0)
    found = ask()
    assert found.seconds["a.gin none.gin"] == START_SECONDS + 100
    assert (found.measured, found.timed, found.guessed) == (2, 0, 1)
    assert timed == []


def test_none_at_all(ask: Ask, timed: list[int]) -> None:
    assert ask(time_steps=False).seconds == {}
    assert timed == []
    assert not Path("runs").exists()


def test_what_cannot_be_timed_is_not_forecast(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise RunFailed("phase all: never reached")

    monkeypatch.setattr(rehearsal, "forecast", refuse)
    assert ask().seconds == {}


def test_what_is_left_of_runs(plans: list[CellPlan]) -> None:
    done, begun, new, unknown = plans[0].runs[:4]
    finish(done, 10.0)
    begun.folder.path.mkdir(parents=True)
    begun.folder.metrics.write_text('{"epoch": 1}\n')
    assert begun.epochs == 3
    seconds = {done.name: 90.0, begun.name: 90.0, new.name: 90.0}
    assert left([done, begun, new, unknown], seconds) == pytest.approx(30 + 90)
