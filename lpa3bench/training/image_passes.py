"""Counts image passes through the networks: the cost of a method that no clock can blur."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lpa3bench.runtime.distributed import Processes

FORWARD, BACKWARD_WEIGHTS, BACKWARD_IMAGE = range(3)


class Passes:
    """Images that went forward and backward, by where in the run it happened.

    Places are "task" (the task's own passes), "<slot>/search" (inside that slot's augmenter), "<slot>/loss"
    (the task's passes over the views that the slot adds) and "evaluation".
    """

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        self.place = "task"

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Count what happens inside the block under `place`; nests."""
        before, self.place = self.place, place
        try:
            yield
        finally:
            self.place = before

    def add(self, place: str, direction: int, images: int) -> None:
        """Count `images` in one direction."""
        self.counts.setdefault(place, [0, 0, 0])[direction] += images

    def total(self) -> int:
        """Forward equivalents of training, evaluation left out.

        A backward pass to the image alone counts as one forward, one to the weights as two.
        """
        return sum(self._weighed(place) for place in self.counts if place != "evaluation")

    def of_slots(self) -> int:
        """Those among them that the slots' augmenters and the losses they add take."""
        return sum(self._weighed(place) for place in self.counts if "/" in place)

    def _weighed(self, place: str) -> int:
        forward, weights, image = self.counts[place]
        return forward + 2 * weights + image

    def settle(self, processes: Processes) -> None:
        """Let the first process take over what all have counted, so that its counts are the run's."""
        everyone, self.counts = processes.objects(self.counts), {}
        if processes.first:
            for place, row in (item for counts in everyone for item in counts.items()):
                for direction, images in enumerate(row):
                    self.add(place, direction, images)

    def as_record(self) -> dict[str, dict[str, int]]:
        names = ("forward", "backward_weights", "backward_image")
        return {place: dict(zip(names, row, strict=True)) for place, row in sorted(self.counts.items())}

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.counts = {place: list(row) for place, row in state["counts"].items()}
