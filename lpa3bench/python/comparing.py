"""Two methods compared seed by seed and at equal cost, as `lpa3bench compare` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpa3bench.analysis.stored_metrics import StoredMetrics
from lpa3bench.boards import comparison
from lpa3bench.boards.comparison import CellComparison, Compared
from lpa3bench.boards.selection import Group, equal_cost_arms, in_groups, select
from lpa3bench.errors import UsageError
from lpa3bench.plugin.registry import load_registry
from lpa3bench.plugin.renames import current_names
from lpa3bench.python.running import Run
from lpa3bench.records import Record
from lpa3bench.report.comparison_text import comparison_json, comparison_markdown, comparison_text
from lpa3bench.runtime.terminal_text import wrapped

MethodGiven = str | Path | Run | Record | Iterable[Run | Record]
"""A word as the command line takes it, or what `run` and `load` return."""


PRINTED_WIDTH = 110


@dataclass(frozen=True)
class MethodComparison:
    """What came out; printed, it is what the command prints."""

    compared: Compared
    notes: tuple[str, ...] = ()
    """What was done to make it, a line each."""

    @property
    def cells(self) -> tuple[CellComparison, ...]:
        """A comparison for each cell."""
        return self.compared.cells

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain values, as of `--json`."""
        found: dict[str, Any] = json.loads(comparison_json(self.compared))
        return found

    def __str__(self) -> str:
        return wrapped(comparison_text(self.compared), PRINTED_WIDTH, whole_paths=True)

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
        metric: `<metric>.<rule>`; None: the one that the runs select by, after the last epoch. One that a
            run lacks is computed from its `predictions.npz`, and written into its record.
        equal_cost: the baseline trained for the method's cost; None: the cell of its task with the setting
            equal_cost that lies beside it.
        runs: where cells that are called by name are looked for.
        plugins: files as of `--plugin`.

    Raises:
        UsageError: nothing makes a pair, or no record has the metric.
        DataError: there is no such record, or one is damaged.
    """
    registry = load_registry(tuple(map(Path, plugins)))
    current = current_names(registry)
    ours, theirs = _given(method), _given(baseline)
    arm = None if equal_cost is None else _given(equal_cost)

    def groups() -> tuple[list[Group], list[Group], list[Group]]:
        methods, baselines = (_groups(side, Path(runs), current) for side in (ours, theirs))
        arms = equal_cost_arms(baselines) if arm is None else _groups(arm, Path(runs), current)
        return methods, baselines, arms

    found, notes = groups(), list[str]()
    paths = [path for side in found for group in side for path in group.paths]
    if metric and StoredMetrics(registry, notes.append).add(paths, [metric]):
        found = groups()
    methods, baselines, arms = found
    compared = comparison.compare(methods, baselines, metric, arms)
    if equal_cost is not None and not any(cell.at_equal_cost for cell in compared.cells):
        what = "B with another schedule, and share seeds with A"
        raise UsageError(f"--equal-cost {equal_cost}: nothing there is compared with A; it must be {what}")
    return MethodComparison(compared, tuple(notes))


def _given(side: MethodGiven) -> str | list[Path]:
    """The word, or the files of the records."""
    if isinstance(side, str | Path):
        return str(side)
    several = [side] if isinstance(side, Run | Record) else [*side]
    return [(one.record if isinstance(one, Run) else one).path for one in several]


def _groups(side: str | list[Path], runs: Path, current: Callable[[str], str]) -> list[Group]:
    if isinstance(side, str):
        return select(side, runs, current)
    return in_groups(side, "what was given", current)
