"""How far a run is, on stderr: a bar on a terminal, now and then a plain line anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

from lpa3bench.errors import printable
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.streams import unguarded
from lpa3bench.runtime.terminal_text import terminal_width, wrapped
from lpa3bench.training.sinks import RunInfo, Sink
from lpa3bench.types import SCORED, steps_in

if TYPE_CHECKING:
    from rich.progress import Progress


REDRAW_SECONDS = 0.2
LINE_SECONDS = 5.0
LINE_ROOM = 60
"""Characters of a line that results may fill."""
BAR_WIDTH = 20
_COUNTS = ("epoch", "step", "passes")
"""Columns of a row that say how far the run is, not how good."""


def progress(stream: TextIO | None = None) -> Sink:
    """The sink that suits the stream (None: stderr)."""
    stream = stream or sys.stderr
    if type(stream).__module__.startswith("ipykernel."):  # Jupyter's
        return NotebookLine(stream)
    return Bar(stream) if draws_bars(stream) else Lines(stream)


def draws_bars(stream: TextIO) -> bool:
    """Whether colour and moving bars are welcome: a terminal, and nothing in the environment against it."""
    unwelcome = os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not unwelcome


class StepRate:
    """Counts steps against the plan.

    The speed is that of the phase under way, because phases differ in cost, from the time between two steps
    of an epoch: what lies between epochs, scoring above all, is no step.
    """

    def __init__(self, info: RunInfo) -> None:
        self.epochs = info.epochs
        self.epochs_done = info.epochs_done
        self.phase = ""
        self._last_phase = info.phases[-1].name
        self._before = [0]
        """Steps planned before each epoch, and in all."""
        for epoch in range(info.epochs):
            self._before.append(self._before[-1] + steps_in(info.phases, epoch))
        self._in_epoch = 0
        self._timed = 0
        self._seconds = 0.0
        self._last = 0.0

    def step(self, phase: str) -> None:
        """One more step is done. The first of a phase, and of an epoch, only starts the clock."""
        now = time.monotonic()
        if phase != self.phase:
            self.phase = phase
            self._timed, self._seconds = 0, 0.0
        elif self._in_epoch:
            self._timed += 1
            self._seconds += now - self._last
        self._last = now
        self._in_epoch += 1

    def epoch(self) -> None:
        """One more epoch, however many steps it took."""
        self.epochs_done += 1
        self._in_epoch = 0

    @property
    def total(self) -> int:
        """Steps planned in all."""
        return self._before[-1]

    @property
    def done(self) -> int:
        """Steps of the plan that are done. An epoch that takes more than planned waits at its end."""
        if self.epochs_done >= self.epochs:
            return self.total
        before, after = self._before[self.epochs_done : self.epochs_done + 2]
        return min(before + self._in_epoch, after)

    @property
    def headline(self) -> str:
        """Where the run is: "epoch 3/60  semi-supervised  12.5 steps/s  0:01:30 left"."""
        under_way = min(self.epochs_done + (self._in_epoch > 0), self.epochs)
        parts = [f"epoch {under_way}/{self.epochs}", self.phase]
        left = self.total - self.done
        if self._timed and self._seconds > 0:
            speed = self._timed / self._seconds
            parts.append(f"{speed:.3g} steps/s")
            if left and self.phase == self._last_phase:  # a later phase may be many times as slow
                parts.append(f"{timedelta(seconds=round(left / speed))} left")
        return printable("  ".join(filter(None, parts)))


class Lines(Sink):
    """One plain line for an epoch, at most every few seconds, and always for the last.

    A stream that was closed silences it: that must not end a run that has trained for hours.
    """

    pace: StepRate

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._next = 0.0

    def start(self, info: RunInfo) -> None:
        self.pace = StepRate(info)
        begun = f", goes on after epoch {info.epochs_done}" if info.epochs_done else ""
        for line in (*_first_lines(info), f"{info.run_id}: {counted(info.epochs, 'epoch')}{begun}"):
            self._put(f"{line}\n")

    def step(self, phase: str) -> None:
        self.pace.step(phase)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.pace.epoch()
        now = time.monotonic()
        if now >= self._next or self.pace.epochs_done == self.pace.epochs:
            self._next = now + LINE_SECONDS
            self._tell(f"{self.pace.headline}  {numbers(row, LINE_ROOM)}".rstrip())

    def _tell(self, line: str) -> None:
        self._put(f"{line}\n")

    def _put(self, text: str) -> None:
        with suppress(OSError):
            self.stream.write(text)
            self.stream.flush()


class NotebookLine(Lines):
    """The same in a single line of a cell's output, which would grow with the run otherwise."""

    _there = 0
    """Letters of what stands in that line."""

    def close(self) -> None:
        if self._there:
            self._put("\n")
            self._there = 0

    def _tell(self, line: str) -> None:
        self._put(f"\r{line.ljust(self._there)}")
        self._there = len(line)


class Bar(Sink):
    """A bar of rich's, drawn a few times a second from within the steps: no thread beside the training.

    A terminal that was closed silences it, as above.
    """

    pace: StepRate

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._next = 0.0
        self._row: Mapping[str, Any] = {}
        self._bar: Progress | None = None

    def start(self, info: RunInfo) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.pace = StepRate(info)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=Console(file=unguarded(self.stream)),
            auto_refresh=False,
            redirect_stdout=False,
        )
        self._bar.add_task(self.pace.headline, total=self.pace.total, numbers="")
        with suppress(OSError):
            width = terminal_width(self.stream)
            self.stream.writelines(
                f"{wrapped(line, width, whole_paths=True)}\n" for line in _first_lines(info)
            )
            self._bar.start()

    def step(self, phase: str) -> None:
        self.pace.step(phase)
        if time.monotonic() >= self._next:
            self._draw()

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.pace.epoch()
        self._row = row
        self._draw()

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.stop()
            self._bar = None

    def _draw(self) -> None:
        self._next = time.monotonic() + REDRAW_SECONDS
        if self._bar is None:
            return
        headline = self.pace.headline
        room = self._bar.console.width - len(headline) - BAR_WIDTH - 2
        with suppress(OSError):
            self._bar.update(
                self._bar.task_ids[0],
                completed=self.pace.done,
                description=headline,
                numbers=numbers(self._row, room),
                refresh=True,
            )


def _first_lines(info: RunInfo) -> list[str]:
    """What whoever started it should know."""
    summary = (f"data: {line}" for line in info.summary)
    warnings = (f"warning: {warning}" for warning in info.warnings)
    note = [] if info.note is None else [f"note: {info.note}"]
    return [printable(line) for line in (*summary, *warnings, *note)]


def numbers(row: Mapping[str, Any], room: int) -> str:
    """The results in a row, as many as fit into `room` characters: "test/accuracy 0.915  loss 0.231".

    First what the selecting metric says, the first of each split's; the others come after what the task logs.
    """
    of_splits = {split: [name for name in row if name.startswith(f"{split}/")] for split in SCORED}
    first = [names[0] for names in of_splits.values() if names]
    others = [name for names in of_splits.values() for name in names[1:]]
    logged = [name for name in row if name not in (*_COUNTS, *first, *others)]
    text = ""
    for name in (*first, *logged, *others):
        if isinstance(value := row[name], float):
            longer = f"{text}  {name} {value:.4g}".strip()
            if len(longer) > room:
                break
            text = longer
    return printable(text)
