"""The places in a task where an augmenter is bound.

`view`: how the task draws its ordinary training view, after the weak view. `strong`: FixMatch's strong view.
`positives`: the set A of the paper's Algorithm 1, an added loss term.
"""

from __future__ import annotations

from typing import Literal

Slot = Literal["view", "strong", "positives"]
SLOTS: tuple[Slot, ...] = ("view", "strong", "positives")
