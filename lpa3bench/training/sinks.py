"""Sinks are told what happens in a run, and write it down or show it. None of them prints to stdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from lpa3bench.api import Phase
    from lpa3bench.records import Record


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What is known when a run starts."""

    run_id: str
    folder: Path
    """The run directory, which exists."""
    epochs: int
    """Of the whole run."""
    epochs_done: int
    """0, or the number that the checkpoint holds which the run goes on from."""
    phases: tuple[Phase, ...]
    summary: tuple[str, ...] = ()
    """What the data and the labels are, where the files tell."""
    warnings: tuple[str, ...] = ()
    """What is odd about the data."""
    note: str | None = None
    """A line for whoever started it."""


class Sink:
    """Told in this order: `start`, then for each epoch its steps and `epoch`, then `finish`, then `close`.

    A run that fails or is stopped goes straight to `close`. A sink overrides what it cares about.
    """

    def start(self, info: RunInfo) -> None:
        """The run begins, or goes on from a checkpoint."""

    def step(self, phase: str) -> None:
        """One update was made. Called in the hot path: cost microseconds, ask the device nothing."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """One epoch is over; called once for each, in order.

        `row` holds plain values: numbers, strings, None, and lists or dicts of them.
        """

    def finish(self, record: Record) -> None:
        """The run is done and its record written."""

    def close(self) -> None:
        """Let go of files and of the terminal. May be called more than once, and without `start`."""
