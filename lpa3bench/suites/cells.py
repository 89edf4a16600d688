"""A cell of a suite, written as it is typed after `lpa3bench run`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from getopt import GetoptError, gnu_getopt
from pathlib import Path

from lpa3bench.config import Config, load_config
from lpa3bench.config.bindings import Origin
from lpa3bench.plugin.registry import Registry
from lpa3bench.runtime.paths import resolve_config


@dataclass(frozen=True)
class SuiteCell:
    """Config files, setting and bindings of an experiment, which runs once for each seed."""

    files: tuple[str, ...]
    """As they were written: paths, or names of shipped files."""
    setting: str | None = None
    bindings: tuple[str, ...] = ()
    """The texts of `-p` options."""
    origin: Origin = field(default=Origin("a cell"), compare=False)

    @property
    def words(self) -> tuple[str, ...]:
        """What stands after `lpa3bench run`."""
        setting = () if self.setting is None else ("--setting", self.setting)
        return (*self.files, *setting, *(word for text in self.bindings for word in ("-p", text)))

    def __str__(self) -> str:
        return shlex.join(self.words)

    def preceded_by(self, bindings: Sequence[str]) -> SuiteCell:
        """The cell with these texts of `-p` options before its own, which therefore win."""
        return replace(self, bindings=(*bindings, *self.bindings))

    def load(self, registry: Registry) -> Config:
        """The config of its runs.

        Raises:
            ConfigError, PluginError: as `config.load`; or there is no such file.
        """
        files = [resolve_config(name) for name in self.files]
        return load_config(files, setting=self.setting, bindings=self.bindings, registry=registry)


def bound_name(text: str) -> str:
    """`LPA3.margin` of the `-p` text `LPA3.margin = 0.02`."""
    return text.partition("=")[0].strip()


def _is_other_file(path: Path) -> bool:
    try:
        return path.suffix != ".gin" and path.is_file()
    except OSError:  # a name that is too long for the disk
        return False


def parse_cell(text: str, origin: Origin) -> SuiteCell:
    """A cell from its line: `FILE... [--setting NAME] [-p BINDING]...`, with a shell's quotes.

    Raises:
        ConfigError: it is no such line.
    """
    try:
        options, files = gnu_getopt(shlex.split(text), "p:", ["setting=", "param="])
    except ValueError:
        raise origin.error(f"{text}: a quote is not closed") from None
    except GetoptError as error:
        raise origin.error(f"{text}: {error.msg}; a cell takes FILE..., --setting and -p") from None
    # getopt takes the beginning of a long option for the whole of it, and `run` does not.
    typed = {word.partition("=")[0] for word in shlex.split(text) if word.startswith("--")}
    if strange := sorted(typed - {"--setting", "--param", "--"}):
        raise origin.error(f"{text}: there is no option {strange[0]}; a cell takes FILE..., --setting and -p")
    settings = [value for option, value in options if option == "--setting"]
    if not files:
        raise origin.error(f"{text!r} names no file")
    # As with include, an error would print a line of whatever file a foreign suite names.
    if other := [name for name in files if _is_other_file(Path(name))]:
        raise origin.error(f"{text}: {other[0]} is refused, because its name does not end in .gin")
    if len(settings) > 1:
        raise origin.error(f"{text}: a cell has one setting; write a cell for each")
    bindings = tuple(value for option, value in options if option != "--setting")
    return SuiteCell(tuple(files), settings[0] if settings else None, bindings, origin)
