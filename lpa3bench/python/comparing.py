"""Two methods compared seed by seed and at equal cost, as `lpa3bench compare` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpa3bench.boards import comparison
from lpa3bench.boards.comparison import CellComparison, Compared
from lpa3bench.boards.selection import Group, equal_cost_arms, in_groups, select
from lpa3bench.errors import UsageError
from lpa3bench.plugin.registry import load_registry
from lpa3bench.plugin.renames import current_names
from lpa3bench.python.running import Run
from lpa3bench.records import Record
from lpa3bench.report.comparison_text import comparison_json, comparison_markdown, comparison_text

MethodGiven = str | Path | Run | Record | Iterable[Run | Record]
"""A word as the command line takes it, or what `run` and `load` return."""


@dataclass(frozen=True)
class MethodComparison:
    """What came out; printed, it is what the command prints."""

    compared: Compared

    @property
    def cells(self) -> tuple[CellComparison, ...]:
        """A comparison for each cell."""
        return self.compared.cells

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain values, as of `--json`."""
        found: dict[str, Any] = json.loads(comparison_json(self.compared))
        return found

    def __str__(self) -> str:
        return comparison_text(self.compared)

    def _repr_markdown_(self) -> str:
        return comparison_markdown(self.compared)


def compare(
    method: MethodGiven,
    baseline: MethodGiven,
    *,
    metric: str | None = None,
    equal_cost: MethodGiven | None = None,
    runs: str | Path = "runs",
    plugins: Sequence[str | Path] = (),
) -> MethodComparison:
    """Compare two methods; differences are method − baseline.

    Args:
        method, baseline: a word, as of `lpa3bench compare`; a run, a record, or several of these.
        metric: `<metric>.<rule>`; None: the one that the runs select by, after the last epoch.
        equal_cost: the baseline trained for the method's cost; None: the cell of its task with the setting
            equal_cost that lies beside it.
        runs: where cells that are called by name are looked for.
        plugins: files as of `--plugin`.

    Raises:
        UsageError: nothing makes a pair, or no record has the metric.
        DataError: there is no such record, or one is damaged.
    """
    current = current_names(load_registry(tuple(map(Path, plugins))))
    methods, baselines = (_groups(side, Path(runs), current) for side in (method, baseline))
    arms = equal_cost_arms(baselines) if equal_cost is None else _groups(equal_cost, Path(runs), current)
    compared = comparison.compare(methods, baselines, metric, arms)
    if equal_cost is not None and not any(cell.at_equal_cost for cell in compared.cells):
        what = "B with another schedule, and share seeds with A"
        raise UsageError(f"--equal-cost {equal_cost}: nothing there is compared with A; it must be {what}")
    return MethodComparison(compared)


def _groups(side: MethodGiven, runs: Path, current: Callable[[str], str]) -> list[Group]:
    if isinstance(side, str | Path):
        return select(str(side), runs, current)
    several = [side] if isinstance(side, Run | Record) else [*side]
    records = [one.record if isinstance(one, Run) else one for one in several]
    return in_groups([record.path for record in records], "what was given", current)
