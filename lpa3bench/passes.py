"""Counts image passes through the networks: the cost of a method that no clock can blur."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FORWARD, BACKWARD_WEIGHTS, BACKWARD_IMAGE = range(3)


class Passes:
    """Images that went forward and backward, by where in the run it happened.

    Places are "main" and "aux" (the task's own passes in either BatchNorm domain), a slot's name (inside its
    augmenter) and "evaluation".
    """

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        self.place = "main"

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

    def total(self, *places: str) -> float:
        """Forward equivalents at the given places (all but evaluation where none is given).

        A backward pass to the image alone counts as one forward, one to the weights as two.
        """
        rows = [
            self.counts.get(p, [0, 0, 0]) for p in places or (p for p in self.counts if p != "evaluation")
        ]
        return sum(f + 2 * weights + image for f, weights, image in rows)

    def as_record(self) -> dict[str, dict[str, int]]:
        """For `result.json`."""
        names = ("forward", "backward_weights", "backward_image")
        return {place: dict(zip(names, row, strict=True)) for place, row in sorted(self.counts.items())}

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.counts = {place: list(row) for place, row in state["counts"].items()}
