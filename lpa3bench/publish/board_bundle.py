"""A board as one file that others can check: its records, what runs each experiment again, and its pages.

A zip archive, the same bytes for the same board and versions:

    bundle.json            what it is, which lpa3bench made it, the versions that its records name
    leaderboards/KEY/      board.toml, results/ with searches, replications and sources of plugin files, and
                           the pages that were built of them; likewise a board whose records KEY shows
    leaderboards/published.toml    the published numbers that a board may refer to
    configs/CELL-IDENTITY.gin      the values of each experiment: `lpa3bench run` takes it
"""

from __future__ import annotations

import platform
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from lpa3bench._version import __version__
from lpa3bench.boards.building import build_board
from lpa3bench.boards.definition import Definition, load_definition
from lpa3bench.boards.joined_scores import with_later_scores
from lpa3bench.boards.published import PUBLISHED_NAME
from lpa3bench.boards.results import results_of, stored
from lpa3bench.boards.selection import SHIPPED
from lpa3bench.errors import DataError
from lpa3bench.plugin.registry import Registry, load_registry
from lpa3bench.plugin.renames import current_names
from lpa3bench.records import Record, searches
from lpa3bench.records.config_text import value_of
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.runtime.files import make_folders, write_atomically
from lpa3bench.runtime.paths import shipped
from lpa3bench.runtime.sealed_files import seal

MANIFEST = "bundle.json"
BOARDS, CONFIGS = "leaderboards", "configs"
_ALWAYS = (1980, 1, 1, 0, 0, 0)
"""When each member was written: an archive tells nothing of today."""


class BundleManifest(msgspec.Struct, frozen=True):
    """`bundle.json`"""

    schema_version: Literal[1]
    board: str
    """Its key: the folder below `leaderboards/`."""
    lpa3bench: str
    """The version that built the pages."""
    python: str
    records: int
    versions: dict[str, list[str]]
    """Of the libraries that the runs used, by name, as their records tell."""
    plugins: dict[str, list[str]]
    """Distribution and version that each plugin came from."""


@dataclass(frozen=True)
class Bundled:
    """What was written."""

    path: Path
    manifest: BundleManifest
    files: int


def board_folder(text: str) -> Path:
    """The folder of a board: a path, or the name of one that comes with the package, `digits`.

    Raises:
        DataError: there is neither.
    """
    path = Path(text)
    if path.is_dir():
        return path
    if (found := shipped(BOARDS) / text.removeprefix(SHIPPED)).is_dir():
        return found
    names = sorted(folder.parent.name for folder in shipped(BOARDS).glob("*/board.toml"))
    raise DataError(f"{text}: there is no such folder, nor a shipped board; these are {', '.join(names)}")


def write_bundle(folder: Path, out: Path, *, plugins: tuple[Path, ...] = ()) -> Bundled:
    """Build the board, and write all that it takes into one file.

    Raises:
        ConfigError, DataError: the board or one of its records is wrong.
        RunFailed: the disk refused it.
    """
    registry = load_registry(plugins)
    definition = load_definition(folder, current_names(registry))
    records = stored(definition)
    if not records:
        raise DataError(f"{folder}: has no records to bundle")
    manifest = _manifest(definition, records)
    members: dict[str, bytes] = {MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=1)}
    members |= _texts(f"{BOARDS}/{definition.key}", built_pages(definition, records))
    members |= _boards(definition)
    members |= _texts(CONFIGS, dict(_configs(records, registry)))
    make_folders([out.parent])
    write_atomically(out, lambda temporary: _archive(temporary, members))
    return Bundled(out, manifest, len(members))


def built_pages(definition: Definition, records: Iterable[Record]) -> dict[str, str]:
    """The board's pages, by file name."""
    behind = searches.by_run(searches.read_searches(results_of(definition)))
    board = build_board(definition, with_later_scores(definition, [*records]), behind)
    return {name: make(board) for name, make in BOARD_FILES.items()}


def _manifest(definition: Definition, records: Iterable[Record]) -> BundleManifest:
    versions: dict[str, set[str]] = defaultdict(set)
    plugins: dict[str, set[str]] = defaultdict(set)
    count = 0
    for record in records:
        count += 1
        for found, told in (
            (versions, record.data.provenance.versions),
            (plugins, record.data.provenance.plugins),
        ):
            for name, version in told.items():
                found[name].add(version)
    return BundleManifest(
        schema_version=1,
        board=definition.key,
        lpa3bench=__version__,
        python=platform.python_version(),
        records=count,
        versions={name: sorted(versions[name]) for name in sorted(versions)},
        plugins={name: sorted(plugins[name]) for name in sorted(plugins)},
    )


def _boards(definition: Definition) -> dict[str, bytes]:
    """The files that boards are built from, as they are."""
    folder = definition.path.resolve().parent
    results = results_of(definition).resolve()
    files = {f"{folder.name}/board.toml": folder / "board.toml"}
    files |= {f"{folder.name}/{PUBLISHED_NAME}": folder / PUBLISHED_NAME}
    files |= {PUBLISHED_NAME: shipped(BOARDS) / PUBLISHED_NAME}
    if (beside := folder.parent / PUBLISHED_NAME).is_file():
        files[PUBLISHED_NAME] = beside
    for file in sorted(results.rglob("*")):
        if file.suffix in (".json", ".py") and file.resolve().is_relative_to(results):
            files[f"{results.parent.name}/{file.relative_to(results.parent).as_posix()}"] = file
    try:
        return {f"{BOARDS}/{name}": file.read_bytes() for name, file in files.items() if file.is_file()}
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=Path(str(error.filename))) from error


def _texts(folder: str, texts: Mapping[str, str]) -> dict[str, bytes]:
    return {f"{folder}/{name}": text.encode() for name, text in texts.items()}


# ------------------------------------------------------------------------------------------------- configs
def config_name(record: Record) -> str:
    """What the config of its experiment is called."""
    return f"{record.name}-{record.identity}.gin"


def _configs(records: Iterable[Record], registry: Registry) -> Iterator[tuple[str, str]]:
    first = {config_name(record): record for record in records}
    yield from ((name, config_of(first[name], registry)) for name in sorted(first))


def config_of(record: Record, registry: Registry) -> str:
    """The values of a record as a gin file, which makes the same experiment. What gin cannot write is a
    default in the code of a plugin."""
    lines = [f"# {record.name}-{record.identity}, from its record"]
    if (setting := record.cell.setting) is not None:
        lines += [f"run.settings = ({setting!r},)", f"run.setting = {setting!r}"]
    if metrics := _metrics(record, registry):
        lines.append(f"run.metrics = [{', '.join(f'@metrics.{name}()' for name in metrics)}]")
    lines += [f"{name} = {text}" for name, text in sorted(record.data.config.items()) if _is_gin(text)]
    return "\n".join(lines) + "\n"


def _is_gin(text: str) -> bool:
    try:
        value_of(text)
    except ValueError:
        return "@" in text
    return True


def _metrics(record: Record, registry: Registry) -> list[str]:
    """The registered names of what the run was scored by, as far as they are here and need no parameter; ()
    where these are the usual ones."""
    from lpa3bench.config.default_metrics import default_metrics

    names = {name for name, metric in record.data.metrics.items() if metric.computed == "run"}
    names |= record.data.details.keys()
    if names == {metric.name for metric in default_metrics()}:
        return []
    found = []
    for entry in registry.kind("metrics"):
        try:
            made = entry.load()()
        except Exception:  # it has parameters that must be given, or is broken
            continue
        if made.name in names:
            found.append(entry.name)
    return found


def _archive(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _ALWAYS), members[name], zipfile.ZIP_DEFLATED)
    seal(path)
