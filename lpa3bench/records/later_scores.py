"""What stored weights score on other images, `<run>/scores/corruptions.json`: a record of purpose "score".

It is no result of its own and is counted nowhere: it is joined to the record of its run, as metrics more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lpa3bench.errors import DataError
from lpa3bench.records.limits import in_one_short_line
from lpa3bench.records.moments import exact_mean
from lpa3bench.records.private_paths import without_folders
from lpa3bench.records.record import Record
from lpa3bench.records.schema import Count, MetricName, MetricOfRun, Positive, Provenance, Text
from lpa3bench.records.searches import RESULT, Refuse, raised
from lpa3bench.records.summary import LAST, VAL_SELECTED
from lpa3bench.runtime.files import make_folders, read_at_most, write_text
from lpa3bench.types import CORRUPTIONS, CORRUPTIONS_VERSION, SEVERITIES, Weights

SCORES_FOLDER = "scores"
"""In a run directory, and beside the records of a board."""
LARGEST_SCORES = 2**22
"""Bytes of a file that is worth reading."""
UNCORRUPTED = "clean"
"""The kind of the images as they are, severity 0."""
SCALED = "scaled"
EVERY_CONDITION: frozenset[tuple[str, int]] = frozenset(product(CORRUPTIONS, SEVERITIES))
"""Kinds and severities of a file that is whole."""
ScoredImages = Literal["corruptions", "test"]
"""The test images under the common corruptions, or as they are alone."""


class ScoreKind(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a metric."""

    title: Text
    unit: Text
    higher_is_better: bool


class ScoredCondition(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The test images in one state, and what the weights score on them."""

    kind: MetricName
    severity: Count
    scores: dict[MetricName, float | None]
    """By metric; None: undefined."""
    scaled: dict[MetricName, float | None] = {}
    """Likewise after temperature scaling."""


class LaterScores(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file."""

    schema_version: Literal[1]
    purpose: Literal["score"]
    on: ScoredImages
    run: Text
    """The run's name, with its identity and seed."""
    trained: Text
    """When it was finished: a run that began anew has other weights."""
    weights: Weights
    version: Positive
    """Of how the images were made."""
    constants: Text
    """Name of the table of severities."""
    images: Positive
    data: Text
    """SHA-256 of the data set."""
    metrics: dict[MetricName, ScoreKind]
    clean: ScoredCondition
    conditions: tuple[ScoredCondition, ...]
    whole: bool
    """Whether nothing was left out, of all fifteen kinds at all five severities: only then do means say what
    others' say, and boards show them."""
    provenance: Provenance
    temperature: float | None = None
    """Fitted on the validation split; None: nothing was scaled."""
    digest: str = ""

    @property
    def file_name(self) -> str:
        """In the folder of its run: those of a part of the images leave the whole ones alone."""
        weights, part = "" if self.weights == "last" else "-best", "" if self.whole else "-part"
        return f"{self.on}{weights}{part}.json"

    @property
    def board_name(self) -> str:
        """In the folder of a board's scores."""
        return f"{self.run}.{self.file_name}"

    @property
    def rule(self) -> str:
        """By which boards know numbers of these weights."""
        return LAST if self.weights == "last" else VAL_SELECTED

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(dict.fromkeys(condition.kind for condition in self.conditions))

    def mean(self, metric: str, kind: str | None = None, *, scaled: bool = False) -> float | None:
        """Over the severities of a kind, or over all conditions; None where one of them is undefined."""
        chosen = [one for one in self.conditions if kind in (None, one.kind)]
        found = [(one.scaled if scaled else one.scores).get(metric) for one in chosen]
        known = [value for value in found if value is not None]
        return exact_mean(known) if known and len(known) == len(found) else None


def write_later_scores(folder: Path, data: LaterScores) -> Path:
    """Write the file into a run directory, with its digest, all or nothing; where it lies.

    Raises:
        RunFailed: the disk refused it.
    """
    path = folder / SCORES_FOLDER / data.file_name
    make_folders([path.parent])
    write_text(path, scores_text(data))
    return path


def scores_text(data: LaterScores) -> str:
    """What the file holds: a line for each of its parts and conditions."""
    signed = msgspec.structs.replace(data, digest=_digest_of(data))
    lines = (
        f"{msgspec.json.encode(name).decode()}: {_lines_of(part)}"
        for name, part in msgspec.to_builtins(signed).items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines_of(part: Any) -> str:
    """A line; of the conditions a line each."""
    if not isinstance(part, list | tuple) or not part:
        return msgspec.json.encode(part).decode()
    return "[\n" + ",\n".join(msgspec.json.encode(one).decode() for one in part) + "\n]"


def without_owner(data: LaterScores) -> LaterScores:
    """Without the folders of who scored it, as boards keep it."""
    return msgspec.convert(without_folders(msgspec.json.decode(msgspec.json.encode(data))), LaterScores)


def read_later_scores(path: Path) -> LaterScores:
    """Read and check one such file.

    Raises:
        DataError: it cannot be read, or is none, or was edited.
    """
    try:
        data = msgspec.json.decode(read_at_most(path, LARGEST_SCORES), type=LaterScores)
        if data.digest != _digest_of(data):
            raise ValueError("its digest is not that of what it holds: it was edited or damaged")
        shown = (data.clean, *data.conditions)
        numbers = (value for one in shown for value in (*one.scores.values(), *one.scaled.values()))
        if any(abs(value) > 1e12 for value in numbers if value is not None):
            raise ValueError("a number is beyond 1e12")
        if data.version != CORRUPTIONS_VERSION:
            versions = f"{data.version}, and those of this lpa3bench of version {CORRUPTIONS_VERSION}"
            raise ValueError(f"its corruptions are of version {versions}; score the run again")
        if not _is_of_what_it_says(data):
            raise ValueError("its conditions are not those that it says it has")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except (ValueError, RecursionError) as error:
        raise DataError(in_one_short_line(f"is no record of later scores: {error}"), path=path) from error
    return data


def _is_of_what_it_says(data: LaterScores) -> bool:
    """Known conditions, each of them once, and all of them where it is said to be whole."""
    listed = [(one.kind, one.severity) for one in data.conditions]
    known = {*listed} <= EVERY_CONDITION and len({*listed}) == len(listed)
    whole = {*listed} == EVERY_CONDITION if data.on == "corruptions" else not listed
    return known and data.whole == whole


def _digest_of(data: LaterScores) -> str:
    bare = msgspec.structs.replace(data, digest="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


# ------------------------------------------------------------------------------------------- beside records
def scores_beside(record: Record, refuse: Refuse = raised) -> list[LaterScores]:
    """What the weights of this very run scored later: files in its directory, or beside a board's record.

    Args:
        refuse: takes what is wrong with a file that is damaged, or lies in the directory of another run, and
            is left out then.
    """
    folder = record.path.parent / SCORES_FOLDER
    if record.path.name != RESULT:
        return of_run(record, scores_in(folder, refuse, f"{record}.*.json").values())
    found = scores_in(folder, refuse)
    own = of_run(record, found.values())
    for path, scores in found.items():
        if scores not in own:
            whose = f"{scores.run}, finished {scores.trained}"
            refuse(DataError(f"holds what another training scored ({whose}); score this run", path=path))
    return own


def scores_in(folder: Path, refuse: Refuse = raised, pattern: str = "*.json") -> dict[Path, LaterScores]:
    """Those in a folder, in the order of their names; none where there is no such folder."""
    found = {}
    for path in sorted(folder.glob(pattern)):
        try:
            found[path] = read_later_scores(path)
        except DataError as error:
            refuse(error)
    return found


def of_run(record: Record, scores: Iterable[LaterScores]) -> list[LaterScores]:
    """Those among them of this very run."""
    own = (str(record), record.data.provenance.finished, record.data_hash)
    return [one for one in scores if (one.run, one.trained, one.data) == own]


def with_more(record: Record, metrics: Iterable[Mapping[str, MetricOfRun]]) -> Record:
    """The record with metrics more, in memory alone; of one metric the rules of all."""
    more: dict[str, MetricOfRun] = {}
    for found in metrics:
        for name, metric in found.items():
            rules = {**more[name].scores, **metric.scores} if name in more else metric.scores
            more[name] = msgspec.structs.replace(metric, scores=rules)
    if not more:
        return record
    return replace(record, data=msgspec.structs.replace(record.data, metrics={**record.data.metrics, **more}))


def scored_later(name: str) -> str | None:
    """What a mean of `as_metrics` is of: "nll" of `corruptions_scaled_nll`; None: `name` is none."""
    for start in (f"corruptions_{SCALED}_", "corruptions_", f"{SCALED}_"):
        if name.startswith(start):
            return name.removeprefix(start)
    return None


def as_metrics(data: LaterScores) -> Mapping[str, MetricOfRun]:
    """The means over all corruptions, `corruptions_accuracy`, and with a temperature `corruptions_scaled_nll`
    and, of the images as they are, `scaled_nll`; by the rule `last`, or `val_selected` for the best weights.

    Of a part of the corruptions there are no means.
    """
    rule = data.rule
    found: dict[str, MetricOfRun] = {}

    def add(name: str, kind: ScoreKind, after: str, value: float | None) -> None:
        found[name] = MetricOfRun(
            title=f"{kind.title} {after}",
            unit=kind.unit,
            higher_is_better=kind.higher_is_better,
            scores={rule: value},
            computed="later",
        )

    for name, kind in data.metrics.items() if data.whole else ():
        if data.conditions:
            add(f"{data.on}_{name}", kind, f"under {data.on}", data.mean(name))
        if name in data.clean.scaled:
            add(f"{SCALED}_{name}", kind, "after temperature scaling", data.clean.scaled[name])
            if data.conditions:
                after = f"under {data.on}, after temperature scaling"
                add(f"{data.on}_{SCALED}_{name}", kind, after, data.mean(name, scaled=True))
    return found
