"""Copies of the source of plugins that were given as files, kept with what was made with them.

`plugins/<digest>-<stem>/` holds the file under its own name, and the modules below its folder that it runs,
at the same places. The digest is the one that stands in the identity of the runs.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from lpa3bench.errors import CopyWarning, PluginError, RunFailed
from lpa3bench.plugin.code import code_of, written_source
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.runtime.files import read_at_most, write_atomically

COPIES_FOLDER = "plugins"
LARGEST_BEGINNING = 16 * 2**20
"""Bytes of an `env.json` that is worth reading."""


class _Provenance(msgspec.Struct):
    plugin_files: dict[str, str] = {}
    """By plugin, the place of its copy in the run directory."""


class _Beginning(msgspec.Struct):
    """What is read here of the `env.json` of a run."""

    provenance: _Provenance


@dataclass(frozen=True)
class SourceCopy:
    """The source of a plugin that was given as a file, and of what it runs beside that file."""

    digest: str
    main: str
    """The file's name."""
    contents: dict[str, bytes]
    """By path below the file's folder."""

    @property
    def place(self) -> str:
        """Where the copy lies in a run directory, or in a folder of records."""
        return f"{COPIES_FOLDER}/{self.digest}-{Path(self.main).stem}/{self.main}"

    def write(self, folder: Path) -> Path:
        """Lay it down below the folder.

        Returns:
            The copy of the file itself, as `--plugin` takes it.

        Raises:
            RunFailed: the disk refused it.
        """
        main = folder / self.place
        for path, content in self.contents.items():
            file = main.parent / path
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunFailed(f"{file.parent}: cannot be made ({error.strerror})") from error
            write_atomically(file, partial(Path.write_bytes, data=content))
        return main


def plugin_sources(entries: Iterable[Entry]) -> dict[str, SourceCopy]:
    """The sources of those plugins that were given as files, or defined in a notebook, by name.

    Raises:
        PluginError: one of them cannot be imported.
    """
    found = {}
    for entry in entries:
        if entry.file is not None:
            code, home = code_of(entry), entry.file.parent
            files = [file for file in code.files.values() if file.is_relative_to(home)]
            contents = {file.relative_to(home).as_posix(): file.read_bytes() for file in files}
            found[entry.name] = SourceCopy(code.digest, entry.file.name, contents)
        elif not entry.is_ours and (text := written_source(entry)) is not None:
            main = f"{entry.name}.py"
            found[entry.name] = SourceCopy(code_of(entry).digest, main, {main: text.encode()})
    return found


def find_copy(digest: str, folders: Iterable[Path]) -> Path | None:
    """The copy of that digest in one of these run directories or folders of records; None: there is none."""
    for folder in folders:
        for home in sorted((folder / COPIES_FOLDER).glob(f"{digest}-*")):
            main = home / f"{home.name.removeprefix(f'{digest}-')}.py"
            if main.is_file():
                return main
    return None


def copy_of_run(plugin: str, folder: Path) -> Path | None:
    """The copy that a run directory names as the file of the plugin; None: it names none, or is none."""
    try:
        began = msgspec.json.decode(read_at_most(folder / "env.json", LARGEST_BEGINNING), type=_Beginning)
    except (OSError, ValueError, RecursionError):
        return None
    parts = PurePosixPath(began.provenance.plugin_files.get(plugin, "")).parts
    if len(parts) != 3 or parts[0] != COPIES_FOLDER or ".." in parts:
        return None
    copy = folder.joinpath(*parts)
    return copy if copy.is_file() else None


def with_copy(registry: Registry, plugin: str, copy: Path) -> Registry:
    """The registry with the plugin from the copy that its run kept, which is run for it.

    Raises:
        PluginError: the copy brings no such plugin, or is not what the run was trained by.
    """
    home = str(copy.parent.resolve())
    if home not in sys.path:
        sys.path.insert(0, home)  # the modules beside it were found when the run began, wherever they lay
    found = registry.with_files([copy])
    entry = found.get(plugin)
    broken = next((b.error for b in found.broken if b.distribution == str(copy)), None)
    if entry is None:
        raise PluginError(f"{copy}: {broken or f'registers no {plugin}'}")
    if code_of(entry).digest != copy.parent.name.partition("-")[0]:
        raise PluginError(f"{copy}: it, or a module that it runs, is not what the run was trained by")
    warnings.warn(f"{plugin} is taken from the run's copy, {copy}", CopyWarning, stacklevel=2)
    return found


def copies_that_name(plugin: str, folder: Path) -> list[Path]:
    """The copies in a run directory, or in a folder of records, in which a plugin's name stands."""
    word = re.compile(rf"\b{re.escape(plugin)}\b")
    homes = [home for home in sorted((folder / COPIES_FOLDER).glob("*-*")) if home.is_dir()]
    mains = [home / f"{home.name.partition('-')[2]}.py" for home in homes]
    return [
        main
        for home, main in zip(homes, mains, strict=True)
        if main.is_file() and any(word.search(_text(file)) for file in home.rglob("*.py"))
    ]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
