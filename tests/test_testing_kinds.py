"""The conformance kit on plugins of each kind that exit, refuse, write or plan what they should not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import Backbone, Labels, LabelSet, Output, Phase, Split, Step, Task
from lpa3bench.registry import Entry
from lpa3bench.testing import Finding, TinyNet, TinySet, TinyTask
from lpa3bench.testing.laws import judge
from lpa3bench.testing.training import LONGEST
from lpa3bench.testing.verdict import examine


def failed(findings: list[Finding]) -> dict[str, str]:
    """The laws that do not hold, each with what was found instead."""
    return {finding.law: finding.reason for finding in findings if finding.outcome == "FAILED"}


class OneSlot(TinyTask):
    """A task for which there are three trials, not seven."""

    slots = ("positives",)


# ---------------------------------------------------------------------------------- plugins that exit
class ExitingTask(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        sys.exit(0)


class ExitingNet(TinyNet):
    def forward(self, x: Tensor) -> Output:
        sys.exit(0)


class ExitingSet(TinySet):
    def load(self, root: Path) -> dict[str, Split]:
        sys.exit(0)


class ExitingLabels(testing.TinyLabels):
    def apply(self, clean: Tensor, **more: Any) -> LabelSet:
        sys.exit(0)


def test_a_law_that_exits_fails() -> None:
    def exits(trial: Any) -> None:
        """It goes on."""
        sys.exit("no GPU")

    (finding,) = judge("", [testing.Law("exits", exits)], None)
    assert (finding.outcome, finding.reason) == ("FAILED", "SystemExit: no GPU")


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


# ---------------------------------------------------------------------------------------------- tasks
class Undecided(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> str | None:
        raise KeyError("kind")


class Yes(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> Any:
        return True


class Slotless(OneSlot):
    slots = None  # type: ignore[assignment]


class Misspelt(OneSlot):
    slots = ("veiw",)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Undecided, "KeyError: 'kind'"),
        (Yes, "unsupported returns a bool"),
        (Slotless, "TypeError: 'NoneType' object is not iterable"),
        (Misspelt, "there is no slot 'veiw'; slots are view, strong, positives"),
    ],
)
def test_what_a_task_says_of_itself(make: Any, told: str) -> None:
    found = failed(testing.try_task(make))
    assert found.keys() == {"initialise"}
    assert told in found["initialise"]


def planned(steps: int, real: int) -> type[Task]:
    """A task that announces so many steps per epoch and has so many."""

    class Planned(OneSlot):
        def phases(self, epochs: int) -> tuple[Phase, ...]:
            return (Phase("train", 0, steps),)

        def batches(self, epoch: int) -> Iterator[Step]:
            for i in range(real):
                yield Step("train", (self.sampler.next(),), epoch + i / real)

    return Planned


@pytest.mark.parametrize(
    ("steps", "real", "told"),
    [
        (999, 3, "999 steps are announced for epoch 0, which has 3"),
        (1, 5, "1 steps are announced for epoch 0, which has 5"),
        (5, LONGEST + 1, f"5 steps are announced for epoch 0, which has {LONGEST} or more"),
        (12, 3, None),
        (1, 4, None),
        (1024, LONGEST + 1, None),  # cut short: it may have had them
    ],
)
def test_the_plan_of_a_task(steps: int, real: int, told: str | None) -> None:
    law = next(law for law in testing.tasks.LAWS if law.name == "phases")
    (finding,) = judge("", [law], testing.tasks.Trial(planned(steps, real)))
    assert (finding.outcome, finding.reason) == (("FAILED", told) if told else ("passed", ""))


# ------------------------------------------------------------------------------------------ backbones
class ThreeChannels(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=3)


class SaysThree(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        if in_channels != 3:
            raise ValueError("in_channels: must be 3")
        super().__init__(num_classes=num_classes, in_channels=3)


def test_a_backbone_that_ignores_the_channels() -> None:
    assert failed(testing.try_backbone(ThreeChannels)).keys() == {"one channel"}


def test_a_backbone_may_refuse_one_channel() -> None:
    found = testing.try_backbone(SaysThree)
    assert failed(found) == {}
    (law,) = [finding for finding in found if finding.law == "one channel"]
    assert law.reason == "it refuses images of one channel: in_channels: must be 3"


# ------------------------------------------------------------------------------------------ data sets
class Writing(TinySet):
    """Makes a file once, or changes or removes one."""

    how = "make"

    def load(self, root: Path) -> dict[str, Split]:
        target = root / "deep" / ("made.bin" if self.how == "make" else "held.bin")
        if self.how == "remove":
            target.unlink(missing_ok=True)
        elif not target.exists() or self.how == "change":
            target.write_bytes(b"12345")
        return super().load(root)


@pytest.mark.parametrize(("how", "name"), [("make", "made"), ("change", "held"), ("remove", "held")])
def test_a_data_set_that_writes_into_the_data_folder(how: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "held.bin").write_bytes(b"1234")
    kind = type("Kind", (Writing,), {"how": how})
    found = failed(testing.try_dataset(kind, tmp_path))
    assert found == {"folder untouched": f"writes into the data folder: {Path('deep', name)}.bin"}


def test_a_data_folder_that_is_not_there(tmp_path: Path) -> None:
    assert failed(testing.try_dataset(TinySet, tmp_path / "absent")) == {}


# --------------------------------------------------------------------------------------------- labels
@pytest.mark.parametrize("info", [{"noise": torch.tensor(0.4)}, {"rate": float("nan")}, ["rate"]])
def test_info_that_no_record_can_hold(info: Any) -> None:
    class Odd(testing.TinyLabels):
        def apply(self, clean: Tensor, **more: Any) -> LabelSet:
            return LabelSet(clean.clone(), clean >= 0, info)

    assert failed(testing.try_labels(Odd)).keys() == {"info"}


# ------------------------------------------------------------------------------------------- verdicts
class Picky(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> str | None:
        return "its classes have no order"


class OneImage(testing.TinyLabels):
    def apply(self, clean: Tensor, **more: Any) -> LabelSet:
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
