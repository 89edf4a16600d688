"""SUITE_OR_RUNS...: the records of whole folders, or those that suite files list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import Verb
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError, UsageError
from lpa3bench.runtime.paths import resolve_config

if TYPE_CHECKING:
    from lpa3bench.records import Record


def from_option(function: Verb) -> Verb:
    """`--from DIR`, repeatable: `folders`, a tuple of paths, as `records_of` takes it."""
    return click.option(
        "--from",
        "folders",
        type=click.Path(path_type=Path),
        metavar="DIR",
        multiple=True,
        help="Where the runs of a suite are looked for. Repeatable. [default: runs]",
    )(function)


def records_of(sources: Sequence[str], folders: Sequence[Path], plugins: tuple[Path, ...]) -> list[Record]:
    """Records of run directories, folders of them and files, and those that suite files list; each once.

    Args:
        sources: SUITE_OR_RUNS... of the command line.
        folders: where the runs of suites are looked for; none: `runs`.

    Raises:
        UsageError: `folders` without a suite, or a file that is none.
        DataError: a suite has no run there.
    """
    from lpa3bench.records import read_records

    places = [Path(text) for text in sources if _is_place(text)]
    suites = [resolve_config(text) for text in sources if not _is_place(text)]
    if folders and not suites:
        raise UsageError("--from goes with a suite file; name folders of runs as they are")
    found = read_records(places)
    if suites:
        within = read_records(folders or (Path("runs"),))
        for suite in suites:
            found += _of_suite(suite, within, plugins)
    return [*{id(record): record for record in found}.values()]


def _is_place(text: str) -> bool:
    """Whether it is a folder or a record, and no gin file."""
    path = Path(text)
    return path.is_dir() or path.suffix == ".json"


def _of_suite(path: Path, records: Sequence[Record], plugins: tuple[Path, ...]) -> list[Record]:
    """The records whose config and seed the suite lists."""
    from lpa3bench.plugin.registry import load_registry as load_plugins
    from lpa3bench.suites import is_suite, read_suite

    if not is_suite(path):
        raise UsageError(f"{path}: is no suite file; give one, or the folders of runs")
    suite = read_suite(path)
    registry = load_plugins(plugins).with_files(suite.plugins)
    wanted = []
    for cell in suite.cells:
        config = suite.complete(cell, registry).load(registry)
        wanted.append({**config.recorded})
    found = [r for r in records if r.config in wanted and r.seed in suite.seeds]
    expected = len(suite.cells) * len(suite.seeds)
    if not found:
        raise DataError(
            f"{path}: none of its {expected} runs is there; run the suite first, or give --from DIR"
        )
    if len(found) < expected:
        say(f"{path.name}: {len(found)} of {expected} runs are there", err=True)
    return found
