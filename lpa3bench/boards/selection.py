"""The runs that a word on the command line means, sorted into cells of one experiment each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from lpa3bench.errors import DataError
from lpa3bench.records import Record, cell_named_best, find_records, read_record, read_records
from lpa3bench.records.searches import BOARD_RECORDS
from lpa3bench.runtime.paths import shipped

SHIPPED = "shipped:"
RUN_NAME = re.compile(r"(?P<cell>.+)-(?P<identity>[0-9a-f]{8})-s\d+")
CELL_NAMES = 2
"""Names that are the cell's; a further one is of the run alone."""
EQUAL_COST = "equal_cost"
"""The setting of a task that is trained for what a method costs."""
ENVIRONMENT = ("task", "dataset", "labels", "setting", "backbone", "epochs")
"""Fields of a cell that two methods share where nothing but the augmenter is to differ."""


@dataclass(frozen=True, eq=False)
class Group:
    """The records of one experiment, which differ in their seed; all but one are read when asked for."""

    first: Record
    paths: tuple[Path, ...]
    """Of all of them, and of what is no result and left out."""
    current: Callable[[str], str] = str
    """What a parameter is called now."""

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """By seed.

        Raises:
            DataError: a record is damaged.
        """
        return tuple(sorted(read_records(self.paths, self.current), key=lambda record: record.seed))

    @property
    def environment(self) -> tuple[object, ...]:
        """What a method with another augmenter has to share."""
        return tuple(getattr(self.first.cell, field) for field in ENVIRONMENT)

    @property
    def label(self) -> str:
        """The cell's name and the experiment's hash."""
        return f"{self.first.name}-{self.first.identity}"


def select(text: str, runs: Path, current: Callable[[str], str] = str) -> list[Group]:
    """The groups that a word means, by label.

    The word is a run, a record, a folder of either, a pattern of such paths, `shipped:BOARD` or
    `shipped:BOARD/CELL`, or the name of a cell in the folder `runs`, which may be a pattern as well. A cell
    may also be called with its hash, `digits-supervised-lpa3-2325c6d4`.

    Args:
        runs: the folder in which a cell's name is looked for.
        current: what a parameter is called now.

    Raises:
        DataError: there is nothing of that name, or a record is damaged.
    """
    if text.startswith(SHIPPED):
        board, _, cell = text.removeprefix(SHIPPED).partition("/")
        return in_groups(_named(cell or "*", _results(board), text), text, current)
    path = Path(text)
    if path.exists():
        return in_groups(find_records([path]), text, current)
    try:
        matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except ValueError as error:  # a pattern such as a**b
        raise DataError(f"{text}: is no pattern of paths: ** stands for folders, by itself") from error
    if matches:
        return in_groups(find_records(matches), text, current)
    folder = path.parent if path.parent != Path() else runs
    if not folder.is_dir():
        raise DataError(f"{text}: there is no such file or folder, and no folder {folder} to look for it in")
    return in_groups(_named(path.name, folder, text), text, current)


def equal_cost_arms(baselines: Iterable[Group]) -> list[Group]:
    """What lies beside these baselines and is called as the setting `equal_cost` calls it: the same tasks,
    trained for what a method costs. What cannot be read there is left out."""
    groups: dict[str, Group] = {}
    for baseline in baselines:
        path = baseline.paths[0]
        folder = path.parent.parent if path.name == "result.json" else path.parent
        files = [file for file in find_records([folder]) if f"-{EQUAL_COST}" in _names(file)[0]]
        with suppress(DataError):
            groups |= {group.label: group for group in in_groups(files, str(folder), baseline.current)}
    return [*groups.values()]


def _results(board: str) -> Path:
    root = shipped("leaderboards")
    folder = root / board / BOARD_RECORDS
    if folder.is_dir() and board:
        return folder
    boards = sorted(path.parent.name for path in root.glob("*/board.toml"))
    if board in boards:
        raise DataError(f"{SHIPPED}{board}: that board has no records yet")
    raise DataError(f"{SHIPPED}{board}: there is no such board; there are {', '.join(boards) or 'none'}")


def _named(pattern: str, folder: Path, text: str) -> list[Path]:
    """The records in a folder whose cell's name, with or without hash and seed, fits the pattern; of a cell
    all of them, whatever name they were started by."""
    files = {file: _names(file) for file in find_records([folder])}
    chosen = {file for file, names in files.items() if _any(names, pattern)}
    if files and not chosen:
        cells = sorted({names[0] for names in files.values()})
        near = get_close_matches(pattern, cells, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else f"cells are {_few(cells)}"
        raise DataError(f"{text}: no cell in {folder} is called so; {advice}")
    whole = {_hash(names) for names in files.values() if _any(names[:CELL_NAMES], pattern)} - {None}
    return [file for file, names in files.items() if file in chosen or _hash(names) in whole]


def _any(names: Sequence[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _few(names: Sequence[str], shown: int = 8) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _names(file: Path) -> tuple[str, ...]:
    """What a record's file or run directory may be called by: the cell, with its hash, and with its seed."""
    stem = file.parent.name if file.name == "result.json" else file.stem
    match = RUN_NAME.fullmatch(stem)
    return (match["cell"], f"{match['cell']}-{match['identity']}", stem) if match else (stem,)


def _hash(names: Sequence[str]) -> str | None:
    """The experiment, where a name as of `_names` tells it."""
    return names[1].rpartition("-")[2] if len(names) > 1 else None


def in_groups(files: Iterable[Path], text: str, current: Callable[[str], str]) -> list[Group]:
    """The records in groups; of files that are called as runs are, one a group is read, of others all.

    What only served a measurement is left out.

    Args:
        text: what whoever asks calls them.

    Raises:
        DataError: there is none, or one is damaged.
    """
    by_name: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in files:
        names = _names(file)
        by_name[names[:CELL_NAMES] if len(names) > 1 else (str(file),)].append(file)
    if not by_name:
        raise DataError(f"{text}: there is no record; a run that is finished has a result.json")
    experiments: dict[str, list[Path]] = defaultdict(list)
    firsts: dict[str, Record] = {}
    for paths in by_name.values():
        first = next((r for path in paths if (r := read_record(path, current)).is_evidence), None)
        if first is None:
            continue
        firsts[first.identity] = cell_named_best([first, *filter(None, [firsts.get(first.identity)])])
        experiments[first.identity] += paths
    if not firsts:
        raise DataError(f"{text}: there is no result, only runs that served a measurement")
    groups = [Group(firsts[identity], tuple(paths), current) for identity, paths in experiments.items()]
    return sorted(groups, key=lambda group: group.label)
