"""Notices what went wrong on the device without stopping to ask it at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.errors import FailureKind, RunFailed

_NEVER = torch.iinfo(torch.int64).max


class Alarm:
    """Remembers, for each thing that can go wrong, the first step at which it did.

    `note` only queues work on the device; `check` reads the flags and so waits for it. Call `check` every
    now and then and before anything is written.
    """

    def __init__(self) -> None:
        self._first: dict[str, Tensor] = {}
        self._kinds: dict[str, FailureKind] = {}

    def note(self, what: str, bad: Tensor, step: int, *, kind: FailureKind = "other") -> None:
        """`bad`: 0-d bool on the device; `what` and `kind` are what to stop the run with."""
        self._kinds[what] = kind
        now = torch.where(bad, step, _NEVER)
        before = self._first.get(what)
        self._first[what] = now if before is None else torch.minimum(before, now)

    def check(self) -> None:
        """Stop the run if anything was bad since the last check.

        Raises:
            RunFailed: names the earliest step and what happened there.
        """
        flags, self._first = self._first, {}
        if not flags:
            return
        steps = torch.stack(list(flags.values())).tolist()
        first = min(steps)
        if first != _NEVER:
            what = list(flags)[steps.index(first)]
            raise RunFailed(f"step {first}: {what}", kind=self._kinds[what], step=first)
