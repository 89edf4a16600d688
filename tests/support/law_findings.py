"""What the tests of the conformance kit read off its findings, and a task with few trials."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.testing import Finding, TinyTask


class OneSlot(TinyTask):
    """A task for which there are three trials, not seven."""

    slots = ("positives",)


def failed(findings: list[Finding]) -> dict[str, str]:
    """The laws that do not hold, each with what was found instead."""
    return {finding.law: finding.reason for finding in findings if finding.outcome == "FAILED"}


def broken(findings: list[Finding]) -> set[str]:
    """The laws that do not hold."""
    return set(failed(findings))


def reasons(findings: list[Finding]) -> str:
    """What was found instead, all of it."""
    return " ".join(finding.reason for finding in findings if finding.outcome == "FAILED")


def rows(x: Tensor) -> Tensor:
    return torch.arange(len(x))
