"""The laws of labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing.differences import attempt, drew, fresh_globals, global_draws
from lpa3bench.testing.laws import Finding, Law, NotApplicable, findings_of, hold
from lpa3bench.testing.subject import (
    DRAW_FROM_DRAWS,
    Observation,
    Subject,
    initialise,
    no_global_draws,
    other_seed,
    same_seed,
)


@dataclass
class LabelsSeen(Observation):
    """The labels of the made-up images, or what making them raised."""

    made: Any = None
    wrong: str = ""
    """Why they are no labels of these images."""

    @property
    def error(self) -> Exception | None:
        return self.raised or (AssertionError(self.wrong) if self.wrong else None)


class LabelsSubject(Subject[LabelsSeen]):
    """A kind of labels, of `count` images in `num_classes` classes."""

    results = "labels"

    def __init__(self, make: Callable[[], Labels], num_classes: int, count: int, root: Path) -> None:
        self.make, self.num_classes, self.root = make, num_classes, root
        self.clean = torch.arange(count) % num_classes
        self.given = self.clean.clone()
        """What it was handed."""

    def start(self) -> Labels:
        return self.make()

    def see(self, seed: int) -> LabelsSeen:
        seen, draws = LabelsSeen(), Draws(seed)

        def make() -> None:
            seen.made = self.apply(self.given, draws, seed)

        with fresh_globals(), global_draws(seen.global_draws):
            seen.raised = attempt(make)
        seen.drew = drew(draws.state_dict())
        seen.wrong = "" if seen.raised else _wrong(seen.made, self.clean)
        seen.result = None if seen.error else [seen.made.given, seen.made.labelled]
        return seen

    def apply(self, clean: Tensor, draws: Draws, seed: int = 0) -> LabelSet:
        """What it makes of clean labels."""
        ctx = LabelContext(num_classes=self.num_classes, draws=draws, root=self.root, seed=seed)
        return self.make().apply(clean, ctx)


def _wrong(made: Any, clean: Tensor) -> str:
    if not isinstance(made, LabelSet):
        return f"apply returns a {type(made).__name__}, not a LabelSet"
    given, labelled = made.given, made.labelled
    if not given.shape == labelled.shape == clean.shape:
        return "there is not one label for each image"
    if given.dtype != torch.int64:
        return f"labels are {given.dtype}, not torch.int64"
    return "" if labelled.dtype == torch.bool else f"`labelled` is {labelled.dtype}, not torch.bool"


# ------------------------------------------------------------------------------------------------ the laws
def label_shapes(subject: LabelsSubject) -> None:
    """`apply` returns one label for each image, int64, and whether it is known, bool."""
    first = subject.first
    if isinstance(first.raised, ValueError):
        raise NotApplicable(f"it refuses the made-up labels: {first.raised}")
    if first.raised is not None:
        raise first.raised
    assert not first.wrong, first.wrong


def given_labels(subject: LabelsSubject) -> None:
    """Known labels lie among the classes."""
    made = subject.first.reached().made
    known = made.given[made.labelled]
    assert len(known), "no image is labelled"
    assert int(known.min()) >= 0, "a negative label"
    assert int(known.max()) < subject.num_classes, "a label beyond the classes"


def plain_info(subject: LabelsSubject) -> None:
    """`info` is plain JSON, as the record of a run is."""
    info = subject.first.reached().made.info
    assert isinstance(info, dict), f"info is a {type(info).__name__}, not a dict"
    try:
        json.dumps(info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"info must be finite numbers, strings, lists and dicts of them: {error}"
        ) from error


def clean_untouched(subject: LabelsSubject) -> None:
    """The clean labels that it is handed are left as they are."""
    subject.first.reached()
    assert torch.equal(subject.given, subject.clean), "the clean labels were changed in place"


def unlabelled(subject: LabelsSubject) -> None:
    """An image that comes without a label, −1, gets none; or it says why that makes no sense."""
    subject.first.reached()
    clean = subject.clean.clone()
    clean[1::2] = -1
    try:
        found = subject.apply(clean, Draws(0))
    except ValueError as error:
        raise NotApplicable(f"it refuses images without a label: {error}") from error
    made_up = found.labelled & (clean < 0)
    assert not bool(made_up.any()), "calls images labelled that come without a label (−1)"


LABELS_LAWS = (
    Law("initialise", initialise, "let the constructor only keep its parameters; files are read in `apply`"),
    Law("shapes", label_shapes, "return LabelSet(given int64 [N], labelled bool [N], info)"),
    Law("range", given_labels, "give every labelled image a class from 0 to num_classes − 1"),
    Law(
        "info", plain_info, "return a dict of numbers, strings, lists and dicts: int(tensor), not the tensor"
    ),
    Law("input untouched", clean_untouched, "work on clean.clone()"),
    Law("unlabelled images", unlabelled, "start from `labelled = clean >= 0`"),
    Law("no global RNG", no_global_draws, DRAW_FROM_DRAWS),
    Law("same seed", same_seed, "draw from `ctx.draws` alone, and read files in a fixed order"),
    Law("seeds matter", other_seed, "use what is drawn, or draw nothing"),
)


def try_labels(
    make: Callable[[], Labels], num_classes: int = 10, count: int = 200, root: Path = Path()
) -> list[Finding]:
    """Every law. `root`: the data folder, for labels that are read from it."""
    return findings_of("", LABELS_LAWS, LabelsSubject(make, num_classes, count, root))


def check_labels(
    make: Callable[[], Labels], num_classes: int = 10, count: int = 200, root: Path = Path()
) -> None:
    """Hold labels to every law. `make` builds them afresh; `root` is the data folder.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_labels(make, num_classes, count, root))
