"""The conformance kit on metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.law_findings import broken, failed
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import Metric
from lpa3bench.testing import Finding


class Right(Metric):
    """The share of images predicted right."""

    name = "right"
    title = "Right"
    unit = "%"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        return (probs.argmax(1) == labels).double().mean().item()


class Counts(Metric):
    """A detail and no number."""

    name = "counts"
    title = "Predictions by class"
    detail_only = True

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        return None

    def detail(self, probs: Tensor, labels: Tensor) -> Any:
        return probs.argmax(1).bincount(minlength=probs.shape[1]).tolist()


def not_applicable(findings: list[Finding]) -> set[str]:
    return {finding.law for finding in findings if finding.outcome == "not applicable"}


def test_good_metrics_keep_the_laws() -> None:
    testing.check_metric(Right)
    testing.check_metric(Counts)
    assert not_applicable(testing.try_metric(Right)) == {"detail"}
    assert not_applicable(testing.try_metric(Counts)) == {"number", "any order", "direction"}


def made(**attributes: Any) -> type[Metric]:
    return type("Made", (Right,), attributes)


def computing(function: Callable[[Tensor, Tensor], Any], **attributes: Any) -> type[Metric]:
    return made(compute=lambda self, probs, labels: function(probs, labels), **attributes)


def right(probs: Tensor, labels: Tensor) -> Tensor:
    return (probs.argmax(1) == labels).double()


def nll(probs: Tensor, labels: Tensor) -> float:
    return -probs.gather(1, labels[:, None]).log().mean().item()


def overwriting(probs: Tensor, labels: Tensor) -> float:
    probs[:, 0] = 0
    return 0.5


@pytest.mark.parametrize(
    ("make", "law", "told"),
    [
        (made(name="Right One"), "well-formed", "lower case, digits and _, not 'Right One'"),
        (made(title=""), "well-formed", "title: is one line of up to 60 letters"),
        (made(unit="percent of images"), "well-formed", "unit: is one line of up to 12"),
        (made(higher_is_better="yes"), "well-formed", "higher_is_better: is True or False"),
        (computing(lambda p, y: right(p, y).mean()), "number", "returns a Tensor of ordinary predictions"),
        (computing(lambda p, y: None), "number", "returns None of ordinary predictions; what has a detail"),
        (computing(lambda p, y: None, detail=lambda self, p, y: [1]), "number", "says detail_only = True"),
        (made(detail_only=True), "number", "detail_only is True, and detail returns None"),
        (computing(lambda p, y: 100 * right(p, y).mean().item()), "number", "share in [0, 1]"),
        (computing(lambda p, y: 1 / 0), "number", "ZeroDivisionError"),
        (computing(nll, unit="", higher_is_better=False), "undefined", "compute returns inf of certain"),
        (computing(lambda p, y: right(p, y)[:40].mean().item()), "any order", "in another order"),
        (made(higher_is_better=False), "direction", "higher_is_better is False"),
        (computing(overwriting), "input untouched", "writes into what it is handed"),
        (computing(lambda p, y: torch.rand(1).item()), "no global RNG", "draws from torch's"),
        (made(detail=lambda self, p, y: {"all": p}), "detail", "detail must be"),
        (made(detail=lambda self, p, y: [float("nan")]), "detail", "detail must be"),
    ],
)
def test_a_metric_with_a_fault(make: type[Metric], law: str, told: str) -> None:
    found = failed(testing.try_metric(make))
    assert told in found[law]
    assert found.keys() <= {law, "any order", "direction"}


def test_a_metric_that_remembers() -> None:
    class Remembers(Right):
        calls: list[int] = []  # noqa: RUF012 (shared on purpose)

        def compute(self, probs: Tensor, labels: Tensor) -> float | None:
            self.calls.append(1)
            return 1 / len(self.calls)

    assert "same again" in broken(testing.try_metric(Remembers))
