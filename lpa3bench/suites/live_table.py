"""How far a suite is, on stderr: a table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from lpa3bench.errors import printable
from lpa3bench.suites.forecast import together
from lpa3bench.suites.queue import Outcome, Progress, Watch
from lpa3bench.suites.suite_run import score
from lpa3bench.training.progress_bar import draws_bars

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

REDRAW_SECONDS = 0.5
LINE_SECONDS = 60.0
COLUMNS = ("cell", "seed", "epoch", "score", "time")


class Pace:
    """How long the rest takes, by the forecast and by how it has held so far.

    Args:
        capacity: how many runs are under way at once.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity

    def left(self, progress: Progress) -> float | None:
        """Seconds; None where nothing is known of some run, and none has ended yet that it could be like."""
        here = [o for o in progress.outcomes if o.verdict == "done" and o.seconds and o.share > 0]
        known = [o for o in here if o.run.name in progress.seconds]
        expected = sum(o.share * progress.seconds[o.run.name] for o in known)
        factor = sum(o.seconds for o in known) / expected if expected else 1.0
        typical = sum(o.seconds for o in here) / sum(o.share for o in here) if here else None
        done = {active.run.name: active.run.share_done for active in progress.active}
        settled = {outcome.run.name for outcome in progress.outcomes}
        whole = 0.0
        names = [name for name in progress.runs if name not in settled]
        for phase in (
            [(progress.seconds.get(name), 1 - done.get(name, 0.0)) for name in names],
            [(seconds, 1.0) for seconds in progress.later],
        ):
            rest = []
            for seconds, share in phase:
                seconds = typical if seconds is None else factor * seconds
                if seconds is None:
                    return None
                rest.append(share * seconds)
            whole += together(rest, self._capacity)
        return whole


def headline(progress: Progress, left: float | None) -> str:
    """The counts: "12 of 49 done, 1 failed, 2 running, 34 to do, 0:12:03 left"."""
    running = sum(active.since > 0 for active in progress.active)
    parts = [f"{progress.count('done')} of {progress.total} done"]
    parts += [
        f"{count} {word}" for word in ("failed", "in use", "stopped") if (count := progress.count(word))
    ]
    parts += [f"{running} running", f"{progress.total - len(progress.outcomes) - running} to do"]
    if left:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """As people read it: "0:12:03"."""
    return str(timedelta(seconds=round(seconds)))


def told(outcome: Outcome) -> str:
    """What became of a run, in one line."""
    words = [f"{outcome.verdict}: {outcome.run.cell}  seed {outcome.run.seed}"]
    if outcome.verdict == "done":
        words.append(score(outcome.run.last_row()))
    if outcome.seconds:
        words.append(duration(outcome.seconds))
    words.append(outcome.cause)
    return printable("  ".join(filter(None, words)))


class Lines(Watch):
    """A line for each run that is over, and now and then one with the counts.

    A stream that was closed silences it: that must not end a suite that has run for days.
    """

    def __init__(self, stream: TextIO, pace: Pace) -> None:
        self._stream = stream
        self._pace = pace
        self._next = time.monotonic() + LINE_SECONDS

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            self._write(headline(progress, self._pace.left(progress)))

    def ended(self, outcome: Outcome, progress: Progress) -> None:
        """Write what became of it, unless it was finished before."""
        if outcome.seconds or outcome.cause:
            self._write(f"[{len(progress.outcomes)}/{progress.total}] {told(outcome)}")

    def _write(self, line: str) -> None:
        with suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


class Table(Watch):
    """A row for each run under way, below the counts; what failed stands above it. Likewise silenced."""

    def __init__(self, stream: TextIO, pace: Pace) -> None:
        from rich.console import Console
        from rich.live import Live

        self._pace = pace
        self._next = 0.0
        console = Console(file=stream, soft_wrap=False)
        self._live: Live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, transient=True
        )
        with suppress(OSError):
            self._live.start()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REDRAW_SECONDS
            with suppress(OSError):
                self._live.update(self._drawn(progress), refresh=True)

    def ended(self, outcome: Outcome, progress: Progress) -> None:
        """Say what went wrong, above the table."""
        from rich.text import Text

        if outcome.verdict in ("failed", "in use"):
            with suppress(OSError):
                self._live.console.print(Text(told(outcome), style="red"))

    def close(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def _drawn(self, progress: Progress) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(box=box.SIMPLE_HEAD)
        for name in COLUMNS:
            right = name in ("seed", "epoch", "time")
            grid.add_column(
                name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis",
                ratio=1 if name == "cell" else None,
            )  # fmt: skip
        now = time.monotonic()
        for active in progress.active:
            if active.since:
                row, run = active.run.last_row(), active.run
                epoch = f"{int(row.get('epoch', -1)) + 1}/{run.epochs}"
                cells = (run.cell, str(run.seed), epoch, score(row), duration(now - active.since))
                grid.add_row(*map(Text, cells))
        return Group(Text(headline(progress, self._pace.left(progress))), grid)


def watch(pace: Pace, stream: TextIO | None = None) -> Watch:
    """What suits the stream (None: stderr)."""
    stream = stream or sys.stderr
    return Table(stream, pace) if draws_bars(stream) else Lines(stream, pace)
