"""The laws of metrics."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Metric
from lpa3bench.ops import one_hot
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing.differences import attempt, fresh_globals, global_draws, same_bits
from lpa3bench.testing.laws import Finding, Law, NotApplicable, findings_of, hold
from lpa3bench.testing.subject import Observation, Subject, initialise, no_global_draws, same_seed

SCORED_IMAGES, SCORED_CLASSES = 120, 4
METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST_TITLE, LONGEST_UNIT = 60, 12
REORDERED = 1e-5
"""By how much a number may change, relatively, where images come in another order: sums round."""


class PredictedSplit(NamedTuple):
    """How a split was predicted, and its labels."""

    probs: Tensor
    """float32 [N, K]"""
    labels: Tensor
    """int64 [N]"""


def predicted(skill: float) -> PredictedSplit:
    """Made-up predictions: 0 is chance, and the more skill the more probability on the true class."""
    labels = torch.arange(SCORED_IMAGES) % SCORED_CLASSES
    logits = 2 * Draws(0).normal((SCORED_IMAGES, SCORED_CLASSES)) + skill * one_hot(labels, SCORED_CLASSES)
    return PredictedSplit(logits.softmax(1), labels)


def _hard_cases() -> dict[str, PredictedSplit]:
    """Splits for which many a number is undefined."""
    probs, labels = predicted(2.0)
    certain = one_hot(probs.argmax(1), SCORED_CLASSES)
    nan = probs.clone()
    nan[3] = math.nan
    return {
        "a class without images": PredictedSplit(probs, labels % (SCORED_CLASSES - 1)),
        "images of one class only": PredictedSplit(probs, torch.zeros_like(labels)),
        "a single image": PredictedSplit(probs[:1], labels[:1]),
        "certain predictions, some of them wrong": PredictedSplit(certain, labels),
        "two classes": PredictedSplit(probs[:, :2] / probs[:, :2].sum(1, keepdim=True), labels % 2),
        "NaN among the predictions": PredictedSplit(nan, labels),
    }


@dataclass
class NumberSeen(Observation):
    """What it makes of ordinary predictions."""

    number: Any = None
    detail: Any = None
    overwritten: bool = False
    """Whether it wrote into what it was handed."""

    @property
    def error(self) -> Exception | None:
        wrong = _wrong(self.number, "ordinary predictions")
        return self.raised or (AssertionError(wrong) if wrong else None)


class MetricSubject(Subject[NumberSeen]):
    """A metric. `make` builds a fresh one."""

    results = "numbers"

    def __init__(self, make: Callable[[], Metric]) -> None:
        self.make = make

    def start(self) -> Metric:
        return self.make()

    def see(self, seed: int) -> NumberSeen:
        """Hand it ordinary predictions. It has no seed."""
        seen, metric, given = NumberSeen(), self.make(), predicted(2.0)
        handed = PredictedSplit(given.probs.clone(), given.labels.clone())

        def ask() -> None:
            seen.number = metric.compute(*handed)
            seen.detail = metric.detail(*handed)

        with fresh_globals(), global_draws(seen.global_draws):
            seen.raised = attempt(ask)
        same = (same_bits(one, other) for one, other in zip(handed, given, strict=True))
        seen.overwritten = not all(same)
        seen.result = [seen.number, seen.detail]
        return seen

    def number(self, given: PredictedSplit) -> float | None:
        """What a fresh one makes of predictions."""
        with fresh_globals():
            return self.make().compute(given.probs.clone(), given.labels.clone())


# ------------------------------------------------------------------------------------------------ the laws
def well_formed(subject: MetricSubject) -> None:
    """Name, title, unit, direction and reason are what records and headings can hold."""
    subject.started()
    metric = subject.make()
    named = isinstance(metric.name, str) and METRIC_NAME.fullmatch(metric.name)
    assert named, f"name: is lower case, digits and _, not {metric.name!r}"
    for what, said, longest in (
        ("title", metric.title, LONGEST_TITLE),
        ("undefined", metric.undefined, 2 * LONGEST_TITLE),
        ("unit", metric.unit or "1", LONGEST_UNIT),  # it may have none
    ):
        text = isinstance(said, str) and bool(said.strip()) and said.isprintable() and len(said) <= longest
        assert text, f"{what}: is one line of up to {longest} letters, not {said!r}"
    direction = metric.higher_is_better
    assert isinstance(direction, bool), f"higher_is_better: is True or False, not {direction!r}"


def number_or_none(subject: MetricSubject) -> None:
    """Of ordinary predictions it computes a finite number, a share in [0, 1] where the unit is %."""
    if subject.first.error is not None:
        raise subject.first.error
    number = subject.first.number
    if subject.make().detail_only:
        assert subject.first.detail is not None, "detail_only is True, and detail returns None"
        raise NotApplicable("it has a detail only")
    said = "compute returns None of ordinary predictions; what has a detail alone says detail_only = True"
    assert number is not None, said
    share = subject.make().unit != "%" or 0 <= number <= 1
    assert share, f"the unit is %, which stands for a share in [0, 1], and it computes {number}"


def _wrong(number: Any, of: str) -> str:
    """Why it is no number for a record; None, an undefined one, is."""
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
        return f"compute returns a {type(number).__name__} of {of}, not a float or None"
    if number is not None and not math.isfinite(number):
        return f"compute returns {number} of {of}; where it is undefined it is None"
    return ""


def undefined_is_none(subject: MetricSubject) -> None:
    """Where it is undefined, as with a class missing, it returns None, and nothing is raised."""
    subject.first.reached()
    for of, given in _hard_cases().items():
        try:
            wrong = _wrong(subject.number(given), of)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"compute raises {type(error).__name__} of {of}: {error}") from error
        assert not wrong, wrong


def any_order(subject: MetricSubject) -> None:
    """The order of the images does not matter."""
    number = subject.first.reached().number
    if number is None:
        raise NotApplicable("there is no number")
    given, order = predicted(2.0), Draws(1).permutation(SCORED_IMAGES)
    other = subject.number(PredictedSplit(given.probs[order], given.labels[order]))
    same = other is not None and math.isclose(number, other, rel_tol=REORDERED, abs_tol=REORDERED)
    assert same, f"the same images in another order give {other}, not {number}"


def direction(subject: MetricSubject) -> None:
    """PredictedSplit that are nearly all right are no worse than chance, in the direction that it says."""
    subject.first.reached()
    good, chance = subject.number(predicted(20.0)), subject.number(predicted(0.0))
    if good is None or chance is None:
        raise NotApplicable("there is no number")
    higher = subject.make().higher_is_better
    assert good >= chance if higher else good <= chance, (
        f"nearly perfect predictions give {good}, chance gives {chance}, and higher_is_better is {higher}"
    )


def predictions_untouched(subject: MetricSubject) -> None:
    """The probabilities and labels that it is handed are left as they are."""
    assert not subject.first.reached().overwritten, "writes into what it is handed"


def plain_detail(subject: MetricSubject) -> None:
    """`detail` is plain JSON, as the record of a run is."""
    detail = subject.first.reached().detail
    if detail is None:
        raise NotApplicable("it has none")
    try:
        json.dumps(detail, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"detail must be finite numbers, strings, lists and dicts of them: {error}"
        ) from error


METRIC_LAWS = (
    Law("initialise", initialise, "let the constructor only keep its parameters"),
    Law("well-formed", well_formed, "correct that attribute of the class"),
    Law("number", number_or_none, "return a Python float, as by .item(); where it is undefined, None"),
    Law("undefined", undefined_is_none, "return None there, and say why in `undefined`"),
    Law("any order", any_order, "let every image count alike, wherever it stands"),
    Law("direction", direction, "turn `higher_is_better`, or the sign"),
    Law("input untouched", predictions_untouched, "work on a copy"),
    Law("detail", plain_detail, "return numbers, strings, lists and dicts: .tolist(), not the tensor"),
    Law("no global RNG", no_global_draws, "compute it without random numbers"),
    Law("same again", same_seed, "keep nothing from one call to the next"),
)


def try_metric(make: Callable[[], Metric]) -> list[Finding]:
    """Every law."""
    return findings_of("", METRIC_LAWS, MetricSubject(make))


def check_metric(make: Callable[[], Metric]) -> None:
    """Hold a metric to every law. `make` builds a fresh one.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_metric(make))
