"""`board.toml`: which rows and columns a board has, what belongs into them, and what others published."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from lpa3bench.boards.board import Column, Published, Question, Row
from lpa3bench.boards.conditions import FIELDS, SLOT, Conditions, ConditionTable
from lpa3bench.boards.measures import problem_of
from lpa3bench.boards.published import PublishedRows, published_for, with_quotes
from lpa3bench.boards.typed_toml import Key, Title, no_such, parse_toml
from lpa3bench.errors import ConfigError, RenamedWarning

BOARD_TOML = "board.toml"
NOT_MEASURED = ("unknown", "none")
"""Metrics of published numbers that are no measure."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a row and a column have in common."""

    key: Key
    name: Title
    group: str = ""
    note: str = ""
    match: ConditionTable = {}
    unless: ConditionTable = {}

    def words(self, published: PublishedRows) -> dict[str, str]:
        """What a board shows of it; a note may quote published numbers."""
        words = {name: getattr(self, name).strip() for name in ("key", "name", "group")}
        return {**words, "note": with_quotes(self.note.strip(), published)}


class _RowTable(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    baseline: Key | None = None
    columns: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1)] | None = None


class _QuestionTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Title
    rows: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1)]
    against: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1)]
    columns: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1)] | None = None
    primary: bool = False


class _BoardTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's form; `docs/leaderboards.md` says what each key means."""

    title: Title
    text: str = ""
    metric: str
    also: tuple[str, ...] = ()
    protocol: Annotated[int, msgspec.Meta(ge=1)]
    commands: tuple[str, ...] = ()
    records_of: Key | None = None
    changed: tuple[str, ...] | None = None
    ranked: tuple[Key, ...] | None = None
    equal_cost: Key | None = None
    questions: tuple[_QuestionTable, ...] = ()
    match: ConditionTable = {}
    unless: ConditionTable = {}
    rows: Annotated[tuple[_RowTable, ...], msgspec.Meta(min_length=1)]
    columns: Annotated[tuple[_Part, ...], msgspec.Meta(min_length=1)]
    published: dict[Key, Key] = {}
    """By the key of a row, the key of what was published of it."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a `board.toml` says."""

    path: Path
    title: str
    text: str
    metric: str
    also: tuple[str, ...]
    protocol: int
    commands: tuple[str, ...]
    conditions: Conditions
    """What every record must meet."""
    changed: frozenset[str] | None
    """Parameters that may differ from the published setting, with or without their scope; None: all."""
    records_of: str | None
    """The board beside it whose records it shows, with none of its own."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    of_row: Mapping[str, Conditions]
    of_column: Mapping[str, Conditions]
    only: Mapping[str, tuple[str, ...]]
    """The columns that a row is planned in, where it is not in all."""
    ranked: tuple[str, ...]
    """Rows that are ranked against each other, over the columns in which all of them are measured."""
    published: Mapping[tuple[str, str], Published]
    questions: tuple[Question, ...] = ()
    """What the board is to answer; (): how each row compares with its baseline."""
    equal_cost: str | None = None
    """The row of the task alone, trained for what a method costs: every method is compared with it."""
    current: Callable[[str], str] = str
    """What a parameter is called now: so the conditions are written, and so records are read."""

    @property
    def key(self) -> str:
        """The folder's name."""
        return self.path.resolve().parent.name

    def planned(self) -> Iterator[tuple[Row, Column]]:
        """Every cell, by row, then by column."""
        for row in self.rows:
            for column in self.columns:
                if column.key in self.only.get(row.key, (column.key,)):
                    yield row, column


def load_definition(folder: Path, current: Callable[[str], str] = str) -> Definition:
    """The definition of the board in that folder.

    Args:
        current: what a parameter is called now. A board that calls one by an older name is told so.

    Raises:
        ConfigError: there is no `board.toml`, or something in it or in what was published is wrong; one line
            that opens with the file's path.
    """
    path = folder / BOARD_TOML
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); `--from runs/` writes one for the records there"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8") from error
    return parse_definition(text, path, current)


def parse_definition(text: str, path: Path, current: Callable[[str], str] = str) -> Definition:
    """The definition with that text, which stands in `path` or is to stand there.

    Args:
        current: as `load_definition` takes it.

    Raises:
        ConfigError: as `load_definition`.
    """
    board = parse_toml(text, path, _BoardTable)
    published = published_for(path.parent)
    if problem := next(_nonsense(board, published), None):
        raise ConfigError(f"{path}: {problem}")
    try:
        rows = tuple(Row(baseline=row.baseline, **row.words(published)) for row in board.rows)
        columns = tuple(Column(**column.words(published)) for column in board.columns)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error

    def now(name: str) -> str:
        if (new := current(name)) != name:
            warnings.warn(f"{path}: {name} is called {new} now", RenamedWarning, stacklevel=2)
        return new

    return Definition(
        path=path,
        title=board.title,
        text=board.text.strip(),
        metric=board.metric,
        also=board.also,
        protocol=board.protocol,
        commands=board.commands,
        conditions=_conditions(board, now),
        changed=None if board.changed is None else frozenset(map(now, board.changed)),
        records_of=board.records_of,
        rows=rows,
        columns=columns,
        of_row={row.key: _conditions(row, now) for row in board.rows},
        of_column={column.key: _conditions(column, now) for column in board.columns},
        only={row.key: row.columns for row in board.rows if row.columns},
        ranked=tuple(row.key for row in board.rows if not row.columns)
        if board.ranked is None
        else board.ranked,
        published={
            (row, column): published[key][column]
            for row, key in board.published.items()
            for column in _planned(board)[row]
            if column in published[key]
        },
        questions=tuple(
            Question(
                text=question.text,
                rows=question.rows,
                against=question.against,
                columns=question.columns or tuple(column.key for column in columns),
                primary=question.primary,
            )
            for question in board.questions
        ),
        equal_cost=board.equal_cost,
        current=current,
    )


def _conditions(part: _BoardTable | _Part, now: Callable[[str], str]) -> Conditions:
    tables = {"match": part.match, "unless": part.unless}
    return Conditions.of(
        {key: {now(name): value for name, value in table.items()} for key, table in tables.items()}
    )


def _planned(board: _BoardTable) -> dict[str, tuple[str, ...]]:
    """By row, the keys of the columns that it is planned in."""
    columns = tuple(column.key for column in board.columns)
    return {row.key: row.columns or columns for row in board.rows}


# ------------------------------------------------------------------------------------------------- checking
def _nonsense(board: _BoardTable, published: PublishedRows) -> Iterator[str]:
    """What is well-formed and means nothing, in a few words each."""
    rows, columns = ([part.key for part in parts] for parts in (board.rows, board.columns))
    lists = {"rows": rows, "columns": columns, "also": board.also, "ranked": board.ranked or ()}
    lists |= {f"rows {row.key}: columns": row.columns for row in board.rows if row.columns}
    for name, keys in lists.items():
        for key, times in Counter(keys).items():
            if times > 1:
                yield f"{name}: {key} stands there {times} times"
    for metric in (board.metric, *board.also):
        if problem := problem_of(metric):
            yield f"metric: {problem}"
    yield from _wrong_conditions(board, "the board")
    for kind, parts in (("rows", board.rows), ("columns", board.columns)):
        for part in parts:
            yield from _wrong_conditions(part, f"{kind} {part.key}")
    for row in board.rows:
        if row.baseline is not None and (row.baseline not in rows or row.baseline == row.key):
            yield f"rows {row.key}: baseline: {no_such(row.baseline, rows)}"
        for column in row.columns or ():
            if column not in columns:
                yield f"rows {row.key}: columns: {no_such(column, columns)}"
    for key in board.ranked or ():
        if key not in rows:
            yield f"ranked: {no_such(key, rows)}"
    if board.equal_cost is not None and board.equal_cost not in rows:
        yield f"equal_cost: {no_such(board.equal_cost, rows)}"
    for number, question in enumerate(board.questions, 1):
        yield from (f"question {number}: {problem}" for problem in _unanswerable(question, rows, columns))
    yield from _wrong_claims(board, published)


def _unanswerable(question: _QuestionTable, rows: list[str], columns: list[str]) -> Iterator[str]:
    for name, keys, known in (
        ("rows", question.rows, rows),
        ("against", question.against, rows),
        ("columns", question.columns or (), columns),
    ):
        for key, times in Counter(keys).items():
            if key not in known:
                yield f"{name}: {no_such(key, known)}"
            if times > 1:
                yield f"{name}: {key} stands there {times} times"
    for key in {*question.rows} & {*question.against}:
        yield f"{key} would be compared with itself"


def _wrong_conditions(part: _BoardTable | _Part, where: str) -> Iterator[str]:
    for kind in ("match", "unless"):
        for name in getattr(part, kind):
            if not (name in FIELDS or name.startswith(SLOT) or "." in name):
                fields = (*FIELDS, f"{SLOT}view", "LPA3.margin")
                yield f"{where}: {kind}: {no_such(name, fields)}"


def _wrong_claims(board: _BoardTable, published: PublishedRows) -> Iterator[str]:
    planned = _planned(board)
    for row, key in board.published.items():
        if row not in planned:
            yield f"published: {no_such(row, planned)}"
        elif key not in published:
            yield f"published {row}: {no_such(key, published)}"
        elif not {*planned[row]} & published[key].keys():
            columns = ", ".join(published[key])
            yield f"published {row}: {key} has numbers for {columns}, and the row is planned in none of these"
        else:
            metric = next(iter(published[key].values())).metric
            if metric not in NOT_MEASURED and (problem := problem_of(metric)):
                yield f"published {row}: metric of {key}: {problem}; or {' or '.join(NOT_MEASURED)}"
