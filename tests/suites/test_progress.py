"""How far a suite is: counts, time left, and what a stream that went away does."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.fake_engine import run

from lpa3bench.suites import progress as progress_module
from lpa3bench.suites.progress import (
    PlainDisplay,
    TableDisplay,
    counts_line,
    outcome_line,
    progress_display,
    time_left,
)
from lpa3bench.suites.run_queue import ActiveRun, RunOutcome, SuiteProgress
from lpa3bench.suites.suite_run import SuiteRun, shown_score


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(Terminal):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.fixture
def runs(tmp_path: Path) -> list[SuiteRun]:
    return [run(tmp_path, f"a-00000000-s{seed}") for seed in range(4)]


def scored(one: SuiteRun, *scores: float) -> None:
    one.folder.path.mkdir(parents=True, exist_ok=True)
    rows = (json.dumps({"epoch": epoch, "test/accuracy": value}) for epoch, value in enumerate(scores))
    one.folder.metrics.write_text("".join(f"{row}\n" for row in rows) + '{"epoch": 9, "te')


def test_how_far_a_run_is_by_its_directory(runs: list[SuiteRun]) -> None:
    assert (runs[0].last_row(), runs[0].share_done) == ({}, 0)
    scored(runs[0], 0.25, 0.5)
    assert runs[0].share_done == 2 / runs[0].epochs, "the torn line is not counted"
    assert shown_score(runs[0].last_row()) == ("test/accuracy", "0.5000")
    row = {"test/nll": 2.0, "val/nll": 1.25, "val/accuracy": 0.5, "test/accuracy": 0.5, "loss": 1.0}
    assert shown_score(row) == ("val/nll", "1.2500"), "the first of the validation split is what selects"
    assert shown_score({"test/nll": 2.0, "loss": 1.0}) == ("test/nll", "2.0000")
    assert shown_score({"val/nll": None, "loss": 1.0}) == ("", "")


def progress(
    runs: list[SuiteRun],
    outcomes: Sequence[RunOutcome] = (),
    active: Sequence[ActiveRun] = (),
    seconds: Mapping[str, float] | None = None,
    later: Sequence[float | None] = (),
) -> SuiteProgress:
    return SuiteProgress({run.name: run for run in runs}, outcomes, active, seconds or {}, later)


def test_the_time_left_is_forecast_and_corrected_by_how_it_went(runs: list[SuiteRun]) -> None:
    seconds = {run.name: 100.0 for run in runs}
    assert time_left(progress(runs, seconds=seconds), 2) == 200
    half_done = ActiveRun(runs[1], 1.0, 0, since=1.0)
    scored(runs[1], 0.1, 0.2)
    assert time_left(progress(runs, [], [half_done], seconds), 2) == 175
    slow = RunOutcome(runs[0], "done", seconds=300.0)
    assert time_left(progress(runs, [slow], [half_done], seconds), 2) == 3 * (50 + 100 + 100) / 2
    before = RunOutcome(runs[0], "done")
    assert time_left(progress(runs, [before], [], seconds), 2) == 150, "one that was done before says nothing"


def test_what_failed_or_went_on_is_no_whole_run(runs: list[SuiteRun]) -> None:
    seconds = {run.name: 100.0 for run in runs}
    failed = RunOutcome(runs[0], "failed", "no disk", 1, seconds=3.0)
    assert time_left(progress(runs, [failed], [], seconds), 1) == 300
    went_on = RunOutcome(runs[1], "done", seconds=20.0, share=0.1)
    assert time_left(progress(runs, [failed, went_on], [], seconds), 1) == pytest.approx(2 * 2 * 100)
    assert time_left(progress(runs, [failed, went_on]), 1) == pytest.approx(2 * 200)


def test_what_is_chosen_later_waits_for_all_that_comes_first(runs: list[SuiteRun]) -> None:
    seconds = {run.name: 100.0 for run in runs}
    assert time_left(progress(runs, [], [], seconds, [40.0, 40.0]), 9) == 100 + 40
    assert time_left(progress(runs, [], [], seconds, [None]), 4) is None


def test_a_run_that_was_not_forecast_is_like_those_that_have_ended(runs: list[SuiteRun]) -> None:
    assert time_left(progress(runs, [], [], {runs[0].name: 1.0}), 2) is None
    ended = RunOutcome(runs[0], "done", seconds=60.0)
    assert time_left(progress(runs, [ended]), 2) == 3 * 60 / 2
    seconds = {runs[0].name: 30.0, runs[1].name: 30.0}
    assert time_left(progress(runs, [ended], [], seconds), 3) == (60 + 2 * 60) / 3


def test_the_headline(runs: list[SuiteRun]) -> None:
    outcomes = [RunOutcome(runs[0], "done"), RunOutcome(runs[1], "failed", "because")]
    queued, running = ActiveRun(runs[2], 1.0, 0), ActiveRun(runs[3], 1.0, 0, since=1.0)
    text = counts_line(progress(runs, outcomes, [queued, running], later=[None]), 3723.4)
    assert text == "1 of 5 done, 1 failed, 1 running, 2 to do, 1:02:03 left"


def test_plain_lines_without_a_terminal(runs: list[SuiteRun], monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    shown = progress_display(1, stream)
    assert isinstance(shown, PlainDisplay)
    scored(runs[0], 0.5)
    outcomes = [RunOutcome(runs[0], "done", seconds=61.2), RunOutcome(runs[1], "failed", "no disk", 1, 2.0)]
    shown.ended(outcomes[0], progress(runs, outcomes[:1]))
    shown.ended(outcomes[1], progress(runs, outcomes))
    shown.ended(RunOutcome(runs[2], "done"), progress(runs, outcomes))
    shown.show(progress(runs, outcomes))
    assert stream.getvalue().splitlines() == [
        "[1/4] done: a  seed 0  test/accuracy 0.5000  0:01:01",
        "[2/4] failed: a  seed 1  0:00:02  no disk",
    ]
    monkeypatch.setattr(progress_module, "COUNTS_SECONDS", -1.0)
    shown = PlainDisplay(stream, 1)
    shown.show(progress(runs, outcomes))
    assert stream.getvalue().splitlines()[-1] == "1 of 4 done, 1 failed, 0 running, 2 to do, 0:02:02 left"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def test_a_table_of_what_is_under_way_on_a_terminal(runs: list[SuiteRun], terminal: Terminal) -> None:
    seconds = {run.name: 10.0 for run in runs}
    shown = progress_display(2, terminal)
    assert isinstance(shown, TableDisplay)
    scored(runs[3], 0.25, 0.5)
    failed = RunOutcome(runs[1], "failed", "[red]no disk", 1, 2.0)
    shown.ended(failed, progress(runs, [failed]))
    active = [ActiveRun(runs[2], 1.0, 0), ActiveRun(runs[3], 1.0, 0, since=1.0)]
    shown.show(progress(runs, [failed], active, seconds))
    shown.close()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert "failed: a  seed 1  0:00:02  [red]no disk" in text, "text is no markup"
    assert "0 of 4 done, 1 failed, 1 running, 2 to do" in text
    head, row = text.strip().splitlines()[-2:]
    assert head.split() == ["cell", "seed", "epoch", "test/accuracy", "time"]
    assert row.split()[:4] == ["a", "3", "2/4", "0.5000"]


def read_all(master: int) -> bytes:
    """What was written to a pseudo-terminal until its other end was closed."""
    found = b""
    with suppress(OSError):
        while part := os.read(master, 2**16):
            found += part
    os.close(master)
    return found


CELL = "cifar100_pes augmenters/lpa3 --setting sym90 -p LPA3.margin=0.002"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_loses_no_number_in_a_terminal_of_any_width(
    runs: list[SuiteRun], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pseudo-terminal, with a cell longer than it is wide, and more runs than it has lines."""
    for name in ("NO_COLOR", "CI", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    many = [
        replace(runs[0], cell=CELL, seed=seed, epochs=1000, name=f"a-00000000-s{seed}")
        for seed in range(90, 190)
    ]
    scored(many[0], *(0.1,) * 998, 0.4321)
    seen = ThreadPoolExecutor(1).submit(read_all, master)
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        shown = progress_display(2, stream)
        assert isinstance(shown, TableDisplay)
        now = time.monotonic()
        active = [ActiveRun(one, 1.0, 0, since=now - 36_000.0 - one.seed) for one in many]
        shown.show(progress(many, [], active, {one.name: 1e5 for one in many}))
        shown.close()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.result(5).decode())
    counts = "0 of 100 done, "
    first_drawing = counts + text.replace("\r", "").split(counts)[1]
    lines = first_drawing.split("\n")
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()).startswith(f"{counts}100 running, 0 to do, 57 days, ")
    first, *others = [line.split() for line in lines if "10:0" in line]
    assert first[-4:] == ["90", "999/1000", "0.4321", "10:01:30"]
    assert [line[-3:-1] for line in others][:2] == [["91", "0/1000"], ["92", "0/1000"]]
    assert lines[-1].split() == ["and", str(100 - 1 - len(others)), "more"]
    assert len(lines) < 24, "all of it is seen"


def test_a_terminal_that_was_closed_ends_nothing(runs: list[SuiteRun], terminal: Terminal) -> None:
    failed = RunOutcome(runs[1], "failed", "no disk", 1, 2.0)
    for shown in (PlainDisplay(Gone(), 1), progress_display(1, Gone())):
        shown.ended(failed, progress(runs, [failed]))
        shown.show(progress(runs, [failed], [ActiveRun(runs[3], 1.0, 0, since=1.0)]))
        shown.close()


def test_a_line_says_what_became_of_a_run(runs: list[SuiteRun]) -> None:
    assert (
        outcome_line(RunOutcome(runs[0], "in use", "x: another process"))
        == "in use: a  seed 0  x: another process"
    )
    clears = RunOutcome(runs[0], "failed", "\x1b[2Jgone")
    assert outcome_line(clears) == "failed: a  seed 0  ?[2Jgone", "a terminal does not obey it"
