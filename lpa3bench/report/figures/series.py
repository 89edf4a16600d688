"""Records put into panels (one environment each) and arms (one method each), named by what tells them apart.

An environment is what methods are compared in: task, data set, labels, backbone, and what is bound of the
data and the labels. All else may differ from arm to arm, the setting's name and the number of epochs too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

from lpa3bench.boards.board import Row
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import by_cell
from lpa3bench.boards.selection import EQUAL_COST
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.types import SLOTS

K = TypeVar("K", bound=Hashable)
Ignored = Callable[[str], bool]
"""Whether runs of one method may differ in a parameter, by its name in `values_in_force`."""

SHARED = ("run.resize", "run.holdout", "run.select", "run.weak")
"""Parameters of `run` that belong to the environment."""
SLOT_LINES = tuple(f"run.{slot}" for slot in SLOTS)
SLOTS_OF_TASKS = tuple(name for name, slot in SLOTS.items() if slot.of_task)
"""Where all arms have the same there, it is not named."""
AUGMENTER_NAMES = {"LPA3": "LP-A3"}
BASELINE_NAME = "weak view only"
"""What boards call a task without an augmenter."""
Role = Literal["baseline", "equal cost", "method"]
"""The task alone; the task alone, trained for what a method costs; or with an augmenter."""


@dataclass(frozen=True)
class Arm:
    """One method: runs that differ in the seed alone."""

    name: str
    records: tuple[Record, ...]
    """By seed."""
    role: Role = "method"


@dataclass(frozen=True)
class Panel:
    """One environment."""

    title: str
    arms: tuple[Arm, ...]
    """The baseline first."""


def grouped(items: Iterable[Record], key: Callable[[Record], K]) -> dict[K, list[Record]]:
    """Records by key, in the order of the first of each."""
    groups: dict[K, list[Record]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def values_in_force(record: Record) -> dict[str, str]:
    """Every value in force, an augmenter's under its slot and not under the scope that a gin file gave it:
    `@noise/augmenters.LPA3()` in slot positives has a `positives/LPA3.margin`. The slots' own lines are left
    out; `record.slots` has them."""
    owners = {}
    for slot, name in record.slots.items():
        reference = record.config.get(f"run.{slot}", "").removeprefix("@").removesuffix("()")
        owners[reference.replace("augmenters.", "")] = f"{slot}/{name}"
    found = {}
    for key, text in record.config.items():
        owner, _, parameter = key.rpartition(".")
        if key not in SLOT_LINES:
            found[f"{owners.get(owner, owner)}.{parameter}"] = text
    return found


def panel_key(record: Record) -> tuple[object, ...]:
    """Two records with the same may be compared."""
    cell = record.cell
    owners = {cell.dataset, cell.labels, "WeakView"}
    bound = [
        (name, text)
        for name, text in sorted(record.config.items())
        if name in SHARED or name.rpartition(".")[0].rpartition("/")[2] in owners
    ]
    limit = record.data.protocol.limit
    names = (cell.task, cell.dataset, cell.labels, cell.backbone)
    return (*names, limit, record.data_hash, tuple(bound))


def panels(records: Sequence[Record], ignored: Ignored | None = None) -> list[Panel]:
    """Every record in its panel and arm.

    Args:
        ignored: then an arm has all runs that are the same in everything else, whatever their seeds and code.

    Raises:
        DataError: two are of one method with one seed.
    """
    groups = [group for _, group in sorted(grouped(records, panel_key).items(), key=_first_name)]
    return [Panel(name, _arms(group, ignored)) for name, group in zip(titles(groups), groups, strict=True)]


def panels_of_board(definition: Definition, records: Iterable[Record]) -> list[Panel]:
    """The records of a board, by its columns and rows, under their names there.

    Raises:
        DataError: as `boards.placing.by_cell`.
    """
    runs = by_cell(definition, records).runs
    baselines = {row.baseline for row in definition.rows}

    def role(row: Row) -> Role:
        if row.key == definition.equal_cost:
            return "equal cost"
        return "baseline" if row.key in baselines else "method"

    found = []
    for column in definition.columns:
        here = [(row, runs[place]) for row in definition.rows if (place := (row.key, column.key)) in runs]
        here.sort(key=lambda item: role(item[0]) != "baseline")
        if here:
            arms = (Arm(row.name, tuple(sorted(its, key=lambda r: r.seed)), role(row)) for row, its in here)
            found.append(Panel(column.name, tuple(arms)))
    return found


def with_arms(found: Sequence[Panel], patterns: Sequence[str]) -> list[Panel]:
    """The panels with those arms alone whose names match one of the patterns, with shell wildcards; all arms
    where there is no pattern.

    Raises:
        DataError: none is left.
    """
    if not patterns:
        return [*found]
    kept = [
        Panel(panel.title, tuple(a for a in panel.arms if any(fnmatchcase(a.name, p) for p in patterns)))
        for panel in found
    ]
    if not any(panel.arms for panel in kept):
        names = sorted({arm.name for panel in found for arm in panel.arms})
        raise DataError(f"no method is called {' or '.join(patterns)}; there are {'; '.join(names)}")
    return [panel for panel in kept if panel.arms]


def compared(found: Sequence[Panel]) -> list[Panel]:
    """Without the panels of one method alone, where others have several."""
    several = [panel for panel in found if len(panel.arms) > 1]
    return several or [*found]


def _first_name(item: tuple[tuple[object, ...], list[Record]]) -> tuple[str, str]:
    return min((record.name, record.identity) for record in item[1])


def title(records: Sequence[Record]) -> str:
    """Data set, task, and what is bound of the labels; the setting's name where there is one alone."""
    cell = records[0].cell
    settings = {record.cell.setting for record in records}
    (setting,) = settings if len(settings) == 1 else (None,)
    labels = setting or _labels(records[0])
    return " · ".join(part for part in (cell.dataset, cell.task, labels) if part)


def titles(groups: Sequence[Sequence[Record]]) -> list[str]:
    """A title for each environment. Where `title` does not tell them apart, what does stands there too: the
    backbone, how many images, or a run's identity."""
    found = [title(group) for group in groups]
    for part in (_backbone, _limit, _identity):
        twins: dict[str, set[str]] = defaultdict(set)
        for name, group in zip(found, groups, strict=True):
            twins[name].add(part(group[0]))
        found = [
            " · ".join([name, *filter(None, [part(group[0])])]) if len(twins[name]) > 1 else name
            for name, group in zip(found, groups, strict=True)
        ]
    return found


def _backbone(record: Record) -> str:
    return str(record.cell.backbone)


def _limit(record: Record) -> str:
    limit = record.data.protocol.limit
    return "" if limit is None else f"{limit} images"


def _identity(record: Record) -> str:
    return record.identity


def _labels(record: Record) -> str:
    """The labels with their parameters; empty where they are the data set's own."""
    name = record.cell.labels
    own = [
        f"{key.partition('.')[2]} {text}"
        for key, text in record.config.items()
        if key.rpartition(".")[0].rpartition("/")[2] == name and text != "None"
    ]
    return "" if name == "Clean" else ", ".join([name, *own])


def _arms(records: list[Record], ignored: Ignored | None) -> tuple[Arm, ...]:
    """The methods of an environment, that with the fewest augmenters first."""

    def method(record: Record) -> Hashable:
        return _what(record, ignored), record.identity if ignored is None else None

    groups = list(grouped(records, method).values())
    slots = [{*group[0].slots.items()} for group in groups]
    common = {item for item in set.intersection(*slots) if item[0] in SLOTS_OF_TASKS}
    roles = [_role(group, own - common) for group, own in zip(groups, slots, strict=True)]
    names = [_name(own - common, role) for own, role in zip(slots, roles, strict=True)]
    counts = Counter(names)
    arms = []
    for group, name, role in zip(groups, names, roles, strict=True):
        if counts[name] > 1:
            twins = [other for other, its in zip(groups, names, strict=True) if its == name]
            name = ", ".join([name, *_differences(group[0], [twin[0] for twin in twins], ignored)])
        if ignored is None:
            group = _by_seed(name, group)
        arms.append((len(group[0].slots), min(record.cell.epochs for record in group), name, role, group))
    arms.sort(key=lambda arm: arm[:3])
    return tuple(Arm(name, tuple(group), role) for _, _, name, role, group in arms)


def _role(records: Sequence[Record], slots: set[tuple[str, str]]) -> Role:
    if slots:
        return "method"
    settings = {record.cell.setting for record in records}
    return "equal cost" if settings == {EQUAL_COST} else "baseline"


def _name(slots: set[tuple[str, str]], role: Role) -> str:
    """What an arm has, but for what belongs to the task; in the words of boards."""
    if role != "method":
        return BASELINE_NAME if role == "baseline" else f"{BASELINE_NAME}, equal cost"
    said = []
    bound = dict(slots)
    for slot in sorted(SLOTS):
        if slot in bound:
            said.append(SLOTS[slot].label(AUGMENTER_NAMES.get(bound[slot], bound[slot])))
    return ", ".join(said)


def _differences(record: Record, others: Sequence[Record], ignored: Ignored | None) -> list[str]:
    """The values that tell it from the others; where there are none, its identity's hash."""
    theirs = [dict(_what(other, ignored)) for other in others]
    own = tuple(f"{name}." for name in ("run", *record.slots.values()))
    said = []
    for name, text in values_in_force(record).items():
        if (ignored is None or not ignored(name)) and any(other.get(name) != text for other in theirs):
            shown = name.rpartition("/")[2]
            said.append(f"{shown.partition('.')[2] if shown.startswith(own) else shown} {text}")
    whats = {_what(other, ignored) for other in others}
    return said if len(whats) == len(others) else [*said, record.identity]


def _what(record: Record, ignored: Ignored | None) -> tuple[tuple[str, str], ...]:
    """What a run is but for seed and code, and for what is ignored, to compare by."""
    values = (values_in_force(record) | record.slots).items()
    return tuple(sorted(item for item in values if ignored is None or not ignored(item[0])))


def _by_seed(name: str, group: list[Record]) -> list[Record]:
    seeds = Counter(record.seed for record in group)
    if twice := [seed for seed, count in seeds.items() if count > 1]:
        files = ", ".join(str(r.path) for r in group if r.seed == twice[0])
        raise DataError(f"{group[0].name} ({name}): seed {twice[0]} stands there twice: {files}")
    return sorted(group, key=lambda record: record.seed)


def matching(records: Iterable[Record], pattern: str | None) -> list[Record]:
    """Those whose run is named so, with shell wildcards.

    Raises:
        DataError: none is.
    """
    found = [r for r in records if pattern is None or fnmatchcase(r.file_name.removesuffix(".json"), pattern)]
    if not found:
        where = "there" if pattern is None else f"there whose name matches {pattern}"
        raise DataError(f"there is no finished run {where}; a finished run has a result.json")
    return found
