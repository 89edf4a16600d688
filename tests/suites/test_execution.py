"""A suite with a search from its plan to its end, by an engine that runs nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import config_plugins
from support.config_plugins import WHOLE, ToyData
from support.fake_engine import BROKEN, KILLED, Failed, Faked, Silent
from support.small_records import finish

from lpa3bench.api import Split
from lpa3bench.config import load_config
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.plugin import registry as registries
from lpa3bench.records import searches
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.suites import check_suite, run_queue
from lpa3bench.suites.engine import EndedRun, Launch
from lpa3bench.suites.execution import SuiteResult, finished_result, run_suite, with_chosen_runs
from lpa3bench.suites.forecast import SuiteForecast
from lpa3bench.suites.plan import CellPlan, Planner
from lpa3bench.suites.progress import time_left
from lpa3bench.suites.run_queue import RunQueue, launch_from_here
from lpa3bench.training.failure_file import read_failure
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run

SPLIT = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
WILD = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.epochs = 2
SmallNet.width = 4
Supervised.batch_size = 16
Supervised.optimizer = "sgd"
Supervised.lr = 1e30
"""
SECONDS = {"a.gin": 10.0, "a.gin none.gin": 4.0}
SUITE = """
suite.cells = ["a.gin", "a.gin none.gin"]
suite.seeds = (0, 1)
suite.search = {"trials": 3, "ranges": {"ToyAttack.margin": ("log", 0.01, 1)}, "seeds": (7,), "holdout": 2}
"""


class Scoring(Faked):
    """Trials score what was drawn: the largest margin is the best."""

    def submit(self, name: str, launch: Launch) -> None:
        self._out = Path(launch.arguments[-1])
        super().submit(name, launch)
        drawn = [word for word in launch.arguments if word.startswith("ToyAttack.margin = ")]
        self.scores = getattr(self, "scores", {}) | {name: float(drawn[0].split()[-1]) if drawn else 0.5}

    def poll(self) -> list[EndedRun]:
        ended = super().poll()
        for one in ended:
            place = Path("runs/search" if one.name.endswith("-s7") else "runs") / one.name
            if one.code == 0:
                finish(place, val=[self.scores[one.name]])
        return ended


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_queue, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(ToyData, "load", lambda self, root, **_: {"train": SPLIT, "test": SPLIT})
    Path("a.gin").write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")
    Path("s.gin").write_text(SUITE)
    registry = config_plugins.registry()
    return Planner(read().suite, registry, out=Path("runs"), data=Path("data"))


def read():
    return check_suite(Path("s.gin"), config_plugins.registry())


def plan(planner: Planner) -> list[CellPlan]:
    """As a new process would begin."""
    return with_chosen_runs(planner, planner.plan(read().cells), {})


def carried_out(
    planner: Planner,
    scripts: Mapping[str, Sequence[EndedRun]] | None = None,
    interrupts: Interrupts | None = None,
) -> tuple[SuiteResult, Scoring]:
    engine = Scoring(Path("runs"), scripts)
    return carry(planner, plan(planner), engine, interrupts or Interrupts()), engine


def carry(
    planner: Planner,
    plans: list[CellPlan],
    engine: Scoring,
    interrupts: Interrupts,
    watch: Silent | None = None,
) -> SuiteResult:
    queue = RunQueue(engine, watch or Silent(), interrupts, launch_from_here({}))
    return run_suite(planner, plans, SuiteForecast(SECONDS, 0, 2, 0), queue)


def trials(planner: Planner) -> list[str]:
    """The names of the trials' runs, from the smallest margin to the largest."""
    found = plan(planner)[0].trials
    return [t.runs[0].name for t in sorted(found, key=lambda t: t.values["ToyAttack.margin"])]


def chosen() -> float:
    (path,) = Path("runs/search").glob("*.json")
    margin: float = json.loads(path.read_text())["values"]["ToyAttack.margin"]
    return margin


def test_trials_come_first_then_what_they_chose(planner: Planner) -> None:
    names = trials(planner)
    result, engine = carried_out(planner)
    assert result.count("done") == 3 + 2 + 2
    assert not result.failures
    assert {*engine.started[:5]} > {*names}
    margins = {trial.values["ToyAttack.margin"] for trial in plan(planner)[0].trials}
    assert chosen() == max(margins)
    assert len(plan(planner)[0].runs) == 2
    again, engine = carried_out(planner)
    assert (again.count("done"), engine.started) == (7, [])
    assert finished_result(plan(planner)).count("done") == 7


def test_a_draw_that_fails_by_itself_is_a_bad_one_and_no_failure(planner: Planner) -> None:
    names = trials(planner)
    result, _ = carried_out(planner, {names[-1]: [BROKEN]})
    assert not result.failures
    assert [outcome.run.name for outcome in result.bad_draws] == [names[-1]]
    margins = sorted(trial.values["ToyAttack.margin"] for trial in plan(planner)[0].trials)
    assert chosen() == margins[1]


def test_a_bad_draw_is_known_by_its_kind_whatever_it_says_and_is_not_tried_again(planner: Planner) -> None:
    """However a plugin words a network's divergence, its method has as many draws as any other."""
    names = trials(planner)
    result, _ = carried_out(planner, {names[-1]: [Failed("", 1, "in other words", leaves="diverged")]})
    assert [outcome.run.name for outcome in result.bad_draws] == [names[-1]]
    (path,) = Path("runs/search").glob("*.json")
    written = path.read_text()
    searched_cell = plan(planner)[0]
    assert (len(searched_cell.runs), len(searched_cell.trials)) == (2, 2)
    again, engine = carried_out(planner)
    assert (engine.started, again.failures, again.bad_draws) == ([], [], ())
    assert finished_result(plan(planner)).count("done") == 2 + 2 + 2
    assert path.read_text() == written, "the number of trials stays"


@pytest.mark.parametrize(
    "how",
    [
        [KILLED] * 3,
        [EndedRun("", 4, "the data are gone")],
        [Failed("", 1, "x: could not be written", leaves="disk")],
        [Failed("", 1, "LPA3 in slot positives: out of memory on the device", leaves="out_of_memory")],
        [Failed("", 1, "not diverged: the loss is NaN or infinite", leaves="bug")],
        [EndedRun("", 1, "the loss is NaN or infinite")],
        [EndedRun("", 75, "Ray gave up: WorkerCrashedError: the worker died", "lost")],
    ],
)
def test_a_trial_that_is_missing_keeps_its_cell_from_being_chosen(
    planner: Planner, how: list[EndedRun]
) -> None:
    """What killed it says nothing of what was drawn; another time it may well be the best."""
    names = trials(planner)
    result, _ = carried_out(planner, {names[0]: how})
    assert [outcome.run.name for outcome in result.failures] == [names[0]]
    assert result.count("done") == 2 + 2
    assert not [*Path("runs/search").glob("*.json")]
    later, engine = carried_out(planner)
    assert not later.failures
    assert {*engine.started} == {names[0], *(run.name for run in plan(planner)[0].runs)}


@pytest.mark.parametrize("bound", ["", "run.positives = @augmenters.LPA3()\n"])
def test_a_run_that_diverges_leaves_a_failure_of_that_kind(tmp_path: Path, bound: str) -> None:
    """By which a bad draw is known; an augmenter is the first to notice."""
    (tmp_path / "wild.gin").write_text(WILD + bound)
    config = load_config([tmp_path / "wild.gin"], registry=registries.load_registry())
    with pytest.raises(RunFailed, match=r"^step \d+: ") as caught:
        run(Job(config=config, device="cpu", data=tmp_path, out=tmp_path / "runs"))
    (path,) = (tmp_path / "runs").glob("*/failure.json")
    failure = read_failure(path)
    assert failure is not None
    assert (failure.kind, failure.message, failure.exit_code) == ("diverged", str(caught.value), 1)
    assert failure.step == int(failure.message.split()[1].removesuffix(":"))


def test_a_damaged_record_of_a_trial_keeps_nobody_but_its_cell(planner: Planner) -> None:
    """Its run is started, says so and fails; no draw is bad for that, and nothing is chosen without it."""
    names = trials(planner)
    carried_out(planner, {names[0]: [KILLED] * 3})
    damaged = Path("runs/search") / names[1] / "result.json"
    damaged.write_text("{")
    told = EndedRun("", 1, f"{damaged}: damaged (Expecting property name); start over with --fresh")
    result, engine = carried_out(planner, {names[1]: [told]})
    assert [(outcome.run.name, outcome.cause) for outcome in result.failures] == [(names[1], told.cause)]
    assert {*engine.started} == {names[0], names[1]}
    assert result.count("done") == 2 + 2
    assert damaged.read_text() == "{"
    assert not [*Path("runs/search").glob("*.json")]


def test_a_choice_that_cannot_be_written_down_is_not_run(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs would pass for runs that were not tuned."""

    def full(*arguments: object) -> None:
        raise RunFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(searches, "write_search", full)
        result, engine = carried_out(planner)
    assert result.problems == {"a.gin": "the disk is full"}
    assert (result.count("done"), len(engine.started)) == (5, 5)
    later, engine = carried_out(planner)
    assert (later.problems, len(engine.started)) == ({}, 2)


def test_the_time_left_spans_both_phases(planner: Planner) -> None:
    watch = Silent()
    carry(planner, plan(planner), Scoring(Path("runs"), capacity=1), Interrupts(), watch)
    first, last = watch.progress[0], watch.progress[-1]
    # Three trials and two runs of the searched cell, which have no name yet, and two runs of the other one.
    assert (len(first.runs), first.later, first.total) == (5, [10.0, 10.0], 7)
    assert time_left(replace(first, active=[], outcomes=[]), 1) == 3 * 10 + 2 * 4 + 2 * 10
    chosen = next(p for p in watch.progress if len(p.runs) == 7)
    assert {run.seed for name, run in chosen.runs.items() if name not in first.runs} == {0, 1}
    unhurried = [replace(o, seconds=0.0) for o in chosen.outcomes[:5]]
    assert time_left(replace(chosen, active=[], outcomes=unhurried), 1) == 2 * 10
    assert (last.total, last.count("done"), time_left(last, 1)) == (7, 7, 0)


def test_with_bad_draws_alone_a_cell_is_reported(planner: Planner) -> None:
    result, _ = carried_out(planner, {name: [BROKEN] for name in trials(planner)})
    assert len(result.failures) == 3
    assert result.problems == {"a.gin": f"none of its 3 trials has a score; one says: {BROKEN.cause}"}


def test_a_signal_ends_it_between_the_two(planner: Planner) -> None:
    interrupts = Interrupts()
    engine = Scoring(Path("runs"))
    poll, names = engine.poll, trials(planner)

    def poll_and_interrupt() -> list[EndedRun]:
        ended = poll()
        if not engine.under_way and len(engine.started) == 5:
            interrupts.received = signal.SIGINT
        return ended

    engine.poll = poll_and_interrupt  # type: ignore[method-assign]
    result = carry(planner, plan(planner), engine, interrupts)
    assert (result.count("done"), result.count("stopped")) == (5, 2)
    assert {*engine.started} > {*names}
    assert len(plan(planner)[0].runs) == 2, "the next process goes on from here"


def test_a_cell_without_its_data_is_a_problem_and_the_others_are_done(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: ToyData, root: Path, **_: object) -> dict[str, Split]:
        raise DataError("toys are not here")

    monkeypatch.setattr(ToyData, "load", missing)
    plans = planner.plan(read().cells)
    result = carry(planner, plans, Scoring(Path("runs")), Interrupts())
    assert result.problems == {"a.gin": "toys are not here", "a.gin none.gin": "toys are not here"}
    assert result.outcomes == ()
