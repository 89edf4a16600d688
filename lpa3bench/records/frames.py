"""Tidy tables of records as data frames and Parquet files; the only file that knows pandas and pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import UsageError
from lpa3bench.records.columns import Columns
from lpa3bench.records.summary import RULES
from lpa3bench.runtime.files import make_folders, write_atomically

if TYPE_CHECKING:
    import pandas


@contextmanager
def _told_where_missing(library: str) -> Iterator[None]:
    """Raises UsageError, in one line, where the library that is imported inside is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"this takes {library}: pip install 'lpa3bench[data]'") from error


def _of_numbers(name: str, values: list[Any]) -> bool:
    """Whether it is a column of scores without any, which counts among the numbers all the same."""
    score = name.rpartition(".")[2] in (*RULES, "mean", "sd") or name.startswith(("val/", "test/"))
    return score and all(value is None for value in values)


def data_frame(columns: Columns) -> pandas.DataFrame:
    """The table as a pandas data frame.

    Raises:
        UsageError: pandas is not installed.
    """
    with _told_where_missing("pandas"):
        import pandas
    return pandas.DataFrame(
        {name: pandas.Series(column, dtype="float64" if _of_numbers(name, column) else None)
         for name, column in columns.items()}
    )  # fmt: skip


def write_parquet(path: Path, columns: Columns) -> None:
    """Write the table, all or nothing. A column without any value is one of text, unless it is a score's.

    Raises:
        UsageError: pyarrow is not installed.
        RunFailed: the disk refused it.
    """
    with _told_where_missing("pyarrow"):
        import pyarrow
        from pyarrow import parquet

    def array(name: str, values: list[Any]) -> Any:
        empty = pyarrow.float64() if _of_numbers(name, values) else pyarrow.string()
        return pyarrow.array(values, None if any(value is not None for value in values) else empty)

    table = pyarrow.table({name: array(name, values) for name, values in columns.items()})
    make_folders([path.parent])
    write_atomically(path, lambda temporary: parquet.write_table(table, temporary))
