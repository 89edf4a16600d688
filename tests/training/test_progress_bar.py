"""What a run shows while it trains."""

from __future__ import annotations

import errno
import io
from dataclasses import replace
from pathlib import Path

import pytest

from lpa3bench.api import Phase
from lpa3bench.training import progress_bar as display
from lpa3bench.training.progress_bar import Bar, Lines, StepRate, draws_bars, progress
from lpa3bench.training.sinks import RunInfo, Sink
from lpa3bench.types import steps_in

PHASES = (Phase("warm-up", 0, 10), Phase("heads", 2, 4), Phase("semi-supervised", 2, 7))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(Terminal):
    """A terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    return clock


def info(epochs: int = 4, epochs_done: int = 0) -> RunInfo:
    return RunInfo(run_id="r", folder=Path(), epochs=epochs, epochs_done=epochs_done, phases=PHASES)


def train(sink: Sink, clock: Clock, *, seconds_per_step: float, epochs_done: int = 0) -> None:
    epochs = 4
    sink.start(info(epochs, epochs_done))
    for epoch in range(epochs_done, epochs):
        for step in range(steps_in(PHASES, epoch)):
            clock.now += seconds_per_step
            sink.step("warm-up" if epoch < 2 else "heads" if epoch == 2 and step < 4 else "semi-supervised")
        sink.epoch({"epoch": epoch, "passes": 1e6, "test/accuracy": 0.91237, "loss": 0.5, "phase": "x"})
    sink.finish({})
    sink.close()
    sink.close()


def test_a_phase_that_shares_its_first_epoch_runs_in_that_epoch_alone() -> None:
    assert [steps_in(PHASES, epoch) for epoch in range(4)] == [10, 10, 11, 7]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")])
def test_the_environment_can_refuse_bars(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert draws_bars(Terminal())
    monkeypatch.setenv(name, value)
    assert not draws_bars(Terminal())
    assert isinstance(progress(Terminal()), Lines)


def test_bars_are_for_terminals() -> None:
    assert isinstance(progress(Terminal()), Bar)
    assert isinstance(progress(io.StringIO()), Lines)


def test_the_pace_follows_the_plan(clock: Clock) -> None:
    pace = StepRate(info())
    assert (pace.done, pace.total) == (0, 38)
    for _ in range(12):  # two more than planned
        pace.step("warm-up")
    assert pace.done == 10
    pace.epoch()
    assert pace.done == 10
    pace.step("warm-up")
    assert pace.done == 11
    for _ in range(3):
        pace.epoch()
    assert pace.done == pace.total


def test_the_headline_tells_place_speed_and_time_to_go(clock: Clock) -> None:
    pace = StepRate(info())
    for _ in range(4):
        clock.now += 0.5
        pace.step("warm-up")
    assert pace.headline == "epoch 1/4  warm-up  2 steps/s"  # a later phase may take many times as long
    pace = StepRate(info(epochs_done=2))
    assert pace.headline == "epoch 2/4"
    clock.now += 100
    pace.step("heads")  # a new phase has a speed of its own
    clock.now += 1
    pace.step("heads")
    assert pace.headline == "epoch 3/4  heads  1 steps/s"
    pace = StepRate(info(epochs_done=3))
    for _ in range(3):
        clock.now += 2
        pace.step("semi-supervised")
    assert pace.headline == "epoch 4/4  semi-supervised  0.5 steps/s  0:00:08 left"


def test_scoring_between_epochs_is_no_step(clock: Clock) -> None:
    pace = StepRate(info())
    for _ in range(2):
        for _ in range(5):
            clock.now += 0.5
            pace.step("warm-up")
        clock.now += 90
        pace.epoch()
    assert pace.headline == "epoch 2/4  warm-up  2 steps/s"


def test_results_are_shown_as_far_as_there_is_room() -> None:
    row = {"epoch": 3, "passes": 1e6, "test/accuracy": 0.91237, "phase": "x", "loss": 0.5}
    assert display.numbers(row, 32) == "test/accuracy 0.9124  loss 0.5"
    assert display.numbers(row, 29) == "test/accuracy 0.9124"
    assert display.numbers(row, 3) == ""


def test_what_selects_is_shown_first_then_the_losses_then_other_metrics() -> None:
    row = {
        "epoch": 3, "val/nll": 0.4, "test/nll": 0.5, "val/kappa": None, "test/kappa": 0.75, "step": 9,
        "passes": 1e6, "loss": 0.25, "head/loss": 2.0,
    }  # fmt: skip
    assert display.numbers(row, 200) == "val/nll 0.4  test/nll 0.5  loss 0.25  head/loss 2  test/kappa 0.75"


def test_slow_epochs_get_a_line_each(clock: Clock) -> None:
    stream = io.StringIO()
    train(Lines(stream), clock, seconds_per_step=1)
    first, *lines = stream.getvalue().splitlines()
    assert first.endswith(": 4 epochs")
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/4", "epoch 2/4", "epoch 3/4", "epoch 4/4"]
    assert all(line.endswith("test/accuracy 0.9124  loss 0.5") for line in lines)
    assert "passes" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_quick_epochs_share_a_line_and_the_last_always_has_one(clock: Clock) -> None:
    stream = io.StringIO()
    train(Lines(stream), clock, seconds_per_step=0.001)
    lines = stream.getvalue().splitlines()[1:]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/4", "epoch 4/4"]


class Cell(io.StringIO):
    """Where a notebook's kernel writes what a cell prints."""

    __module__ = "ipykernel.iostream"


def test_in_a_notebook_one_line_is_written_over(clock: Clock) -> None:
    stream = Cell()
    sink = display.progress(stream)
    train(sink, clock, seconds_per_step=1)
    first, shown = stream.getvalue().splitlines(keepends=False)[0], stream.getvalue().partition("\n")[2]
    assert first.endswith(": 4 epochs")
    assert shown.count("\n") == 1
    lines = shown.removesuffix("\n").split("\r")[1:]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/4", "epoch 2/4", "epoch 3/4", "epoch 4/4"]
    assert [len(line) for line in lines] == sorted(len(line) for line in lines), "it covers the one before"


def test_the_bar_reaches_its_end(clock: Clock) -> None:
    stream = Terminal()
    train(Bar(stream), clock, seconds_per_step=1, epochs_done=1)
    assert "epoch 2/4" in stream.getvalue()
    last = stream.getvalue().split("\r")[-2]
    assert "epoch 4/4  semi-supervised  1 steps/s" in last
    assert "left" not in last
    assert "test/accuracy 0.9124  loss 0.5" in last


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_a_closed_terminal_does_not_end_the_run(kind: type[Lines] | type[Bar], clock: Clock) -> None:
    train(kind(Gone()), clock, seconds_per_step=1)


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_nothing_goes_to_stdout(
    kind: type[Lines] | type[Bar], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    train(kind(Terminal()), clock, seconds_per_step=1)
    assert capsys.readouterr().out == ""


def test_a_sink_may_be_closed_before_it_was_started() -> None:
    Bar(Terminal()).close()
    Lines(Terminal()).close()


@pytest.mark.parametrize("shown", [Lines, Bar])
def test_what_whoever_started_it_should_know_comes_first(shown: type[Lines | Bar]) -> None:
    stream = Terminal()
    sink = shown(stream)
    sink.start(replace(info(), warnings=("[b] is odd",), note="runs/[a] was interrupted"))
    sink.close()
    assert stream.getvalue().startswith("warning: [b] is odd\nnote: runs/[a] was interrupted\n")
