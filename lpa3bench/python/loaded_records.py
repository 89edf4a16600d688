"""Records for whoever analyses them in Python: a sequence, and tidy data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lpa3bench.boards.cell_means import cell_columns
from lpa3bench.boards.selection import select
from lpa3bench.plugin.registry import load_registry
from lpa3bench.plugin.renames import current_names
from lpa3bench.records import Record, read_records
from lpa3bench.records.columns import curve_columns, run_columns
from lpa3bench.records.frames import data_frame
from lpa3bench.runtime.counting import counted

if TYPE_CHECKING:
    import pandas


class Records(Sequence[Record]):
    """Records of results, by cell, identity and seed. `docs/tables.md` says what the columns are."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = tuple(records)

    def to_pandas(self) -> pandas.DataFrame:
        """A row a run: what it was, its scores, cost, parameters and provenance.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(run_columns(self._records))

    def curves(self) -> pandas.DataFrame:
        """A row a run and epoch, with all the columns of the run.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(curve_columns(self._records))

    def by_cell(self) -> pandas.DataFrame:
        """A row a cell: `n`, and of each score `.mean`, `.sd` (ddof = 1) and `.n`.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(cell_columns(self._records))

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Records: ...
    def __getitem__(self, place: int | slice) -> Record | Records:
        return Records(self._records[place]) if isinstance(place, slice) else self._records[place]

    def __repr__(self) -> str:
        cells = len({record.identity for record in self._records})
        return f"<{counted(len(self), 'record')} of {counted(cells, 'cell')}>"


def load(*places: str | Path, runs: str | Path = "runs", plugins: Sequence[str | Path] = ()) -> Records:
    """The records there, each read and verified; what only served a measurement is left out.

    Args:
        places: each a folder of runs, a run, a record, a board, a pattern of such paths, the name of a cell
            in `runs`, or "shipped:digits" and "shipped:digits/CELL" for what comes with the package.
        plugins: files as of `--plugin`, so that parameters which they have renamed go by today's names.

    Raises:
        DataError: there is nothing of that name, or a record is damaged.
    """
    current = current_names(load_registry(tuple(map(Path, plugins))))
    groups = [group for place in places for group in select(str(place), Path(runs), current)]
    return Records(read_records([path for group in groups for path in group.paths], current))
