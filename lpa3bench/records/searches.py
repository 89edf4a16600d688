"""What a search tried and chose, `<runs>/search/<hash>.json`: so that a board can say how much was tuned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lpa3bench.errors import DataError
from lpa3bench.records.limits import DEEPEST, in_one_short_line, too_deep
from lpa3bench.records.schema import Positive
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.files import make_folders, read_at_most, write_text

SEARCH_FOLDER = "search"
"""Beside the runs (or the records of a board): trials, and a file for each cell that was searched."""
RESULT = "result.json"
"""A run directory has it."""
BOARD_RECORDS = "results"
"""The folder in a board that holds its records."""
SEARCH_SCHEMA_VERSION = 1
LARGEST_SEARCH = 16 * 2**20
"""Bytes of a file that is worth reading."""
Refuse = Callable[[DataError], None]
"""Takes what is wrong with a file that is left out."""


def raised(error: DataError) -> None:
    """Leaves out nothing: raises what is wrong."""
    raise error


class _Tried(Struct):
    """What later commands go by of a trial."""

    runs: list[str] = []
    failed: str | None = None


class _Search(Struct):
    """The form of the file."""

    schema_version: Literal[1]
    cell: str
    trials: Positive
    ranges: dict[str, list[Any]]
    values: dict[str, Any]
    runs: list[str]
    tried: list[_Tried]


@dataclass(frozen=True)
class Searched:
    """The search that found the values some runs were made with."""

    data: dict[str, Any]
    path: Path

    @property
    def trials(self) -> int:
        """How many draws were tried."""
        return int(self.data["trials"])

    @property
    def ranges(self) -> dict[str, list[Any]]:
        """What was drawn from, by parameter: `{"LPA3.margin": ["log", 0.002, 0.2]}`."""
        ranges: dict[str, list[Any]] = self.data["ranges"]
        return ranges

    @property
    def values(self) -> dict[str, Any]:
        """What was chosen, by parameter."""
        values: dict[str, Any] = self.data["values"]
        return values

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of the runs that were made with it: of their folders, and of records without ".json"."""
        return tuple(map(str, self.data["runs"]))

    @property
    def text(self) -> str:
        """In a few words: "best of 8 draws of LPA3.margin"."""
        return f"best of {counted(self.trials, 'draw')} of {', '.join(self.ranges)}"


def read_search(path: Path) -> Searched:
    """Read and check one such file.

    Raises:
        DataError: it cannot be read, or is none.
    """
    try:
        data = msgspec.json.decode(read_at_most(path, LARGEST_SEARCH))
        problem = _problem(data)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except (ValueError, RecursionError) as error:
        raise DataError(in_one_short_line(f"is no JSON ({error})"), path=path) from error
    if problem:
        raise DataError(in_one_short_line(f"is no record of a search: {problem}"), path=path)
    return Searched(data, path)


def find_searches(places: Iterable[Path], refuse: Refuse = raised) -> dict[str, Searched]:
    """The search behind each run that had one, by the run's name; of several, that of the most trials.

    Args:
        places: as `records.find_records` takes them: folders of run directories (`runs/`) or of a board's
            records (`results/`), boards, and single ones, whose searches lie beside them. What has none is
            passed over.
        refuse: takes what is wrong with a file that is damaged, and left out then.

    Raises:
        DataError: one of the files is damaged, and `refuse` says no more.
    """
    homes = dict.fromkeys(_home(place) for place in places)
    return by_run(searched for home in homes for searched in read_searches(home, refuse))


def read_searches(home: Path, refuse: Refuse = raised) -> list[Searched]:
    """The searches that lie in a folder of run directories or of records.

    Raises:
        DataError: one of the files is damaged, and `refuse` says no more.
    """
    found = []
    for path in sorted((home / SEARCH_FOLDER).glob("*.json")):
        try:
            found.append(read_search(path))
        except DataError as error:
            refuse(error)
    return found


def by_run(found: Iterable[Searched]) -> dict[str, Searched]:
    """These searches by the names of the runs behind which they are; of several, that of the most trials."""
    ordered = sorted(found, key=lambda searched: searched.trials)  # an enlarged one may choose the same again
    return {run: searched for searched in ordered for run in searched.runs}


def _home(place: Path) -> Path:
    """The folder in which searches lie beside the runs or records of this place."""
    if place.is_file() and place.name != RESULT:
        return place.resolve().parent
    run = place.resolve() if place.is_dir() else place.resolve().parent
    if (run / RESULT).is_file():
        return run.parent
    return place / BOARD_RECORDS if (place / BOARD_RECORDS).is_dir() else place


def write_search(path: Path, data: Mapping[str, Any]) -> None:
    """Write such a file, all or nothing.

    Raises:
        RunFailed: the disk refused it.
        ValueError: it is none.
    """
    text = search_text(data)
    make_folders([path.parent])
    write_text(path, text)


def search_text(data: Mapping[str, Any]) -> str:
    """What such a file holds.

    Raises:
        ValueError: it is no search.
    """
    whole = {"schema_version": SEARCH_SCHEMA_VERSION, **data}
    if problem := _problem(whole):
        raise ValueError(problem)
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def _problem(data: Any) -> str | None:
    """What is wrong with it, in a few words."""
    try:
        found = msgspec.convert(data, _Search)
    except msgspec.ValidationError as error:
        return str(error)
    if len(found.tried) != found.trials:
        return f"{len(found.tried)} were tried, and trials is {found.trials}"
    if found.values.keys() != found.ranges.keys():
        return "the values are not those of the ranges"
    return f"it is nested more than {DEEPEST} deep" if too_deep(data) else None
