"""The phases of a task's training, and in which epochs each takes place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Phase(NamedTuple):
    """A stretch of a task's training.

    A phase runs from its first epoch up to the next phase's first; one that shares its first epoch with the
    next runs in that epoch alone, before it.
    """

    name: str
    first_epoch: int
    steps_per_epoch: int


def spans(phases: Sequence[Phase], epochs: int) -> list[range]:
    """The epochs of each phase in a run of so many epochs."""
    ends = [*(phase.first_epoch for phase in phases[1:]), epochs]
    return [
        range(phase.first_epoch, max(end, phase.first_epoch + 1))
        for phase, end in zip(phases, ends, strict=True)
    ]


def steps_in(phases: Sequence[Phase], epoch: int) -> int:
    """Steps that are planned for an epoch."""
    planned = zip(phases, spans(phases, epoch + 1), strict=True)
    return sum(phase.steps_per_epoch for phase, span in planned if epoch in span)
