"""`published.toml`: every published number once, as it was printed, with its source and its rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec

from lpa3bench.boards.board import Published
from lpa3bench.boards.toml_text import TomlPlace, read_toml
from lpa3bench.boards.typed_toml import Key, Title, doubled, no_such, parse_toml, unreadable
from lpa3bench.runtime.paths import shipped

PUBLISHED_NAME = "published.toml"
PERCENT = 100

_QUOTE = re.compile(r"\{([\w.-]+: [^{}]+)\}")

Printed = Annotated[str, msgspec.Meta(pattern=r"^\d{1,3}(\.\d+)?( ± \d{1,3}(\.\d+)?)?\Z")]
"""A mean in per cent, alone or with its deviation: `87.1`, `94.89 ± 0.12`. Text, as 87.1 is not 87.10."""


class PublishedSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A paper, or a page of its authors."""

    key: Key
    name: Title


class PublishedRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one source says of one method, in each of its settings."""

    key: Key
    source: Key
    place: str = ""
    """Where in the source."""
    metric: str
    """Which of a record's scores it is to be set beside; "unknown" where the source does not tell, "none"
    where it is another quantity than any of them."""
    n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Runs behind each number; None: the source does not tell."""
    note: str = ""
    values: Annotated[dict[Key, Printed], msgspec.Meta(min_length=1)]
    """By column."""


class _PublishedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: tuple[PublishedSource, ...] = ()
    rows: tuple[PublishedRow, ...] = ()


PublishedRows = Mapping[str, Mapping[str, Published]]
"""By a row's key, then by column."""


def load_published(path: Path) -> PublishedRows:
    """All that stands in the file.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong; one line that opens with its path.
    """
    source = read_toml(path)
    file = parse_toml(source, _PublishedFile)
    if wrong := next(_nonsense(file), None):
        raise source.error(*wrong)
    names = {one.key: one.name for one in file.sources}
    return {row.key: _claims(row, names[row.source]) for row in file.rows}


def _nonsense(file: _PublishedFile) -> Iterator[tuple[TomlPlace, str]]:
    """What is well-formed and means nothing: where it stands, and in a few words what it is."""
    sources = [source.key for source in file.sources]
    keys = [row.key for row in file.rows]
    yield from doubled(("sources",), sources, ("key",))
    yield from doubled(("rows",), keys, ("key",))
    for index, row in enumerate(file.rows):
        place: TomlPlace = ("rows", index)
        if row.source not in sources:
            yield (*place, "source"), f"rows {row.key}: source: {no_such(row.source, sources)}"
        means = {column: float(printed.partition(" ± ")[0]) for column, printed in row.values.items()}
        are_shares = all(mean <= 1 for mean in means.values())
        for column, mean in means.items() if row.metric != "none" else ():
            if mean > PERCENT:
                yield (*place, "values", column), f"rows {row.key}: {column}: more than 100 per cent"
            if mean < 1 or are_shares:
                told = (
                    f"{row.values[column]} looks like a share; write it in per cent, as {mean * PERCENT:.4g}"
                )
                yield (*place, "values", column), f"rows {row.key}: {column}: {told}"
        shown = {"place": row.place, "note": row.note}
        yield from unreadable(place, f"rows {row.key}: ", shown)
    for index, source in enumerate(file.sources):
        yield from unreadable(("sources", index), f"sources {source.key}: ", {"name": source.name})


def _claims(row: PublishedRow, source: str) -> dict[str, Published]:
    whole = f"{source}, {row.place}" if row.place else source
    return {column: _claim(row, whole, printed) for column, printed in row.values.items()}


def published_for(folder: Path) -> PublishedRows:
    """What a board in that folder can refer to: the rows of a `published.toml` in it, of one beside it and
    of the shipped one; where two have one key, the nearer holds.

    Raises:
        ConfigError: as `load_published`.
    """
    places = (shipped("leaderboards"), folder.resolve().parent, folder)
    files = {path.resolve(): path for place in places if (path := place / PUBLISHED_NAME).is_file()}
    return {key: row for path in files.values() for key, row in load_published(path).items()}


def quote(rows: PublishedRows, reference: str, between: str = ", ") -> str:
    """The numbers that are meant by `KEY: COLUMN …`, as they were printed, in the order of the file.

    Args:
        reference: a row's key, and columns, with shell wildcards: `lpa3.table2.pes: cifar10_*`.

    Raises:
        ValueError: there is no such row, or nothing in it is meant.
    """
    key, _, patterns = reference.partition(": ")
    if key not in rows:
        raise ValueError(f"published numbers: {no_such(key, rows)}")
    found = [
        claim.printed
        for column, claim in rows[key].items()
        if any(fnmatchcase(column, pattern) for pattern in patterns.split())
    ]
    if not found:
        raise ValueError(f"published numbers: {key}: {no_such(patterns, rows[key])}")
    return between.join(found)


def with_quotes(text: str, rows: PublishedRows) -> str:
    """The text with the numbers for each `{KEY: COLUMN …}`; other braces stay.

    Raises:
        ValueError: as `quote`.
    """
    return _QUOTE.sub(lambda found: quote(rows, found[1]), text)


def _claim(row: PublishedRow, source: str, printed: str) -> Published:
    mean, _, std = printed.partition(" ± ")
    return Published(
        mean=_share(mean),
        std=_share(std) if std else None,
        n=row.n,
        source=source,
        metric=row.metric,
        note=row.note.strip(),
        printed=printed,
    )


def _share(percent: str) -> float:
    return round(float(percent) / PERCENT, 8)
