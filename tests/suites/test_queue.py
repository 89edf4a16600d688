"""Driving runs through an engine: what is started, how often, and what is said to have become of it."""

from __future__ import annotations

import fcntl
import signal
from pathlib import Path

import pytest
from support.fake_engine import BROKEN, FOREVER, KILLED, OK, Failed, Faked, Silent, fail, finish, run

from lpa3bench.runtime.signals import Interrupts
from lpa3bench.suites import queue as driving
from lpa3bench.suites.engine import Ended
from lpa3bench.suites.launch import Launch
from lpa3bench.suites.queue import Drive, Outcome, launcher
from lpa3bench.suites.suite_run import Run

NAMES = ("a-00000000-s0", "a-00000000-s1", "b-00000000-s0", "b-00000000-s1")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(driving, "ORPHAN_SECONDS", 0.2)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [run(tmp_path, name) for name in NAMES]


def driven(runs: list[Run], engine: Faked, interrupts: Interrupts | None = None) -> dict[str, Outcome]:
    watch = Silent()
    drive = Drive(engine, watch, interrupts or Interrupts(), launcher({}))
    drive.do(runs, {})
    outcomes = drive.outcomes
    assert outcomes == watch.outcomes, "each is told once"
    assert len({outcome.run.name for outcome in outcomes}) == len(outcomes)
    return {outcome.run.name: outcome for outcome in outcomes}


def verdicts(found: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.verdict for name, outcome in found.items()}


def test_every_run_is_done_once_and_no_more_than_so_many_at_a_time(tmp_path: Path, runs: list[Run]) -> None:
    engine = Faked(tmp_path, capacity=3)
    assert verdicts(driven([*runs, runs[0]], engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started == [*NAMES]
    assert engine.most == 3


def test_what_is_finished_is_not_started(tmp_path: Path, runs: list[Run]) -> None:
    finish(tmp_path / NAMES[1])
    engine = Faked(tmp_path)
    found = driven(runs, engine)
    assert verdicts(found) == dict.fromkeys(NAMES, "done")
    assert NAMES[1] not in engine.started
    assert found[NAMES[1]].seconds == 0
    assert found[NAMES[0]].seconds > 0


def test_what_has_a_damaged_record_is_started_and_says_so_itself(tmp_path: Path, runs: list[Run]) -> None:
    """`run` refuses it with what to do about it."""
    finish(tmp_path / NAMES[1])
    (tmp_path / NAMES[1] / "result.json").write_text('{"seed": ')
    engine = Faked(tmp_path, {NAMES[1]: [BROKEN]})
    found = driven(runs, engine)
    assert NAMES[1] in engine.started
    assert found[NAMES[1]].verdict == "failed"


def test_one_that_fails_does_not_keep_the_others_and_is_not_tried_again(
    tmp_path: Path, runs: list[Run]
) -> None:
    engine = Faked(tmp_path, {NAMES[0]: [BROKEN, OK]})
    found = driven(runs, engine)
    assert verdicts(found) == dict.fromkeys(NAMES, "done") | {NAMES[0]: "failed"}
    assert (found[NAMES[0]].cause, found[NAMES[0]].code) == (BROKEN.cause, 1)
    assert engine.started.count(NAMES[0]) == 1


def test_one_that_is_killed_is_tried_twice_more(tmp_path: Path, runs: list[Run]) -> None:
    engine = Faked(tmp_path, {NAMES[0]: [KILLED, KILLED, OK], NAMES[2]: [KILLED] * 9})
    found = driven(runs, engine)
    assert verdicts(found) == dict.fromkeys(NAMES, "done") | {NAMES[2]: "failed"}
    assert found[NAMES[2]].cause == "killed by SIGKILL"
    assert [engine.started.count(name) for name in NAMES] == [3, 1, 3, 1]


def test_one_that_somebody_stopped_is_tried_again(tmp_path: Path, runs: list[Run]) -> None:
    """It left a checkpoint, and the suite was not told to stop."""
    stopped = Ended("", 128 + signal.SIGTERM, "SIGTERM received: epoch 2 given up")
    engine = Faked(tmp_path, {NAMES[0]: [stopped, OK]})
    assert verdicts(driven(runs, engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started.count(NAMES[0]) == 2


def test_what_was_done_by_an_earlier_call_is_counted_and_not_done_again(
    tmp_path: Path, runs: list[Run]
) -> None:
    engine, watch = Faked(tmp_path), Silent()
    drive = Drive(engine, watch, Interrupts(), launcher({}))
    drive.do(runs[:2], {NAMES[0]: 5.0}, later=[7.0])
    assert (watch.progress[-1].total, watch.progress[-1].count("done")) == (3, 2)
    drive.do(runs[1:3], {NAMES[2]: 7.0})
    assert engine.started == [*NAMES[:3]]
    assert (watch.progress[-1].total, watch.progress[-1].count("done")) == (3, 3)
    assert (watch.progress[-1].seconds, watch.progress[-1].later) == ({NAMES[2]: 7.0}, ())


def test_the_record_goes_whatever_the_exit_status(tmp_path: Path, runs: list[Run]) -> None:
    """It is the last thing a run writes; a death after that is none of a suite's concern."""
    engine = Faked(tmp_path, {NAMES[0]: [KILLED]})
    finish(tmp_path / NAMES[0])
    (tmp_path / NAMES[0] / "result.json").rename(tmp_path / "away")
    submit = engine.submit

    def submit_and_write(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        finish(tmp_path / name)

    engine.submit = submit_and_write  # type: ignore[method-assign,assignment]
    assert verdicts(driven(runs[:1], engine)) == {NAMES[0]: "done"}
    assert engine.started == [NAMES[0]]


def test_one_that_ends_well_under_another_name_is_no_success(tmp_path: Path, runs: list[Run]) -> None:
    found = driven(runs[:1], Faked(tmp_path, {NAMES[0]: [Ended("", 0, "")]}))
    assert verdicts(found) == {NAMES[0]: "failed"}
    assert "has changed; start again" in found[NAMES[0]].cause


def test_what_others_work_on_is_left_to_them(tmp_path: Path, runs: list[Run]) -> None:
    (tmp_path / NAMES[0]).mkdir()
    with (tmp_path / NAMES[0] / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = Faked(tmp_path)
        found = driven(runs, engine)
    assert verdicts(found) == dict.fromkeys(NAMES, "done") | {NAMES[0]: "in use"}
    outcome = found[NAMES[0]]
    assert (outcome.code, outcome.kind) == (75, "in_use")
    assert outcome.cause == f"{tmp_path / NAMES[0]}: another process is working on this run"
    assert NAMES[0] not in engine.started


def test_what_others_leave_in_time_is_done(tmp_path: Path, runs: list[Run]) -> None:
    """As after a suite was killed whose run takes a moment to end, or by a suite beside this one."""
    (tmp_path / NAMES[0]).mkdir()
    lock = (tmp_path / NAMES[0] / ".lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    engine = Faked(tmp_path, {NAMES[1]: [Ended("", 75, "in whatever words"), OK]})
    submit = engine.submit

    def submit_and_let_go(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        if name == NAMES[3]:
            lock.close()

    engine.submit = submit_and_let_go  # type: ignore[method-assign,assignment]
    assert verdicts(driven(runs, engine)) == dict.fromkeys(NAMES, "done")
    assert engine.started[-2:] == [NAMES[0], NAMES[1]], "after all others"


def test_what_went_wrong_is_told_by_failure_json_of_this_attempt_or_by_the_exit_code(
    tmp_path: Path, runs: list[Run]
) -> None:
    fail(tmp_path / NAMES[1], "of an attempt before", "diverged")
    scripts = {
        NAMES[0]: [Failed("", 1, "no space", leaves="disk")],
        NAMES[1]: [Ended("", 1, "it never held the lock")],
        NAMES[2]: [Ended("", 4, "data")],
        NAMES[3]: [KILLED] * 3,
    }
    submit = (engine := Faked(tmp_path, scripts)).submit

    def submit_beside_another(name: str, launch: Launch) -> None:
        submit(name, launch)
        if name == NAMES[2]:  # of another process, which holds the lock
            fail(tmp_path / name, "of another process", "diverged")

    engine.submit = submit_beside_another  # type: ignore[method-assign]
    found = driven(runs, engine)
    assert [found[name].kind for name in NAMES] == ["disk", "other", "data", "killed"]


def test_a_signal_stops_what_is_under_way_and_starts_nothing_more(tmp_path: Path, runs: list[Run]) -> None:
    engine = Faked(tmp_path, {NAMES[1]: [FOREVER], NAMES[2]: [FOREVER]})
    interrupts = Interrupts()
    submit = engine.submit

    def submit_and_interrupt(name: str, launch: object) -> None:
        submit(name, launch)  # type: ignore[arg-type]
        if name == NAMES[2]:
            interrupts.received = signal.SIGTERM

    engine.submit = submit_and_interrupt  # type: ignore[method-assign,assignment]
    found = driven(runs, engine, interrupts)
    assert verdicts(found) == dict.fromkeys(NAMES, "stopped") | {NAMES[0]: "done"}
    assert engine.signals == [signal.SIGTERM]
    assert NAMES[3] not in engine.started


def test_how_a_run_is_started(tmp_path: Path) -> None:
    launch = launcher({"OMP_NUM_THREADS": "3"})(run(tmp_path))
    assert launch.environment == {"OMP_NUM_THREADS": "3"}
    assert launch.cwd == str(Path.cwd())
    assert launch.log == str(tmp_path / ".logs" / "a-00000000-s0.log")
