"""Findings, what a law raises, and that the kit leaves global generators alone."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.law_findings import OneSlot, failed, rows
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import (
    Augmenter,
    Backbone,
    Context,
    LabelContext,
    Labels,
    LabelSet,
    Output,
    Split,
    Step,
    View,
)
from lpa3bench.errors import DataError
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.plugin.registry import Entry
from lpa3bench.testing import TinyNet, TinySet
from lpa3bench.testing.laws import NotApplicable, NotReached, findings_of, hold
from lpa3bench.testing.verdict import LAWS, examine


def test_what_a_law_raises_becomes_a_finding() -> None:
    def passes(trial: Any) -> None:
        """It is so."""

    def fails(trial: Any) -> None:
        raise AssertionError("it is\nnot so")

    def breaks(trial: Any) -> None:
        raise KeyError("x")

    def missing(trial: Any) -> None:
        raise DataError("no file")

    def later(trial: Any) -> None:
        raise NotReached("first this")

    def never(trial: Any) -> None:
        raise NotApplicable("not random")

    laws = [testing.Law(f.__name__, f, "mend it") for f in (passes, fails, breaks, missing, later, never)]
    findings = findings_of("here", laws, None)
    assert [(f.law, f.outcome, f.reason) for f in findings] == [
        ("passes", "passed", ""),
        ("fails", "FAILED", "it is not so"),
        ("breaks", "FAILED", "KeyError: 'x'"),
        ("missing", "not applicable", "no file"),
        ("later", "not reached", "first this"),
        ("never", "not applicable", "not random"),
    ]
    assert [f.law for f in findings if f.data_missing] == ["missing"]
    with pytest.raises(AssertionError, match=r"^fails \(here\): it is not so; mend it$"):
        hold(findings)


@pytest.mark.parametrize("kind", KINDS)
def test_every_law_has_a_name_of_its_own(kind: str) -> None:
    names = [law.name for law in LAWS[kind]]
    assert len(names) == len({*names}) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_law_says_what_to_do_where_it_fails(kind: str) -> None:
    for law in LAWS[kind]:
        failing = testing.Law(law.name, lambda subject: 1 / 0, law.remedy)
        (finding,) = findings_of("", [failing], None)
        assert finding.said == f"ZeroDivisionError: division by zero; {law.remedy}"
        assert len(law.remedy.split()) > 2
        assert law.remedy[-1] not in ".;"


def test_a_law_of_all_kinds_is_one_function() -> None:
    for name in ("initialise", "no global RNG"):
        checks = {law.check for laws in LAWS.values() for law in laws if law.name == name}
        assert len(checks) == 1
    seeded = [law.check for laws in LAWS.values() for law in laws if law.name in ("same seed", "same again")]
    assert len(seeded) == len(KINDS)
    assert len({*seeded}) == 1


@pytest.mark.parametrize(
    ("draw", "whose"),
    [(lambda: torch.rand(1), "torch's"), (np.random.rand, "NumPy's"), (random.random, "Python's")],
)
def test_global_draws_are_noticed(draw: Any, whose: str) -> None:
    with pytest.raises(AssertionError, match=f"^draws from {whose} global"), testing.no_global_randomness():
        draw()


class GlobalViews(Augmenter):
    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(torch.rand_like(x), rows(x))


class GlobalTask(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        torch.rand(1)
        return super().update(step, views)


def test_the_kit_leaves_the_global_generators_alone() -> None:
    with testing.no_global_randomness():
        testing.try_augmenter(GlobalViews)
        testing.try_task(GlobalTask)


class ExitingTask(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        sys.exit(0)


class ExitingNet(TinyNet):
    def forward(self, x: Tensor) -> Output:
        sys.exit(0)


class ExitingSet(TinySet):
    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        sys.exit(0)


class ExitingLabels(testing.TinyLabels):
    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        sys.exit(0)


def test_a_law_that_exits_fails() -> None:
    def exits(trial: Any) -> None:
        """It goes on."""
        sys.exit("no GPU")

    (finding,) = findings_of("", [testing.Law("exits", exits, "raise an error")], None)
    assert (finding.outcome, finding.reason) == ("FAILED", "SystemExit: no GPU")
    assert finding.said == "SystemExit: no GPU; raise an error"


def test_a_plugin_that_exits_does_not_end_the_command(tmp_path: Path) -> None:
    tried = {
        "three updates": testing.try_task(ExitingTask),
        "shapes": testing.try_backbone(ExitingNet),
        "loads": testing.try_dataset(ExitingSet, tmp_path),
    }
    for law, findings in [*tried.items(), ("shapes", testing.try_labels(ExitingLabels))]:
        found = failed(findings)
        assert found.keys() == {law}
        assert "SystemExit: 0" in found[law]


class Picky(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> str | None:
        return "its classes have no order"


class OneImage(testing.TinyLabels):
    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        raise ValueError("is for one image")


@pytest.mark.parametrize(
    ("kind", "cls", "reason"),
    [
        ("tasks", Picky, "it refuses the tiny data set: its classes have no order"),
        ("labels", OneImage, "it refuses the made-up labels: is for one image"),
    ],
)
def test_what_nothing_was_tested_of_is_not_ok(kind: str, cls: type, reason: str, tmp_path: Path) -> None:
    verdict = examine(Entry(kind, "Mine", cls, "mine 1.0"), {}, tmp_path)
    assert not verdict.broken
    assert verdict.lines()[-1] == f"  NOT TESTED: {reason}"
    assert verdict.plain()["ok"] is False


def test_one_that_was_tested_is_ok(tmp_path: Path) -> None:
    net: type[Backbone] = TinyNet
    verdict = examine(Entry("backbones", "Mine", net, "mine 1.0"), {}, tmp_path)
    assert verdict.untested == ""
    assert verdict.plain()["ok"] is True
