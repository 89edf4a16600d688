"""A `board.toml` for whatever records there are, for its owner to go on from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from lpa3bench.boards.conditions import IDENTITY, NONE, NUMERICS, SLOT, parsed, unscoped
from lpa3bench.boards.draft_text import ColumnKey, DraftPart, keys_of, marked, table_of, toml_value, with_keys
from lpa3bench.boards.measures import selecting_metrics
from lpa3bench.errors import DataError, printable
from lpa3bench.records import PROTOCOL_VERSION, Record
from lpa3bench.records.summary import LAST, ORACLE_BEST
from lpa3bench.stats.parity import settings_that_differ
from lpa3bench.types import SLOTS

HOLDS = re.compile(rf"run\.({'|'.join(SLOTS)}|labels|task|dataset|backbone)$")
"""Parameters that the fields of a cell tell of."""
POLICY = re.compile(r"@(?:.*/)?policies\.(\w+)")
SOURCES = (NUMERICS, IDENTITY)
IN_NAME = 2
"""Differing settings that a row's name tells, if they tell the rows apart; its `match` has them all."""

TaskSlots = tuple[str, tuple[tuple[str, str], ...]]
"""A task and its slots."""


def draft(records: Sequence[Record], title: str) -> str:
    """The text of a `board.toml` with a place for each of these records.

    Columns are data sets with their labels and backbone. Rows are tasks with their augmenters; where one
    column has several experiments of such a row, the settings in which they differ make rows of their own.
    Each row is planned where it has records, and compared with the row of its task that has the fewest
    augmenters; of several, with the one that differs in the fewest settings. The board is of the metric that
    most runs select by, and shows those beside it that others do.

    Raises:
        DataError: there are none.
    """
    if not records:
        raise DataError("there is no record of a finished run to make a board of")
    records = sorted(records, key=lambda record: record.file_name)
    columns = with_keys(_columns(records))
    rows = with_keys(_with_baselines([*_rows(records)]))
    rows = [replace(row, columns=_planned(row, columns)) for row in rows]
    selects = selecting_metrics(records)
    head = {
        "title": printable(title),
        "text": "Drafted from the records that were there; names, order, notes and baselines can be changed. "
        "The data set's weak view comes first in every row; one without an augmenter has nothing else.",
        "metric": f"{selects[0]}.{LAST}",
        "also": [f"{selects[0]}.{ORACLE_BEST}", *(f"{name}.{LAST}" for name in selects[1:])],
        "protocol": PROTOCOL_VERSION,
    }
    parts = [
        "# What this board shows; docs/leaderboards.md says what may stand here.\n",
        *(f"{name} = {toml_value(value)}\n" for name, value in head.items()),
        *(table_of("columns", part) for part in columns),
        *(table_of("rows", part) for part in rows),
    ]
    return marked("".join(parts))


def row_for(record: Record, apart: Mapping[str, Any]) -> str:
    """The keys of a row for it, as a draft would have them.

    Args:
        apart: further conditions, by which rows of its task and slots are told from it.
    """
    row = next(_rows([record]))
    told = "; ".join(f"{name} = {value}" for name, value in apart.items() if name not in row.match)
    name = printable(f"{row.name} ({told})") if told else row.name
    return keys_of(replace(row, name=name, match={**row.match, **apart}))


def column_for(record: Record) -> str:
    """The keys of a column for it, as a draft would have them."""
    return keys_of(_columns([record])[0])


# ------------------------------------------------------------------------------------------------- columns
def _environment(record: Record) -> ColumnKey:
    kind = record.cell.labels
    parameters = {name: text for name, text in record.config.items() if unscoped(name).startswith(f"{kind}.")}
    fields = {name: getattr(record.cell, name) for name in ("dataset", "labels", "backbone")}
    resize = parsed(record.config.get("run.resize", "None"))
    return (
        *fields.items(),
        *(((name, parsed(text)) for name, text in parameters.items())),
        *([] if resize == NONE else [("run.resize", resize)]),
    )


def _columns(records: Iterable[Record]) -> list[DraftPart]:
    found = sorted({_environment(record) for record in records}, key=str)
    backbones = {dict(environment)["backbone"] for environment in found}
    parts = []
    for environment in found:
        told = [
            str(value)
            for name, value in environment
            if value not in ("Clean", NONE) and (name != "backbone" or len(backbones) > 1)
        ]
        parts.append(DraftPart(printable(" ".join(told)), dict(environment)))
    return parts


def _planned(row: DraftPart, columns: Sequence[DraftPart]) -> tuple[str, ...]:
    mine = [dict(environment) for environment in row.members]
    keys = tuple(column.key for column in columns if column.match in mine)
    return keys if len(keys) < len(columns) else ()


# ---------------------------------------------------------------------------------------------------- rows
def _rows(records: Sequence[Record]) -> Iterator[DraftPart]:
    arms: dict[TaskSlots, list[Record]] = defaultdict(list)
    for record in records:
        arms[record.cell.task, tuple(sorted(record.slots.items()))].append(record)
    for task, slots in sorted(arms, key=lambda arm: (arm[0], len(arm[1]), arm)):
        members = arms[task, slots]
        bound = dict(slots)
        augmenters = (SLOTS[slot].label(bound[slot]) for slot in sorted(SLOTS) if slot in bound)
        name = printable(" + ".join([task, *augmenters]))
        match = {"task": task, **{f"{SLOT}{slot}": bound.get(slot, NONE) for slot in SLOTS}}
        first = _first_of_experiment(members)
        for group in _apart(first, members):
            settings = sorted(name for name, stands_for in first.items() if stands_for in group)
            chosen = [r for r in members if _setting(r) in settings]
            yield from _by_settings(name, match, settings, chosen, alone=len(chosen) == len(members))


def _setting(record: Record) -> str:
    return str(record.cell.setting or NONE)


def _first_of_experiment(members: Sequence[Record]) -> dict[str, str]:
    """By setting, the first of those that have an experiment with it: one that is started from two files is
    called by the setting of either, or by none."""
    first = {name: name for name in sorted({_setting(record) for record in members})}
    names: dict[str, set[str]] = defaultdict(set)
    for record in members:
        names[record.identity].add(_setting(record))
    for alike in names.values():
        stand_for = {first[name] for name in alike}
        first = {name: min(stand_for) if one in stand_for else one for name, one in first.items()}
    return first


def _apart(first: Mapping[str, str], members: Sequence[Record]) -> list[list[str]]:
    """Settings in groups, such that no two of a group occur in one column: `sym50` with `sym90`, not with
    `equal_cost`, which has the labels of both. What is longer than another one of its column comes last.

    Args:
        first: as of `_first_of_experiment`; groups are of those that stand for others.
    """
    settings = sorted({*first.values()})
    columns: dict[str, dict[ColumnKey, int]] = {name: {} for name in settings}
    for record in members:
        columns[first[_setting(record)]][_environment(record)] = record.cell.epochs
    shortest: dict[ColumnKey, int] = {}
    for found in columns.values():
        for environment, epochs in found.items():
            shortest[environment] = min(shortest.get(environment, epochs), epochs)
    longer = {
        name: any(epochs > shortest[environment] for environment, epochs in found.items())
        for name, found in columns.items()
    }
    groups: list[list[str]] = []
    for name in sorted(settings, key=lambda name: (longer[name], name)):
        apart = (g for g in groups if all(columns[name].keys().isdisjoint(columns[other]) for other in g))
        group = next(apart, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups


def _by_settings(
    name: str, match: Mapping[str, Any], settings: list[str], members: Sequence[Record], *, alone: bool
) -> Iterator[DraftPart]:
    """A row for each combination of the parameters in which experiments of one column differ."""
    whole = {**match} if alone else {**match, "setting": settings}
    words = [*([] if alone else [", ".join(settings)]), *_policies(members)]
    # One record of each: an older one of the same experiment may lack a parameter that came later.
    first = {(_environment(record), record.identity): record for record in reversed(members)}
    members = [*reversed(first.values())]
    varying = _varying(members)
    combinations: dict[tuple[Any, ...], dict[ColumnKey, Record]] = defaultdict(dict)
    for record in members:
        values = tuple(_parameters(record).get(key, NONE) for key in varying)
        combinations[values].setdefault(_environment(record), record)
    told_apart = (n for n in range(IN_NAME, len(varying)) if _distinct(combinations, n) == len(combinations))
    in_name = next(told_apart, len(varying))
    for values in sorted(combinations, key=str):
        told = [f"{key} = {value}" for key, value in zip(varying, values, strict=True)]
        inside = "; ".join([*words, *told[:in_name]])
        yield DraftPart(
            printable(f"{name} ({inside})") if inside else name,
            {**whole, **dict(zip(varying, values, strict=True))},
            group=printable(str(match["task"])),
            members=combinations[values],
        )


def _policies(members: Sequence[Record]) -> tuple[str, ...]:
    """The policies that all of them have; where they differ the parameter tells."""
    found = {
        tuple(m[1] for text in record.config.values() if (m := POLICY.match(text))) for record in members
    }
    return found.pop() if len(found) == 1 else ()


def _distinct(combinations: Iterable[tuple[Any, ...]], first: int) -> int:
    """How many there are, as their first values have it."""
    return len({str(values[:first]) for values in combinations})


def _varying(members: Sequence[Record]) -> list[str]:
    """Parameters in which experiments of one column differ, and where they do not, what made them."""
    columns: dict[Any, list[Record]] = defaultdict(list)
    for record in members:
        columns[_environment(record)].append(record)
    names: dict[str, None] = {}
    for group in columns.values():
        seen = [_parameters(record) for record in group]
        for name in {name: None for parameters in seen for name in parameters if name not in SOURCES}:
            if len({str(parameters.get(name, NONE)) for parameters in seen}) > 1:
                names[name] = None
        for name in SOURCES:  # each tells apart what those before it do not
            told = {
                (tuple(str(parameters.get(n, NONE)) for n in names), record.identity)
                for parameters, record in zip(seen, group, strict=True)
            }
            alike = len({values for values, _ in told}) < len(told)
            if alike and len({parameters[name] for parameters in seen}) > 1:
                names[name] = None
    return [*names]


def _parameters(record: Record) -> dict[str, Any]:
    """Values in force; without their scopes, where that leaves them apart."""
    plain = [unscoped(name) for name in record.config]
    values = {
        (name if plain.count(unscoped(name)) > 1 else unscoped(name)): parsed(text)
        for name, text in record.config.items()
        if not HOLDS.match(name)
    }
    return {**values, NUMERICS: record.numerics, IDENTITY: record.identity}


def _with_baselines(rows: Sequence[DraftPart]) -> list[DraftPart]:
    """Rows are compared with one of the first ones of their task, which have the fewest augmenters."""
    plain: dict[str, list[DraftPart]] = defaultdict(list)
    for row in rows:
        found = plain[row.group]
        if not found or _bound(row) == _bound(found[0]):
            found.append(row)
    return [replace(row, baseline=_baseline(row, plain[row.group])) for row in rows]


def _bound(row: DraftPart) -> list[Any]:
    return [row.match[f"{SLOT}{slot}"] for slot in SLOTS]


def _baseline(row: DraftPart, plain: Sequence[DraftPart]) -> str | None:
    """The name of the plain row that is nearest to this one; of the first, for another plain one."""
    others = plain[:1] if any(row is other for other in plain) else plain
    distances = {
        other.name: distance
        for other in others
        if other is not row and (distance := _distance(other, row)) is not None
    }
    return min(distances, key=lambda name: distances[name], default=None)


def _distance(one: DraftPart, other: DraftPart) -> tuple[float, int] | None:
    """In how many settings two rows differ, a column; then less the columns that both have. None: there are
    no such columns."""
    shared = one.members.keys() & other.members.keys()
    if not shared:
        return None
    return fmean(len(settings_that_differ(one.members[e], other.members[e])) for e in shared), -len(shared)
