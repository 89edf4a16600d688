"""Copies of the source of plugins that were given as files, kept with what was made with them.

`plugins/<digest>-<stem>/` holds the file under its own name, and the modules below its folder that it runs,
at the same places. The digest is the one that stands in the identity of the runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lpa3bench.errors import RunFailed
from lpa3bench.plugin.code import code_of, written_source
from lpa3bench.plugin.registry import Entry
from lpa3bench.runtime.files import write_atomically

COPIES_FOLDER = "plugins"


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
