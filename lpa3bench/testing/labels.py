"""The laws of labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing.differences import (
    attempt,
    drew,
    fresh_globals,
    global_draws,
    outcome_of,
    refuse_global_draws,
)
from lpa3bench.testing.laws import Finding, Law, NotApplicable, NotReached, hold, judge


class Trial:
    """A kind of labels, of `count` images in `num_classes` classes."""

    def __init__(self, make: Callable[[], Labels], num_classes: int, count: int, root: Path) -> None:
        self.make, self.num_classes, self.root = make, num_classes, root
        self.clean = torch.arange(count) % num_classes
        self.given = self.clean.clone()
        self.global_draws: set[str] = set()
        """Of the last call."""
        self.drew = False

    @cached_property
    def refused(self) -> BaseException | None:
        """What building it raises."""
        return attempt(self.make)

    @cached_property
    def first(self) -> LabelSet | BaseException:
        """With one seed; or what that raises."""
        return outcome_of(lambda: self.apply(self.given))

    def apply(self, clean: Tensor, seed: int = 3) -> LabelSet:
        """What it makes of clean labels."""
        self.built()
        self.global_draws = set()
        draws = Draws(seed)
        ctx = LabelContext(num_classes=self.num_classes, draws=draws, root=self.root, seed=seed)
        with fresh_globals(), global_draws(self.global_draws):
            found = self.make().apply(clean, ctx)
        self.drew |= drew(draws.state_dict())
        return found

    def built(self) -> None:
        """Go on only where it could be built."""
        if self.refused is not None:
            raise NotReached("it could not be built")

    def whole(self) -> LabelSet:
        """The labels, where there are any."""
        if not isinstance(self.first, LabelSet) or self.first.given.shape != self.clean.shape:
            raise NotReached("it makes no labels of these images")
        return self.first


def initialise(trial: Trial) -> None:
    """It can be built."""
    if trial.refused is not None:
        raise trial.refused


def shapes(trial: Trial) -> None:
    """`apply` returns one label for each image, int64, and whether it is known, bool."""
    trial.built()
    if isinstance(trial.first, ValueError):
        raise NotApplicable(f"it refuses the made-up labels: {trial.first}")
    if isinstance(trial.first, BaseException):
        raise trial.first
    assert isinstance(trial.first, LabelSet), f"apply returns a {type(trial.first).__name__}, not a LabelSet"
    given, labelled = trial.first.given, trial.first.labelled
    assert given.shape == labelled.shape == trial.clean.shape, "there is not one label for each image"
    assert given.dtype == torch.int64, f"labels are {given.dtype}, not torch.int64"
    assert labelled.dtype == torch.bool, f"`labelled` is {labelled.dtype}, not torch.bool"


def among_classes(trial: Trial) -> None:
    """Known labels lie among the classes."""
    known = trial.whole().given[trial.whole().labelled]
    assert len(known), "no image is labelled"
    assert int(known.min()) >= 0, "a negative label"
    assert int(known.max()) < trial.num_classes, "a label beyond the classes"


def plain_info(trial: Trial) -> None:
    """`info` is plain JSON, as the record of a run is."""
    info = trial.whole().info
    assert isinstance(info, dict), f"info is a {type(info).__name__}, not a dict"
    try:
        json.dumps(info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"info must be finite numbers, strings, lists and dicts of them: {error}"
        ) from error


def clean_untouched(trial: Trial) -> None:
    """The clean labels that it is handed are left as they are."""
    trial.whole()
    assert torch.equal(trial.given, trial.clean), "the clean labels were changed in place"


def unlabelled(trial: Trial) -> None:
    """An image that comes without a label, −1, gets none; or it says why that makes no sense."""
    trial.whole()
    clean = trial.clean.clone()
    clean[1::2] = -1
    try:
        found = trial.apply(clean)
    except ValueError as error:
        raise NotApplicable(f"it refuses images without a label: {error}") from error
    made_up = found.labelled & (clean < 0)
    assert not bool(made_up.any()), "calls images labelled that come without a label (−1)"


def no_global_draws(trial: Trial) -> None:
    """Random numbers come from `draws`, not from torch's, NumPy's or Python's global generator."""
    trial.whole()
    trial.apply(trial.clean.clone())  # the first time may have imported what draws while it is imported
    refuse_global_draws(trial.global_draws)


def same_seed(trial: Trial) -> None:
    """The same seed gives the same labels."""
    trial.whole()
    again = trial.apply(trial.clean.clone())
    assert torch.equal(trial.whole().given, again.given), "the same seed gives other labels"
    assert torch.equal(trial.whole().labelled, again.labelled), "the same seed labels other images"


def other_seed(trial: Trial) -> None:
    """Another seed gives other labels, where they are random at all."""
    first = trial.whole()
    if not trial.drew:
        raise NotApplicable("it draws no random numbers")
    others = [trial.apply(trial.clean.clone(), seed) for seed in range(4, 9)]
    same = (torch.equal(first.given, o.given) and torch.equal(first.labelled, o.labelled) for o in others)
    assert not all(same), "draws random numbers that change nothing"


LAWS = (
    Law("initialise", initialise),
    Law("shapes", shapes),
    Law("range", among_classes),
    Law("info", plain_info),
    Law("input untouched", clean_untouched),
    Law("unlabelled images", unlabelled),
    Law("no global RNG", no_global_draws),
    Law("same seed", same_seed),
    Law("seeds matter", other_seed),
)


def try_labels(
    make: Callable[[], Labels], num_classes: int = 10, count: int = 200, root: Path = Path()
) -> list[Finding]:
    """Every law. `root`: the data folder, for labels that are read from it."""
    return judge("", LAWS, Trial(make, num_classes, count, root))


def check_labels(
    make: Callable[[], Labels], num_classes: int = 10, count: int = 200, root: Path = Path()
) -> None:
    """Hold labels to every law. `make` builds them afresh; `root` is the data folder.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_labels(make, num_classes, count, root))
