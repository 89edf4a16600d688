"""Signals that ask a run to stop end it between two steps instead of in the middle of one."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from lpa3bench.errors import Stopped
from lpa3bench.runtime.distributed import ALONE, Processes

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Schedulers of clusters send the last two, if asked to, before a job's time is over."""


class Interrupts:
    """While entered, the first signal of `STOPPING` is remembered; a second one acts at once.

    One that any of the `processes` of a run gets stops all of them, at the same step.

    Args:
        then: what follows the first one, for people.
    """

    def __init__(self, processes: Processes = ALONE, *, then: str = "stopping after this step") -> None:
        self._processes = processes
        self._then = then
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = number
        self._restore()
        if self._processes.first:
            os.write(2, f"{self._then}; once more stops at once\n".encode())  # print may be under way

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def check(self, where: str) -> None:
        """Raise if a signal has come.

        Raises:
            Stopped: names the signal and `where` the run stands.
        """
        if number := self._processes.highest(self.received or 0):
            raise Stopped(f"{signal.Signals(number).name} received: {where}", number)
