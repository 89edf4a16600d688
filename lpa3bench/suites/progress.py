"""How far a suite is, on stderr: a table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from lpa3bench.errors import printable
from lpa3bench.runtime.streams import unguarded
from lpa3bench.runtime.terminal_text import number_table, terminal_width, wrapped
from lpa3bench.suites.forecast import seconds_together
from lpa3bench.suites.run_queue import ActiveRun, ProgressDisplay, RunOutcome, SuiteProgress
from lpa3bench.suites.suite_run import shown_score
from lpa3bench.training.progress_bar import draws_bars

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

TABLE_SECONDS = 0.5
"""Between two drawings of the table."""
COUNTS_SECONDS = 60.0
"""Between two plain lines with the counts."""
AROUND_TABLE = 6
"""Lines of the terminal that the rows leave to headings, counts and the prompt."""


def time_left(progress: SuiteProgress, capacity: int) -> float | None:
    """Seconds that the rest takes, by the forecast and by how far off it has been so far.

    None where nothing is known of some run, and none has ended yet that it could be like.

    Args:
        capacity: how many runs are under way at once.
    """
    here = [o for o in progress.outcomes if o.status == "done" and o.seconds and o.share > 0]
    known = [o for o in here if o.run.name in progress.seconds]
    expected = sum(o.share * progress.seconds[o.run.name] for o in known)
    factor = sum(o.seconds for o in known) / expected if expected else 1.0
    typical = sum(o.seconds for o in here) / sum(o.share for o in here) if here else None
    done = {active.run.name: active.run.share_done for active in progress.active}
    over = {outcome.run.name for outcome in progress.outcomes}
    whole = 0.0
    names = [name for name in progress.runs if name not in over]
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
        whole += seconds_together(rest, capacity)
    return whole


def counts_line(progress: SuiteProgress, left: float | None) -> str:
    """The counts: "12 of 49 done, 1 failed, 2 running, 34 to do, 0:12:03 left"."""
    running = sum(active.since > 0 for active in progress.active)
    parts = [f"{progress.count('done')} of {progress.total} done"]
    parts += [
        f"{count} {word}" for word in ("failed", "in use", "stopped") if (count := progress.count(word))
    ]
    parts += [f"{running} running", f"{progress.total - len(progress.outcomes) - running} to do"]
    if left:
        parts.append(f"{clock_time(left)} left")
    return ", ".join(parts)


def clock_time(seconds: float) -> str:
    """As people read it: "0:12:03"."""
    return str(timedelta(seconds=round(seconds)))


def outcome_line(outcome: RunOutcome) -> str:
    """What became of a run: "done: digits_pes  seed 1  test 0.9312  0:01:01"."""
    words = [f"{outcome.status}: {outcome.run.cell}  seed {outcome.run.seed}"]
    if outcome.status == "done":
        words.append(" ".join(shown_score(outcome.run.last_row())).strip())
    if outcome.seconds:
        words.append(clock_time(outcome.seconds))
    words.append(outcome.cause)
    return printable("  ".join(filter(None, words)))


class PlainDisplay(ProgressDisplay):
    """A line for each run that is over, and now and then one with the counts.

    A stream that was closed silences it: that must not end a suite that has run for days.
    """

    def __init__(self, stream: TextIO, capacity: int) -> None:
        self._stream = stream
        self._capacity = capacity
        self._next = time.monotonic() + COUNTS_SECONDS

    def show(self, progress: SuiteProgress) -> None:
        """Write the counts, if it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + COUNTS_SECONDS
            self._write(counts_line(progress, time_left(progress, self._capacity)))

    def ended(self, outcome: RunOutcome, progress: SuiteProgress) -> None:
        """Write what became of it, unless it was finished before."""
        if outcome.seconds or outcome.cause:
            self._write(f"[{len(progress.outcomes)}/{progress.total}] {outcome_line(outcome)}")

    def _write(self, line: str) -> None:
        with suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


class TableDisplay(ProgressDisplay):
    """A row for each run under way, below the counts; what failed stands above it. Likewise silenced."""

    def __init__(self, stream: TextIO, capacity: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._capacity = capacity
        self._next = 0.0
        self._stream = unguarded(stream)
        console = Console(file=self._stream)
        self._live: Live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, transient=True
        )
        with suppress(OSError):
            self._live.start()

    def show(self, progress: SuiteProgress) -> None:
        """Draw it anew, if it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TABLE_SECONDS
            with suppress(OSError):
                self._live.update(self._drawn(progress), refresh=True)

    def ended(self, outcome: RunOutcome, progress: SuiteProgress) -> None:
        """Say what went wrong, above the table."""
        from rich.text import Text

        if outcome.status in ("failed", "in use"):
            with suppress(OSError):
                self._live.console.print(Text(outcome_line(outcome), style="red"))

    def close(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def _drawn(self, progress: SuiteProgress) -> RenderableType:
        from rich.text import Text

        console = self._live.console
        console.width = terminal_width(self._stream) or console.width
        counts = wrapped(counts_line(progress, time_left(progress, self._capacity)), console.width)
        lines = [counts, "", *active_lines(progress.active, console.width, console.height - AROUND_TABLE)]
        return Text("\n".join(lines), no_wrap=True, overflow="crop")


def active_lines(active: Sequence[ActiveRun], width: int, rows: int) -> list[str]:
    """A line for each run under way, and how many more there are than rows."""
    now = time.monotonic()
    begun = [one for one in active if one.since]
    shown = begun[: max(rows, 1)]
    scored = [one.run.last_row() for one in shown]
    scores = [shown_score(row) for row in scored]
    names = {name for name, _ in scores if name}
    body = [
        (
            printable(one.run.cell),
            str(one.run.seed),
            f"{int(row.get('epoch', -1)) + 1}/{one.run.epochs}",
            number if len(names) == 1 else f"{name} {number}".strip(),
            clock_time(now - one.since),
        )
        for one, row, (name, number) in zip(shown, scored, scores, strict=True)
    ]
    head = ("cell", "seed", "epoch", *(names if len(names) == 1 else ("score",)), "time")
    lines = number_table(head, body, [""] * len(body), width, cut_names=True)
    return [*lines, f"and {len(begun) - len(shown)} more"] if len(begun) > len(shown) else lines


def progress_display(capacity: int, stream: TextIO | None = None) -> PlainDisplay | TableDisplay:
    """What suits the stream (None: stderr)."""
    stream = stream or sys.stderr
    return TableDisplay(stream, capacity) if draws_bars(stream) else PlainDisplay(stream, capacity)
