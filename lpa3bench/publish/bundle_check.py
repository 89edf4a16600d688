"""Whether a bundle holds together: its pages are those of its records, and its runs come out again."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lpa3bench._version import __version__
from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.results import stored
from lpa3bench.boards.source_copies import FOLDER
from lpa3bench.config import load_config
from lpa3bench.errors import BenchError, DataError, RenamedWarning, UsageError, shortened
from lpa3bench.plugin.registry import load_registry
from lpa3bench.plugin.renames import current_names
from lpa3bench.publish.board_bundle import BOARDS, CONFIGS, MANIFEST, BundleManifest, built_pages, config_name
from lpa3bench.records import Record
from lpa3bench.records.summary import column
from lpa3bench.runtime.sealed_files import open_whole
from lpa3bench.training.identity import differences

if TYPE_CHECKING:
    from lpa3bench.config import Config

MOST_IN_BUNDLE = 2**30
"""Bytes of all members together that are worth unpacking."""
MOST_FILES = 2**15


@dataclass(frozen=True)
class Rerun:
    """A run that was trained again."""

    run: str
    agrees: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class BundleCheck:
    """What was found."""

    manifest: BundleManifest
    records: int
    pages: tuple[str, ...]
    """Files that are not what their records build here."""
    configs: tuple[str, ...]
    """Experiments that would be other ones here, each with the reason."""
    untrusted: int
    """Experiments that were not looked at, because they run plugin files that the bundle brings."""
    reruns: tuple[Rerun, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing is amiss; an experiment that would be another one here is no fault of the file."""
        return not self.pages and all(rerun.agrees for rerun in self.reruns)


def check_bundle(
    path: Path, *, data: Path, rerun: int = 0, device: str = "auto", run_plugins: bool = False
) -> BundleCheck:
    """Read every record, build the board again, and compare; then train some runs again.

    Args:
        path: a file that `write_bundle` has written.
        data: the data folder, for the runs.
        rerun: how many runs to train again, those that took the fewest passes first.
        device: where.
        run_plugins: import plugin files that the bundle brings: they are code of whoever made it.

    Raises:
        DataError: it is no bundle, or damaged, or a data set is missing.
        UsageError: there are not so many runs without such files.
        ConfigError, PluginError: the experiment of a rerun cannot be built here.
    """
    with _unpacked(path) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RenamedWarning)  # older names are what records are full of
        manifest = _manifest(path, folder)
        home = folder / BOARDS / manifest.board
        definition = load_definition(home, current_names(load_registry()))
        records = stored(definition)
        _look_for_gaps(path, folder, manifest, records)
        built = built_pages(definition, records)
        pages = [name for name, text in built.items() if _held(home / name) != text.encode()]
        trusted = [record for record in records if run_plugins or not _plugin_files(record)]
        if len(trusted) < rerun:
            raise UsageError(
                f"{path}: {len(trusted)} of its runs use no plugin files; --run-plugins runs the others too, "
                "with code that the bundle brings"
            )
        every = {config_name(record) for record in records}
        first = {config_name(record): record for record in trusted}
        others = [f"{name}: {why}" for name in sorted(first) if (why := _other(first[name], folder))]
        others = [other.replace(f"{folder}/", "") for other in others]
        chosen = sorted(trusted, key=lambda record: (record.passes, record.file_name))[:rerun]
        reruns = [_train_again(record, folder, data=data, device=device) for record in chosen]
    return BundleCheck(
        manifest=manifest,
        records=len(records),
        pages=tuple(pages),
        configs=tuple(others),
        untrusted=len(every - first.keys()),
        reruns=tuple(reruns),
    )


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lpa3bench-") as folder:
        try:
            with open_whole(path) as file, zipfile.ZipFile(file) as archive:
                if sum(member.file_size for member in archive.infolist()) > MOST_IN_BUNDLE:
                    raise DataError(f"unpacks to more than {MOST_IN_BUNDLE // 2**20} MiB", path=path)
                if len(archive.infolist()) > MOST_FILES:
                    raise DataError(f"holds more than {MOST_FILES} files", path=path)
                archive.extractall(folder)  # leaves no member outside
        except FileNotFoundError as error:
            raise DataError("there is no such file", path=path) from error
        try:
            yield Path(folder)
        except BenchError as error:  # the folder is gone when the message is read
            error.args = (str(error).replace(f"{folder}/", f"{path}: "),)
            raise


def _manifest(path: Path, folder: Path) -> BundleManifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=BundleManifest)
    except (OSError, ValueError) as error:
        raise DataError(f"is no bundle ({error})", path=path) from error
    if manifest.board not in {file.parent.name for file in (folder / BOARDS).glob("*/board.toml")}:
        raise DataError(f"is no bundle (it has no board called {shortened(manifest.board)!r})", path=path)
    return manifest


def _look_for_gaps(path: Path, folder: Path, manifest: BundleManifest, records: Sequence[Record]) -> None:
    """Raises DataError where something is missing that the rest speaks of."""
    if len(records) != manifest.records:
        raise DataError(f"damaged (it says {manifest.records} records, and holds {len(records)})", path=path)
    for name in sorted({config_name(record) for record in records}):
        if not (folder / CONFIGS / name).is_file():
            raise DataError(f"damaged ({CONFIGS}/{name} is missing)", path=path)


def _held(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def page_advice(manifest: BundleManifest) -> str:
    """Why pages may differ, to be read after their names."""
    if manifest.lpa3bench == __version__:
        return "they were edited, or a record was"
    return f"they were built by lpa3bench {manifest.lpa3bench}, and this is {__version__}"


# --------------------------------------------------------------------------------------------------- runs
def _config(record: Record, folder: Path) -> Config:
    """Of its experiment, with the copies of plugin files that it was made with."""
    registry = load_registry(tuple(_plugin_files(record)))
    return load_config((folder / CONFIGS / config_name(record),), registry=registry)


def _plugin_files(record: Record) -> list[Path]:
    results = record.path.parent
    places = sorted({*record.data.provenance.plugin_files.values()})
    copies = [results / place for place in places if Path(place).parts[0] == FOLDER and ".." not in place]
    return [copy for copy in copies if copy.is_file()]


def _other(record: Record, folder: Path) -> str | None:
    """Why the experiment would be another one here."""
    from lpa3bench.training.identity import identity

    held = record.data.identity
    try:
        config = _config(record, folder)
        values = config.identity_config_of(held.config)
        now = identity(config=config.identity_config, plugins=config.plugins, data_hash=held.data)
    except BenchError as error:
        return str(error)
    before = msgspec.structs.replace(held, config=values, labels=None, limit=None)
    return "; ".join(differences(before, now)) or None


def _train_again(record: Record, folder: Path, *, data: Path, device: str) -> Rerun:
    from lpa3bench.training.job import Job
    from lpa3bench.training.loop import run

    job = Job(config=_config(record, folder), seed=record.seed, device=device, data=data, out=folder / "runs")
    again = run(job).record
    assert again is not None
    if changed := differences(record.data.identity, again.data.identity):
        return Rerun(str(record), False, f"is another run here: {'; '.join(changed)}")
    if again.surroundings == record.surroundings and record.surroundings[1] is not None:
        same = _numbers(record) == _numbers(again)
        told = "the same bits" if same else f"not the same bits: {_apart(record, again)}"
        return Rerun(str(record), same, told)
    return Rerun(str(record), True, f"in other surroundings, so in other bits: {_apart(record, again)}")


def _numbers(record: Record) -> tuple[object, ...]:
    """What two runs in the same surroundings agree in."""
    names = sorted(name for name, metric in record.metrics.items() if metric.computed == "run")
    return record.data.correct, [[*record.column(column("test", name))] for name in names], record.passes


def _apart(record: Record, again: Record) -> str:
    """How far the two are apart, by the selecting metric."""
    key = f"{record.data.select}.last"
    return f"{key} {record.score(key)} in the bundle, {again.score(key)} here"
