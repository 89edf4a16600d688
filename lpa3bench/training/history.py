"""What a run has seen so far: its curve, and what it has cost."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lpa3bench.records.limits import countable
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.state import Stateful


class Means:
    """Means over the steps of an epoch, summed on the device and read once."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, logs: Mapping[str, Tensor | float]) -> None:
        """Take the 0-d tensors and numbers of one step."""
        for name, value in logs.items():
            value = value.detach().double() if isinstance(value, Tensor) else float(value)
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] += 1

    def read(self, processes: Processes = ALONE) -> dict[str, float | None]:
        """The means over all processes, by name; None for one that is NaN, infinite or too large, which a
        record cannot hold."""
        tensors = {name: total for name, total in self._sums.items() if isinstance(total, Tensor)}
        waited = torch.stack(list(tensors.values())).tolist() if tensors else []
        sums = self._sums | dict(zip(tensors, waited, strict=True))
        means = {name: float(total) / self._counts[name] for name, total in sums.items()}
        together = torch.tensor([means[name] for name in sorted(means)], dtype=torch.float64)
        processes.average([together])
        means |= zip(sorted(means), together.tolist(), strict=True)
        return {name: mean if countable(mean) else None for name, mean in means.items()}


class Ledger(Stateful):
    """The curve of a run and its cost; it goes into every checkpoint."""

    saved = ("curve", "seconds", "steps", "images", "flops", "resumed_from")

    def __init__(self) -> None:
        self.curve: list[dict[str, Any]] = []
        """One row an epoch: scores and mean losses."""
        self.seconds: dict[str, float] = {}
        """Wall-clock seconds by phase, and of "evaluation"."""
        self.steps: dict[str, int] = {}
        self.images = 0
        """Training images handed to `update`, in all processes."""
        self.flops: dict[str, int] = {}
        """Floating-point operations of the first step of each phase."""
        self.resumed_from: list[int] = []
        """Epochs that were done each time the run was taken up again."""

    def count(self, phase: str, images: int) -> None:
        """One step of a phase, on so many training images."""
        self.steps[phase] = self.steps.get(phase, 0) + 1
        self.images += images

    def spend(self, what: str, *, since: float) -> float:
        """Add the time since a reading of `time.perf_counter`; returns the new reading."""
        now = time.perf_counter()
        self.seconds[what] = self.seconds.get(what, 0.0) + now - since
        return now

    @property
    def training_seconds(self) -> float:
        """Wall-clock seconds of training, evaluation excluded."""
        return sum(s for what, s in self.seconds.items() if what != "evaluation")

    def as_record(self) -> dict[str, Any]:
        seconds = self.training_seconds
        return {
            "wall_seconds": self.seconds,
            "training_seconds": seconds,
            "steps": self.steps,
            "images_per_second": self.images / seconds if seconds else None,
            "flops_of_first_step": self.flops,
        }
