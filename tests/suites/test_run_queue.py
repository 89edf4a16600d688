"""Runs through an engine: what is started, how often, and what is said to have become of it."""

from __future__ import annotations

import fcntl
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.fake_engine import BROKEN, FOREVER, KILLED, OK, Failed, Faked, Silent, fail, run
from support.small_records import finish

from lpa3bench.records import read_record, write_record
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.suites import run_queue
from lpa3bench.suites.engine import EndedRun, Launch
from lpa3bench.suites.run_queue import RunOutcome, RunQueue, launch_from_here
from lpa3bench.suites.suite_run import SuiteRun
from lpa3bench.training.run_directory import RunDirectory

NAMES = ("a-00000000-s0", "a-00000000-s1", "b-00000000-s0", "b-00000000-s1")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_queue, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(run_queue, "HELD_SECONDS", 0.2)


@pytest.fixture
def runs(tmp_path: Path) -> list[SuiteRun]:
    return [run(tmp_path, name) for name in NAMES]


def done_by(
    runs: list[SuiteRun], engine: Faked, interrupts: Interrupts | None = None
) -> dict[str, RunOutcome]:
    watch = Silent()
    queue = RunQueue(engine, watch, interrupts or Interrupts(), launch_from_here({}))
    queue.run_all(runs, {})
    outcomes = queue.outcomes
    assert outcomes == watch.outcomes, "each is told once"
    assert len({outcome.run.name for outcome in outcomes}) == len(outcomes)
    return {outcome.run.name: outcome for outcome in outcomes}


def statuses(found: dict[str, RunOutcome]) -> dict[str, str]:
    return {name: outcome.status for name, outcome in found.items()}


def test_every_run_is_done_once_and_so_many_at_a_time(tmp_path: Path, runs: list[SuiteRun]) -> None:
    engine = Faked(tmp_path, capacity=3)
    assert statuses(done_by([*runs, runs[0]], engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started == [*NAMES]
    assert engine.most == 3


def test_a_run_that_only_served_a_measurement_is_done_for_its_own_purpose_alone(tmp_path: Path) -> None:
    wanted = run(tmp_path)
    finish(wanted.folder.path)
    assert (wanted.state, replace(wanted, purpose="aid").state) == ("done", "done")
    record = read_record(wanted.folder.result)
    write_record(record.path, msgspec.structs.replace(record.data, purpose="aid"))
    assert (wanted.state, replace(wanted, purpose="aid").state) == ("new", "done")


def test_what_is_finished_is_not_started(tmp_path: Path, runs: list[SuiteRun]) -> None:
    finish(tmp_path / NAMES[1])
    engine = Faked(tmp_path)
    found = done_by(runs, engine)
    assert statuses(found) == dict.fromkeys(NAMES, "done")
    assert NAMES[1] not in engine.started
    assert found[NAMES[1]].seconds == 0
    assert found[NAMES[0]].seconds > 0


def test_what_has_a_damaged_record_is_started_and_says_so_itself(
    tmp_path: Path, runs: list[SuiteRun]
) -> None:
    """`run` refuses it with what to do about it."""
    finish(tmp_path / NAMES[1])
    (tmp_path / NAMES[1] / "result.json").write_text('{"seed": ')
    engine = Faked(tmp_path, {NAMES[1]: [BROKEN]})
    found = done_by(runs, engine)
    assert NAMES[1] in engine.started
    assert found[NAMES[1]].status == "failed"


def test_one_that_fails_does_not_keep_the_others_and_is_not_tried_again(
    tmp_path: Path, runs: list[SuiteRun]
) -> None:
    engine = Faked(tmp_path, {NAMES[0]: [BROKEN, OK]})
    found = done_by(runs, engine)
    assert statuses(found) == dict.fromkeys(NAMES, "done") | {NAMES[0]: "failed"}
    assert (found[NAMES[0]].cause, found[NAMES[0]].code) == (BROKEN.cause, 1)
    assert engine.started.count(NAMES[0]) == 1


def test_one_that_is_killed_is_tried_twice_more(tmp_path: Path, runs: list[SuiteRun]) -> None:
    engine = Faked(tmp_path, {NAMES[0]: [KILLED, KILLED, OK], NAMES[2]: [KILLED] * 9})
    found = done_by(runs, engine)
    assert statuses(found) == dict.fromkeys(NAMES, "done") | {NAMES[2]: "failed"}
    assert found[NAMES[2]].cause == "killed by SIGKILL"
    assert [engine.started.count(name) for name in NAMES] == [3, 1, 3, 1]


def test_one_that_somebody_stopped_is_tried_again(tmp_path: Path, runs: list[SuiteRun]) -> None:
    """It left a checkpoint, and the suite was not told to stop."""
    stopped = EndedRun("", 128 + signal.SIGTERM, "SIGTERM received: epoch 2 given up")
    engine = Faked(tmp_path, {NAMES[0]: [stopped, OK]})
    assert statuses(done_by(runs, engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started.count(NAMES[0]) == 2


def test_what_was_done_by_an_earlier_call_is_counted_and_not_done_again(
    tmp_path: Path, runs: list[SuiteRun]
) -> None:
    engine, watch = Faked(tmp_path), Silent()
    queue = RunQueue(engine, watch, Interrupts(), launch_from_here({}))
    queue.run_all(runs[:2], {NAMES[0]: 5.0}, later=[7.0])
    assert (watch.progress[-1].total, watch.progress[-1].count("done")) == (3, 2)
    queue.run_all(runs[1:3], {NAMES[2]: 7.0})
    assert engine.started == [*NAMES[:3]]
    assert (watch.progress[-1].total, watch.progress[-1].count("done")) == (3, 3)
    assert (watch.progress[-1].seconds, watch.progress[-1].later) == ({NAMES[2]: 7.0}, ())


def test_the_record_goes_whatever_the_exit_status(tmp_path: Path, runs: list[SuiteRun]) -> None:
    """It is the last thing a run writes; a death after that is none of a suite's concern."""
    engine = Faked(tmp_path, {NAMES[0]: [KILLED]})
    finish(tmp_path / NAMES[0])
    (tmp_path / NAMES[0] / "result.json").rename(tmp_path / "away")
    submit = engine.submit

    def submit_and_write(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        finish(tmp_path / name)

    engine.submit = submit_and_write  # type: ignore[method-assign,assignment]
    assert statuses(done_by(runs[:1], engine)) == {NAMES[0]: "done"}
    assert engine.started == [NAMES[0]]


def test_one_that_ends_well_under_another_name_is_no_success(tmp_path: Path, runs: list[SuiteRun]) -> None:
    found = done_by(runs[:1], Faked(tmp_path, {NAMES[0]: [EndedRun("", 0, "")]}))
    assert statuses(found) == {NAMES[0]: "failed"}
    assert "has changed; start again" in found[NAMES[0]].cause


def test_what_others_work_on_is_left_to_them(tmp_path: Path, runs: list[SuiteRun]) -> None:
    (tmp_path / NAMES[0]).mkdir()
    with (tmp_path / NAMES[0] / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = Faked(tmp_path)
        found = done_by(runs, engine)
    assert statuses(found) == dict.fromkeys(NAMES, "done") | {NAMES[0]: "in use"}
    outcome = found[NAMES[0]]
    assert (outcome.code, outcome.kind) == (75, "in_use")
    assert outcome.cause == f"{tmp_path / NAMES[0]}: another process is working on this run"
    assert NAMES[0] not in engine.started


def test_what_the_engine_does_already_is_watched_and_not_left_to_others(
    tmp_path: Path, runs: list[SuiteRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm goes on with a run when the suite that handed it in is gone."""
    engine = Faked(tmp_path)
    monkeypatch.setattr(engine, "holds", lambda name: name == NAMES[0])
    with RunDirectory(tmp_path / NAMES[0]).locked():
        found = done_by(runs, engine)
    assert statuses(found) == dict.fromkeys(NAMES, "done")
    assert engine.started[0] == NAMES[0]


def test_what_fails_while_others_hold_it_is_up_to_them(tmp_path: Path, runs: list[SuiteRun]) -> None:
    """Whatever our own attempt died of: another suite has taken the run up meanwhile."""
    lost = EndedRun("", 75, "Ray gave up", "lost")
    engine = Faked(tmp_path, {NAMES[0]: [lost], NAMES[1]: [KILLED] * 3})
    submit = engine.submit
    with ExitStack() as held:

        def submit_and_lose(name: str, launch: object) -> None:
            submit(name, launch)  # type: ignore[arg-type]
            if engine.started.count(name) == (1 if name == NAMES[0] else 3) and name in NAMES[:2]:
                held.enter_context(RunDirectory(tmp_path / name).locked())

        engine.submit = submit_and_lose  # type: ignore[method-assign,assignment]
        found = done_by(runs, engine)
    assert statuses(found) == {name: "in use" if name in NAMES[:2] else "done" for name in NAMES}
    assert {found[name].code for name in NAMES[:2]} == {75}


def test_what_others_leave_in_time_is_done(tmp_path: Path, runs: list[SuiteRun]) -> None:
    """As after a suite was killed whose run takes a moment to end, or by a suite beside this one."""
    (tmp_path / NAMES[0]).mkdir()
    lock = (tmp_path / NAMES[0] / ".lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    engine = Faked(tmp_path, {NAMES[1]: [EndedRun("", 75, "in whatever words"), OK]})
    submit = engine.submit

    def submit_and_let_go(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        if name == NAMES[3]:
            lock.close()

    engine.submit = submit_and_let_go  # type: ignore[method-assign,assignment]
    assert statuses(done_by(runs, engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started[-2:] == [NAMES[0], NAMES[1]], "after all others"


def test_what_went_wrong_is_told_by_failure_json_of_this_attempt_or_by_the_exit_code(
    tmp_path: Path, runs: list[SuiteRun]
) -> None:
    fail(tmp_path / NAMES[1], "of an attempt before", "diverged")
    scripts = {
        NAMES[0]: [Failed("", 1, "no space", leaves="disk")],
        NAMES[1]: [EndedRun("", 1, "it never held the lock")],
        NAMES[2]: [EndedRun("", 4, "data")],
        NAMES[3]: [KILLED] * 3,
    }
    submit = (engine := Faked(tmp_path, scripts)).submit

    def submit_beside_another(name: str, launch: Launch) -> None:
        submit(name, launch)
        if name == NAMES[2]:  # of another process, which holds the lock
            fail(tmp_path / name, "of another process", "diverged")

    engine.submit = submit_beside_another  # type: ignore[method-assign]
    found = done_by(runs, engine)
    assert [found[name].kind for name in NAMES] == ["disk", "other", "data", "killed"]


def test_a_signal_stops_what_is_under_way_and_starts_nothing_more(
    tmp_path: Path, runs: list[SuiteRun]
) -> None:
    engine = Faked(tmp_path, {NAMES[1]: [FOREVER], NAMES[2]: [FOREVER]})
    interrupts = Interrupts()
    submit = engine.submit

    def submit_and_interrupt(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        if name == NAMES[2]:
            interrupts.received = signal.SIGTERM

    engine.submit = submit_and_interrupt  # type: ignore[method-assign,assignment]
    found = done_by(runs, engine, interrupts)
    assert statuses(found) == dict.fromkeys(NAMES, "stopped") | {NAMES[0]: "done"}
    assert engine.signals == [signal.SIGTERM]
    assert NAMES[3] not in engine.started


def test_how_a_run_is_started(tmp_path: Path) -> None:
    launch = launch_from_here({"OMP_NUM_THREADS": "3"})(run(tmp_path))
    assert launch.environment == {"OMP_NUM_THREADS": "3"}
    assert launch.cwd == str(Path.cwd())
    assert launch.log == str(tmp_path / ".logs" / "a-00000000-s0.log")
