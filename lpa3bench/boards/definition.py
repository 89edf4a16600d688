"""`board.toml`: which rows and columns a board has, what belongs into them, and what others published."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from lpa3bench.boards.board import Column, Published, Question, Row
from lpa3bench.boards.conditions import Condition, Conditions, ConditionTable
from lpa3bench.boards.definition_checks import (
    mirrored,
    never_met,
    unanswerable,
    wrong_baselines,
    wrong_conditions,
    wrong_equal_cost,
)
from lpa3bench.boards.measures import problem_of
from lpa3bench.boards.published import PublishedRows, published_for, with_quotes
from lpa3bench.boards.toml_text import TomlPlace, TomlText, read_toml
from lpa3bench.boards.typed_toml import Key, Title, doubled, no_such, parse_toml, unreadable
from lpa3bench.errors import RenamedWarning

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

    source: TomlText
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
    places: dict[Hashable, list[tuple[str, str]]] = field(default_factory=dict, repr=False, compare=False)
    """The cells whose conditions are met, by all that conditions see of a record; see `placing.places`."""

    @property
    def path(self) -> Path:
        """Of the `board.toml`."""
        return self.source.path

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

    def stated(self) -> Iterator[tuple[TomlPlace, Condition]]:
        """Every condition, with the place where it stands."""
        parts: dict[TomlPlace, Conditions] = {(): self.conditions}
        parts |= {("rows", index): self.of_row[row.key] for index, row in enumerate(self.rows)}
        parts |= {("columns", index): self.of_column[column.key] for index, column in enumerate(self.columns)}
        for place, conditions in parts.items():
            for kind in ("match", "unless"):
                for condition in getattr(conditions, kind):
                    yield (*place, kind, condition.name), condition


def load_definition(folder: Path, current: Callable[[str], str] = str) -> Definition:
    """The definition of the board in that folder.

    Args:
        current: what a parameter is called now. A board that calls one by an older name is told so.

    Raises:
        ConfigError: there is no `board.toml`, or something in it or in what was published is wrong; one line
            that opens with the file's path.
    """
    advice = "`--from runs/` writes one for the records there"
    return parse_definition(read_toml(folder / BOARD_TOML, advice), current)


def parse_definition(source: TomlText, current: Callable[[str], str] = str) -> Definition:
    """The definition with that text, which stands in its path or is to stand there.

    Args:
        current: as `load_definition` takes it.

    Raises:
        ConfigError: as `load_definition`.
    """
    board = parse_toml(source, _BoardTable)
    published = published_for(source.path.parent)
    if wrong := next(_nonsense(board, published), None):
        raise source.error(*wrong)

    def now(name: str) -> str:
        if (new := current(name)) != name:
            warnings.warn(f"{source.path}: {name} is called {new} now", RenamedWarning, stacklevel=2)
        return new

    return Definition(
        source=source,
        title=board.title,
        text=board.text.strip(),
        metric=board.metric,
        also=board.also,
        protocol=board.protocol,
        commands=board.commands,
        conditions=_conditions(board, now),
        changed=None if board.changed is None else frozenset(map(now, board.changed)),
        records_of=board.records_of,
        rows=tuple(Row(baseline=row.baseline, **row.words(published)) for row in board.rows),
        columns=tuple(Column(**column.words(published)) for column in board.columns),
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
                columns=question.columns or tuple(column.key for column in board.columns),
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
def _nonsense(board: _BoardTable, published: PublishedRows) -> Iterator[tuple[TomlPlace, str]]:
    """What is well-formed and means nothing: where it stands, and in a few words what it is."""
    rows, columns = ([part.key for part in parts] for parts in (board.rows, board.columns))
    head = {"title": board.title, "text": board.text}
    yield from unreadable((), "", head)
    for index, command in enumerate(board.commands):
        yield from unreadable(("commands", index), "commands: ", {"line": command})
    for name in ("also", "ranked", "changed", "commands"):
        yield from doubled((name,), getattr(board, name) or ())
    for index, metric in enumerate((board.metric, *board.also)):
        if problem := problem_of(metric):
            yield ("also", index - 1) if index else ("metric",), f"metric: {problem}"
    if board.metric in board.also:
        yield ("also",), f"also: {board.metric} is the metric of the main table"
    yield from wrong_conditions((), "the board", board)
    for kind, parts in (("rows", board.rows), ("columns", board.columns)):
        yield from doubled((kind,), [part.key for part in parts], ("key",))
        names = [f"{part.group.strip()}: {part.name.strip()}" for part in parts]
        yield from doubled((kind,), [name.removeprefix(": ") for name in names], ("name",))
        for index, part in enumerate(parts):
            where = f"{kind} {part.key}"
            shown = {"name": part.name, "group": part.group, "note": part.note}
            yield from unreadable((kind, index), f"{where}: ", shown)
            yield from wrong_conditions((kind, index), where, part)
            if told := never_met(part.match, board.match):
                yield (kind, index, "match"), f"{where}: match: {told}, in the board's; no record meets both"
            try:
                part.words(published)
            except ValueError as error:
                yield (kind, index, "note"), f"{where}: note: {error}"
    yield from wrong_baselines({row.key: row.baseline for row in board.rows})
    asked = {column.key: column.match for column in board.columns}
    for index, row in enumerate(board.rows):
        yield from doubled(("rows", index, "columns"), row.columns or ())
        for column in row.columns or ():
            if column not in columns:
                yield ("rows", index, "columns"), f"rows {row.key}: columns: {no_such(column, columns)}"
        for column in row.columns or columns:
            if told := never_met(row.match, asked.get(column, {})):
                why = f"{told}, in column {column}, where the row is planned; no record meets both"
                yield ("rows", index, "match"), f"rows {row.key}: match: {why}"
    for key in board.ranked or ():
        if key not in rows:
            yield ("ranked",), f"ranked: {no_such(key, rows)}"
    baselines = {row.key: row.baseline for row in board.rows}
    if board.equal_cost is not None and (problem := wrong_equal_cost(board.equal_cost, baselines)):
        yield ("equal_cost",), f"equal_cost: {problem}"
    for index, question in enumerate(board.questions):
        yield from unreadable(("questions", index), f"questions[{index + 1}]: ", {"text": question.text})
        yield from unanswerable(("questions", index), question, rows, columns)
    yield from mirrored(board.questions, baselines, columns)
    yield from _wrong_claims(board, published)


def _wrong_claims(board: _BoardTable, published: PublishedRows) -> Iterator[tuple[TomlPlace, str]]:
    planned = _planned(board)
    for row, key in board.published.items():
        place = ("published", row)
        if row not in planned:
            yield place, f"published: {no_such(row, planned)}"
        elif key not in published:
            yield place, f"published {row}: {no_such(key, published)}"
        elif not {*planned[row]} & published[key].keys():
            has = f"{key} has numbers for {', '.join(published[key])}"
            yield place, f"published {row}: {has}, and the row is planned in none of these"
        else:
            metric = next(iter(published[key].values())).metric
            if metric not in NOT_MEASURED and (problem := problem_of(metric)):
                told = f"metric of {key}: {problem}; or {' or '.join(NOT_MEASURED)}"
                yield place, f"published {row}: {told}"
