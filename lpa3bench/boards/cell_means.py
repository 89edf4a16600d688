"""Records by cell: the mean, the standard deviation and the number of runs of each score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lpa3bench.boards.measures import score_keys
from lpa3bench.records import Record, cell_named_best
from lpa3bench.records.columns import Columns, run_row
from lpa3bench.stats.means import Summary, summarise
from lpa3bench.types import SLOTS


@dataclass(frozen=True, kw_only=True)
class CellMeans:
    """The runs of one experiment, one a seed."""

    runs: tuple[Record, ...]
    scores: dict[str, Summary]
    """By measure, over the runs in which it is defined."""

    @property
    def named(self) -> Record:
        """The run whose name is the cell's."""
        return cell_named_best(self.runs)

    @property
    def label(self) -> str:
        """The cell's name and the experiment's digits."""
        return f"{self.named.name}-{self.named.identity}"


def cell_means(records: Sequence[Record]) -> tuple[list[CellMeans], int]:
    """The cells, by label; and how many runs are left out because their seed is there already."""
    seeds: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in records:
        seeds[record.identity].setdefault(record.seed, record)
    cells = []
    for runs in seeds.values():
        taken = tuple(runs[seed] for seed in sorted(runs))
        defined = {
            key: [s for run in taken if (s := run.score(key)) is not None] for key in score_keys(taken)
        }
        cells.append(
            CellMeans(runs=taken, scores={key: summarise(scores) for key, scores in defined.items()})
        )
    cells.sort(key=lambda cell: cell.label)
    return cells, len(records) - sum(len(cell.runs) for cell in cells)


def cell_columns(records: Sequence[Record]) -> Columns:
    """A row a cell: what its runs share, how many there are, and of each score mean, sample standard
    deviation (ddof = 1) and how many runs it is defined in."""
    cells, _ = cell_means(records)
    keys = dict.fromkeys(key for cell in cells for key in cell.scores)
    shared = ("cell", "identity", "task", "dataset", "labels", "setting", "backbone", *SLOTS, "epochs")
    rows = [run_row(cell.named) for cell in cells]
    columns: Columns = {name: [row[name] for row in rows] for name in shared}
    columns["n"] = [len(cell.runs) for cell in cells]
    for key in keys:
        found = [cell.scores.get(key) for cell in cells]
        columns[f"{key}.mean"] = [of and of.mean for of in found]
        columns[f"{key}.sd"] = [of and of.std for of in found]
        columns[f"{key}.n"] = [of.n if of else 0 for of in found]
    return columns
