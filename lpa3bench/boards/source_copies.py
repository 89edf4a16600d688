"""The source of plugins that were given as files, kept beside a board's records: `results/plugins/`.

A record names the copies of its run, `plugins/<digest>-<stem>/<stem>.py`. They come as they are: a folder
of who wrote them stands there if the plugin says it, as the digest is that of its text.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import REPLICATIONS
from lpa3bench.boards.results import results_of
from lpa3bench.records import Record
from lpa3bench.runtime.files import Writer

FOLDER = "plugins"


def copies_to_take(definition: Definition, records: Iterable[Record]) -> dict[Path, Writer]:
    """What writes the copies that these records name below the board's records, by path; what is not there is
    passed over.

    Args:
        records: as they were offered, in a run directory or on another board.
    """
    results = results_of(definition).resolve()
    found: dict[Path, Writer] = {}
    for record in records:
        home = record.path.parent
        home = home.parent if home.name == REPLICATIONS else home
        for name in _named(record):
            if (source := home.resolve() / FOLDER / name) != results / FOLDER / name:
                found |= _copy(source, results / FOLDER / name)
    return found


def drop_copies(definition: Definition, records: Iterable[Record]) -> None:
    """Remove the copies that none of these records names."""
    kept = {name for record in records for name in _named(record)}
    for home in (results_of(definition) / FOLDER).glob("*"):
        if home.name not in kept:
            shutil.rmtree(home, ignore_errors=True)


def _named(record: Record) -> list[str]:
    """The folders of its copies; what a record calls otherwise lies elsewhere, and is nobody's copy."""
    places = [PurePosixPath(place).parts for place in record.data.provenance.plugin_files.values()]
    return [parts[1] for parts in places if len(parts) == 3 and parts[0] == FOLDER and ".." not in parts]


def _copy(source: Path, target: Path) -> dict[Path, Writer]:
    """Of the Python files alone, and no link."""
    return {
        target / file.relative_to(source): partial(Path.write_bytes, data=file.read_bytes())
        for file in sorted(source.rglob("*.py"))
        if file.is_file() and file.resolve() == source / file.relative_to(source)
    }
