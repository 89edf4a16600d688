"""One verdict for one plugin of any kind: what came of every law, and how it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpa3bench import api
from lpa3bench.plugin.registry import Entry
from lpa3bench.testing.augmenters import AUGMENTER_LAWS, try_augmenter
from lpa3bench.testing.backbones import BACKBONE_LAWS, try_backbone
from lpa3bench.testing.datasets import DATASET_LAWS, try_dataset
from lpa3bench.testing.labels import LABELS_LAWS, try_labels
from lpa3bench.testing.laws import EVERY, Finding, Law, LawOutcome
from lpa3bench.testing.metrics import METRIC_LAWS, try_metric
from lpa3bench.testing.policies import POLICY_LAWS, try_policy
from lpa3bench.testing.tasks import TASK_LAWS, try_task

BASES: dict[str, type] = {
    "tasks": api.Task,
    "augmenters": api.Augmenter,
    "backbones": api.Backbone,
    "datasets": api.Dataset,
    "labels": api.Labels,
    "metrics": api.Metric,
    "policies": api.Policy,
}
LAWS: dict[str, tuple[Law, ...]] = {
    "tasks": TASK_LAWS,
    "augmenters": AUGMENTER_LAWS,
    "backbones": BACKBONE_LAWS,
    "datasets": DATASET_LAWS,
    "labels": LABELS_LAWS,
    "metrics": METRIC_LAWS,
    "policies": POLICY_LAWS,
}
SMALL_BATCH = 16
"""Of a task whose batch size is not given: the tiny data set has 48 images."""
_WORST: tuple[LawOutcome, ...] = ("FAILED", "not reached", "passed", "not applicable")


@dataclass(frozen=True)
class PluginVerdict:
    """What came of a plugin."""

    entry: Entry
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        """Whether a law does not hold."""
        return any(finding.outcome == "FAILED" for finding in self.findings)

    @property
    def data_missing(self) -> bool:
        """Whether something could not be looked into, because its files are not there."""
        return any(finding.data_missing for finding in self.findings)

    @property
    def untested(self) -> str:
        """Why no law but the first was found to hold or not; empty where one was.

        That something can be built says nothing of what it does.
        """
        told = [f for f in self.findings if f.outcome in ("passed", "FAILED") and f.law != "initialise"]
        if told or self.broken or self.data_missing:
            return ""
        return next((f.reason for f in self.findings if f.reason), "it has no laws")

    @property
    def ok(self) -> bool:
        """Whether it was tested, and every law that could be looked into holds."""
        return not (self.broken or self.data_missing or self.untested)

    def lines(self) -> list[str]:
        """A line for each law, the worst of its outcomes with the reason; then the count of the lines."""
        laws = list(dict.fromkeys(f.law for f in self.findings if f.law != EVERY))
        width = max(map(len, laws), default=0)
        by_law = {law: [f for f in self.findings if f.law == law] for law in laws}
        rows = [_line(law, found, width) for law, found in by_law.items()]
        rows += [
            f"  {f.outcome:<14}  {f.where or EVERY}: {f.reason}" for f in self.findings if f.law == EVERY
        ]
        told = [_worst(found) for found in by_law.values()]
        told += [f.outcome for f in self.findings if f.law == EVERY]
        counts = {outcome: told.count(outcome) for outcome in _WORST}
        total = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        head = f"{self.entry.name}, {KIND_WORDS[self.entry.kind]} of {self.entry.distribution}"
        if self.untested:
            return [head, *rows, f"  NOT TESTED: {self.untested}"]
        end = "BROKEN" if self.broken else "DATA MISSING" if self.data_missing else "ok"
        return [head, *rows, f"  {end}: {total}"]

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.entry.name,
            "kind": self.entry.kind,
            "distribution": self.entry.distribution,
            "ok": self.ok,
            "laws": [
                {
                    "where": f.where,
                    "law": f.law,
                    "outcome": f.outcome,
                    "reason": f.reason,
                    "remedy": f.remedy,
                }
                for f in self.findings
            ],
        }


KIND_WORDS = {
    "tasks": "task",
    "augmenters": "augmenter",
    "backbones": "backbone",
    "datasets": "data set",
    "labels": "labels",
    "metrics": "metric",
    "policies": "policy",
}


def _worst(findings: list[Finding]) -> LawOutcome:
    return min((f.outcome for f in findings), key=_WORST.index)


def _line(law: str, findings: list[Finding], width: int) -> str:
    outcome = _worst(findings)
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.outcome == outcome and finding.reason:
            said = finding.said.replace(f" in {finding.where} ", " ")  # the same in each slot is told once
            reasons.setdefault(said, []).append(finding.where)
    everywhere = len({f.where for f in findings})
    told = [
        reason if len(wheres) == everywhere else f"{', '.join(wheres)}: {reason}"
        for reason, wheres in reasons.items()
    ]
    return f"  {outcome:<14}  {law:<{width}}  {'; '.join(told)}".rstrip()


def examine(entry: Entry, arguments: dict[str, Any], root: Path) -> PluginVerdict:
    """Hold a plugin to all laws of its kind.

    Args:
        entry: which.
        arguments: of its constructor; a task that is given no `batch_size` gets a small one.
        root: the data folder, for a data set, and for labels that are read from it.

    Raises:
        PluginError: it cannot be imported.
    """
    cls: Any = entry.load()
    if not issubclass(cls, BASES[entry.kind]):
        wrong = (
            f"it is registered with register_{entry.kind} and is no lpa3bench.{BASES[entry.kind].__name__}"
        )
        remedy = "derive it from that class, or register it as what it is"
        return PluginVerdict(entry, (Finding("", "initialise", "FAILED", wrong, remedy),))
    if entry.kind == "tasks":
        arguments = {"batch_size": SMALL_BATCH} | arguments

    def make(**given: Any) -> Any:
        return cls(**arguments, **given)

    tries: dict[str, Callable[[], list[Finding]]] = {
        "tasks": lambda: try_task(make),
        "augmenters": lambda: try_augmenter(make),
        "backbones": lambda: try_backbone(make),
        "datasets": lambda: try_dataset(make, root),
        "labels": lambda: try_labels(make, root=root),
        "metrics": lambda: try_metric(make),
        "policies": lambda: try_policy(make),
    }
    return PluginVerdict(entry, tuple(tries[entry.kind]()))
