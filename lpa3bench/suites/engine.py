"""What an engine is: it starts processes where there is room, and says how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lpa3bench.errors import FailureKind
from lpa3bench.suites.launch import Launch


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    name: str
    code: int
    """Its exit status; negative where a signal killed it."""
    cause: str
    """For people, in one line; empty where all went well."""
    kind: FailureKind | None = None
    """What went wrong, where the engine itself knows it: the process was not started, or its machine died."""


class Engine(Protocol):
    """Where runs are started. Only the methods of one thread may be under way at a time."""

    @property
    def capacity(self) -> int:
        """How many runs are under way at once, at most."""

    def has_room(self) -> bool:
        """Whether another one may be handed in."""

    def submit(self, name: str, launch: Launch) -> None:
        """Start it, or queue it to be started."""

    def poll(self) -> list[Ended]:
        """Those that ended since the last call; waits for nothing."""

    def stop(self, number: int) -> None:
        """Send the signal to every process that is under way, and start no queued one."""

    def close(self) -> None:
        """Kill what is still under way, and let go of everything."""
