"""Records in files: read and checked, found, and written. Nothing that comes later trusts a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from os.path import realpath
from pathlib import Path

import msgspec

from lpa3bench.errors import DataError
from lpa3bench.records.bits import count
from lpa3bench.records.limits import DEEPEST, LARGEST_NUMBER, first_uncountable, in_one_short_line, too_deep
from lpa3bench.records.private_paths import without_folders
from lpa3bench.records.record import Record
from lpa3bench.records.schema import SCHEMA_VERSION, RecordData, digest_of
from lpa3bench.records.searches import BOARD_RECORDS
from lpa3bench.records.summary import RULES, MetricKind, column, is_scored, summarise_curve
from lpa3bench.records.version1 import from_version_1
from lpa3bench.runtime.files import read_at_most, write_text

LARGEST = 32 * 2**20
"""Bytes of a file that is worth reading: a record of 10,000 epochs has a few million."""
SHA256 = re.compile("[0-9a-f]{64}")


def read_record(path: Path, current: Callable[[str], str] = str) -> Record:
    """Read and check one record, of this schema or an older one.

    Beside its form, what it holds must hold together: its digest, its identity's hash, the numbers of its
    metrics as the curve gives them, and the packed bits as the classes count them. What today's code would
    have recorded and the record does not is not missed.

    Args:
        current: what a parameter is called now, by which `Record.config` has it.

    Raises:
        DataError: it cannot be read, or is no record, or contradicts itself.
    """
    try:
        text = read_at_most(path, LARGEST)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except ValueError as error:
        raise DataError(f"is no record: {error}", path=path) from error
    try:
        return Record(parse_record(text), path, current)
    except ValueError as error:
        raise DataError(in_one_short_line(str(error)), path=path) from error


def parse_record(text: bytes) -> RecordData:
    """The record in a file's content.

    Raises:
        ValueError: it is none, or contradicts itself, in a few words.
    """
    try:
        data = _decoded(text)
        problem = _contradiction(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "no record" if isinstance(error, msgspec.ValidationError) else "no JSON"
        raise ValueError(f"is {what}: {error}") from error
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ValueError(f"contradicts itself: {problem}")
    return data


class _Versioned(msgspec.Struct):
    schema_version: int


_DECODER, _VERSION_DECODER = msgspec.json.Decoder(RecordData), msgspec.json.Decoder(_Versioned)


def _decoded(text: bytes) -> RecordData:
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError:
        version = _VERSION_DECODER.decode(text).schema_version
        if version == 1:
            return from_version_1(msgspec.json.decode(text))
        if version > SCHEMA_VERSION:
            known = f"this lpa3bench reads up to {SCHEMA_VERSION}: install a newer one"
            raise msgspec.ValidationError(f"schema_version is {version}, and {known}") from None
        raise


def record_text(data: RecordData) -> str:
    """A record's file: a line for each of its parts."""
    parts = msgspec.to_builtins(data)
    lines = (
        f"{msgspec.json.encode(name).decode()}: {msgspec.json.encode(part).decode()}"
        for name, part in parts.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_record(path: Path, data: RecordData) -> None:
    """Write a record with its digest, all or nothing.

    Raises:
        RunFailed: the disk refused it.
    """
    write_text(path, record_text(signed(data)))


def signed(data: RecordData) -> RecordData:
    """The record with the digest of what it holds."""
    return msgspec.structs.replace(data, digest=digest_of(data))


def anonymous(data: RecordData) -> RecordData:
    """The record without the folders of who ran it, as boards keep it."""
    few = msgspec.structs.replace(data, curve=data.curve[:1])  # numbers, which hold no folder
    named = msgspec.json.decode(msgspec.json.encode(few))
    if (bare := without_folders(named)) == named:
        return data
    return signed(msgspec.structs.replace(msgspec.convert(bare, RecordData), curve=data.curve))


def find_records(places: Iterable[Path]) -> Iterator[Path]:
    """The files of records in these places, each once, in a fixed order.

    A place is a record, a run directory, a folder of run directories (`runs/`) or of records, or a board.

    Raises:
        DataError: a place does not exist.
    """
    seen: set[str] = set()
    for place in places:
        if not place.exists():
            raise DataError(f"{place}: there is no such file or folder")
        if place.is_file():
            files = [place]
        elif (place / "result.json").is_file():
            files = [place / "result.json"]
        else:
            files = _below(place) or _below(place / BOARD_RECORDS)
        for file in files:
            if (whole := realpath(file)) not in seen:  # Path.resolve raises where links lead in a circle
                seen.add(whole)
                yield file


def _below(folder: Path) -> list[Path]:
    """Records in a folder go by the names of their runs; where none does, whatever might be one counts."""
    named = sorted([*folder.glob("*/result.json"), *folder.glob("*-s*.json")])
    is_board = (folder / "board.toml").exists()
    return named if named or is_board else sorted(folder.glob("*.json"))


def read_records(places: Iterable[Path], current: Callable[[str], str] = str) -> list[Record]:
    """Every record of a result in these places, sorted by cell, identity and seed.

    Runs that only served a measurement are left out: they are no evidence.

    Args:
        current: as `read_record` takes it.

    Raises:
        DataError: a place does not exist, or one of the records is damaged.
    """
    records = [read_record(path, current) for path in find_records(places)]
    evidence = [record for record in records if record.is_evidence]
    return sorted(evidence, key=lambda record: (record.name, record.identity, record.seed))


# ------------------------------------------------------------------------------------------------- checking
def _contradiction(data: RecordData) -> str | None:
    """What does not hold together, in a few words."""
    if too_deep((data.labels, data.details)):
        return f"labels or details are nested more than {DEEPEST} deep"
    if data.digest != digest_of(data):
        return "its digest is not that of what it holds: it was edited or damaged"
    if data.identity.recipe == SCHEMA_VERSION and data.cell.identity != data.identity.short:
        return f"cell.identity is {data.cell.identity}, and its parts come to {data.identity.short}"
    if not SHA256.fullmatch(str(data.labels.get("sha256"))):
        return "labels.sha256 is missing or no SHA-256"
    if any({type(row.get(name)) for row in data.curve} - {int, float} for name in ("passes", "seconds")):
        return "a row of the curve has no passes or no seconds"
    scores = (metric.scores for metric in data.metrics.values())
    seconds = {"training_seconds": data.cost.training_seconds, **data.cost.wall_seconds}
    if name := first_uncountable((*data.curve, *scores, seconds)):
        return f"{name} is a number beyond {LARGEST_NUMBER:g}"
    if data.select not in data.metrics:
        return f"it selects by {data.select}, which is none of its metrics"
    return _wrong_scores(data) or _wrong_bits(data)


def _wrong_scores(data: RecordData) -> str | None:
    kinds = {
        name: MetricKind(m.title, m.unit, m.higher_is_better, m.counts, "")
        for name, m in data.metrics.items()
        if m.computed == "run"
    }
    for name in kinds:
        key, epochs = column("test", name), len(data.curve)
        due = [is_scored(epoch, epochs, data.protocol.score_every) for epoch in range(epochs)]
        if [key in row for row in data.curve] != due:
            return f"metrics.{name}: the curve has no column {key} of numbers"
    if data.select not in kinds:
        return f"it selects by {data.select}, which the run did not compute"
    expected = summarise_curve(data.curve, kinds, data.select)
    for name, metric in expected.items():
        recorded: Mapping[str, float | None] = data.metrics[name].scores
        for rule in (rule for rule in RULES if rule in recorded):
            if recorded[rule] != metric.scores[rule]:
                return f"metrics.{name}.{rule} is {recorded[rule]}, and the curve says {metric.scores[rule]}"
    return None


def _wrong_bits(data: RecordData) -> str | None:
    try:
        right = count(data.correct)
    except ValueError as error:
        return str(error)
    names, shares, images = data.per_class.names, data.per_class.shares, data.per_class.images
    if names and len(names) != len(shares):
        return f"per_class names {len(names)} classes and has {len(shares)} shares"
    if images:
        if len(images) != len(shares) or sum(images) != data.correct.n:
            return f"per_class counts {sum(images)} images, and correct {data.correct.n}"
        counted = round(sum((share or 0.0) * n for share, n in zip(shares, images, strict=True)))
        if counted != right:
            return f"{right} of the bits are right, and per_class counts {counted}"
    return None
