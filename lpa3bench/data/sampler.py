"""The order of samples: shuffled passes, drawn on the host, the same on any hardware."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lpa3bench.runtime.device import send
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.seeding import Draws
from lpa3bench.types import Batch as Batch


class Sampler:
    """Endless shuffled passes over a set of samples.

    Args:
        subset: int64 [n], the samples.
        batch_size: samples per batch, over all processes.
        draws: where the orders come from.
        drop_last: every batch is full: the last, smaller one of a pass is left out, and a set smaller than a
            batch is repeated, in orders of its own, until it fills one. False: that smaller batch is used.
        least: a last batch of fewer samples joins the batch before it, where there is one.
        processes: those that share each batch; every one of them gets its own part of it, in order.

    Raises:
        ValueError: there is no sample.
    """

    def __init__(
        self,
        subset: Tensor,
        batch_size: int,
        draws: Draws,
        *,
        drop_last: bool = True,
        least: int = 2,
        processes: Processes = ALONE,
    ) -> None:
        if len(subset) == 0:
            raise ValueError("subset: there is no sample to draw from")
        if batch_size < 1:
            raise ValueError(f"batch_size: must be >= 1, not {batch_size}")
        self.subset = subset
        self.batch_size = batch_size
        self.draws = draws
        self.drop_last = drop_last
        self.least = least
        self._processes = processes
        self.pass_no = -1
        self._cursor = 0
        self._order = subset[:0]

    def __len__(self) -> int:
        """Batches in a pass."""
        full, rest = divmod(len(self.subset), self.batch_size)
        used = not self.drop_last and rest >= max(self.least, 1)
        return max(full + used, 1)

    def next(self) -> Batch:
        """This process's part of the next batch, of a new pass where the last one is over."""
        if self.pass_no < 0 or self._cursor >= len(self):
            n = len(self.subset)
            repeats = -(-self.batch_size // n) if self.drop_last and n < self.batch_size else 1
            order = torch.cat([self.draws.permutation(n) for _ in range(repeats)])
            self._order = self.subset[send(order, self.subset.device)]
            self._cursor = 0
            self.pass_no += 1
        start = self._cursor * self.batch_size
        self._cursor += 1
        to_the_end = self._cursor == len(self) and not self.drop_last
        whole = self._order[start : None if to_the_end else start + self.batch_size]
        return Batch(whole[self._processes.own(len(whole))], self.pass_no)

    def one_pass(self) -> Iterator[Batch]:
        """As many batches as a pass has."""
        for _ in range(len(self)):
            yield self.next()

    def state_dict(self) -> dict[str, Any]:
        """Position and order; the draws are saved by whoever owns them."""
        return {"pass_no": self.pass_no, "cursor": self._cursor, "order": self._order.cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pass_no = state["pass_no"]
        self._cursor = state["cursor"]
        self._order = torch.as_tensor(state["order"]).to(self.subset.device)
