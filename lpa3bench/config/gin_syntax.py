"""Files and options as layers of bindings, with every name given in full.

What is wrong is collected, not raised, so that all of it can be told at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lpa3bench.config.bindings import (
    MACRO,
    PLUGINS,
    RUN,
    Binding,
    GinReference,
    Layer,
    Origin,
    mapped,
    repeated_bindings,
)
from lpa3bench.config.default_metrics import in_todays_words
from lpa3bench.config.names import Catalogue
from lpa3bench.config.typecheck import nearest
from lpa3bench.errors import CONTROL_SIGNS, BenchError, ConfigError, printable, shortened
from lpa3bench.runtime.paths import called, gin_root


@dataclass(frozen=True)
class Include:
    """`include 'base/pes.gin'`"""

    name: str
    origin: Origin


@dataclass(frozen=True)
class Import:
    """`import …`, which gin would run."""

    origin: Origin


Statement = Binding | Include | Import
Parse = Callable[[str, Callable[[int], Origin]], Iterator[Statement]]
"""From a text and the place of each of its lines to statements, with names as they were written."""


def text_of(path: Path) -> str:
    """What the file holds, without the mark that some editors put in front.

    Raises:
        ConfigError: it cannot be read, or is no text of a reasonable size.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Origin(called(path), 1).error(f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise Origin(called(path), 1).error(f"cannot be read: it is larger than {LARGEST_FILE // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Origin(called(path), 1).error("cannot be read: it is not UTF-8 text") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_control_signs(text: str, place: Callable[[int], Origin]) -> None:
    """Raises ConfigError where a line holds one: it would be obeyed wherever the line is shown."""
    if sign := CONTROL_SIGNS.search(text):
        code = ord(sign[0])
        escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
        line = text.count("\n", 0, sign.start()) + 1
        raise place(line).error(f"holds the control sign U+{code:04X}; a string can have it as '{escape}'")


def plugin_files(binding: Binding, folder: Path) -> list[Path]:
    """The files that `run.plugins` or `suite.plugins` names.

    Args:
        folder: that the paths start from.

    Raises:
        ConfigError: it is no list of paths, or one of them is not there.
    """
    value = [binding.value] if isinstance(binding.value, str) else binding.value
    texts = value if isinstance(value, list | tuple) else [None]
    if binding.scopes:
        raise binding.origin.error(f"{binding}: which plugins there are cannot depend on what is chosen")
    if not all(isinstance(text, str) and text for text in texts):
        raise binding.origin.error(f'{binding} must be a list of Python files, as in ["mine.py"]')
    files = [folder / str(text) for text in texts]
    for file in files:
        if not file.is_file():
            where = f"{folder}/" if str(folder) != "." else "the working folder"
            raise binding.origin.error(f"{binding}: there is no {file}; a path starts from {where}")
    return files


LARGEST_FILE = 2**20
"""Bytes of a gin file."""
DEEPEST_INCLUDE = 20


class Reader:
    """Makes layers of files and options."""

    def __init__(self, catalogue: Catalogue, parse: Parse) -> None:
        self.catalogue = catalogue
        self.layers: list[Layer] = []
        self.errors: list[BenchError] = []
        self._parse = parse
        self._open: list[Path] = []
        self._done: set[Path] = set()

    @property
    def bindings(self) -> list[Binding]:
        """Those of all layers."""
        return [binding for layer in self.layers for binding in layer.bindings]

    def file(self, path: Path, *, published: bool) -> None:
        """Add a file, after those that it includes. One that was included before is not read again."""
        self._open.append(path.resolve())
        place = partial(Origin, called(path))
        bindings: list[Binding] = []
        statements: list[Statement] = []
        text, failed = "", None
        try:
            text = text_of(path)
            statements.extend(self._parse(text, place))
        except ConfigError as error:
            failed = error
        for statement in self._without_plugins(statements, path.parent):
            match statement:
                case Binding():
                    self._bind(statement, bindings)
                case Include(name, origin):
                    self._include(path, name, origin, published)
                case Import(origin):
                    self.errors.append(origin.error("import is refused; plugins are known by name"))
        self.errors += [failed] if failed else []
        self.errors.extend(repeated_bindings(bindings))
        self.layers.append(Layer(tuple(bindings), called(path), text, published, self._open[0]))
        self._done.add(self._open.pop())

    def param(self, text: str) -> None:
        """Add a `-p`."""
        origin = Origin(f"-p '{shortened(' '.join(text.split()))}'")
        bindings: list[Binding] = []
        try:
            match [*self._parse(text, lambda _: origin)]:
                case [Binding() as binding]:
                    for other in self._without_plugins([binding], Path()):
                        self._bind(other, bindings)
                case _:
                    self.errors.append(origin.error("must be one binding, as in LPA3.margin=0.02"))
        except ConfigError as error:
            self.errors.append(error)
        self.layers.append(Layer(tuple(bindings), "-p", text))

    def setting(self, name: str) -> None:
        """Add a `--setting`."""
        binding = Binding((), RUN, "setting", name, Origin(f"--setting {shortened(printable(name))}"))
        self.layers.append(Layer((binding,), "--setting", f"run.setting = {name!r}"))

    def _without_plugins(self, statements: Sequence[Statement], folder: Path) -> list[Any]:
        """The statements but `run.plugins`; what that names is known from now on."""
        found = [
            s for s in statements if isinstance(s, Binding) and (s.target, s.parameter) == (RUN, PLUGINS)
        ]
        self.errors.extend(repeated_bindings(found))
        for binding in found:
            try:
                self.catalogue.add_files(plugin_files(binding, folder))
            except BenchError as error:
                self.errors.append(error)
        return [s for s in statements if s not in found]

    def _bind(self, raw: Binding, bindings: list[Binding]) -> None:
        """Add a binding with all names in full."""

        def in_full(leaf: Any) -> Any:
            if isinstance(leaf, GinReference):
                return replace(leaf, target=self.catalogue.target(leaf.target, raw.origin))
            return leaf

        try:
            target, parameter = MACRO, raw.parameter
            if raw.target != MACRO:
                target = self.catalogue.target(raw.target, raw.origin)
                parameter = self.catalogue.current(target, parameter, raw.origin)
            value = mapped(raw.value, in_full)
            found = replace(raw, target=target, parameter=parameter, value=value)
            bindings.append(in_todays_words(found))
        except BenchError as error:
            self.errors.append(error)

    def _include(self, path: Path, name: str, origin: Origin, published: bool) -> None:
        root = next((p for p in path.absolute().parents if (p / "base").is_dir()), gin_root())
        target = root / name
        folders = (root, path.parent, Path())
        if target.suffix != ".gin" or not any(_lies_in(target, folder) for folder in folders):
            self.errors.append(
                origin.error(
                    f"include of {shortened(name)!r} is refused: it takes .gin files in {root}, in the "
                    "folder of the file that includes them, or in the working folder"
                )
            )
        elif not target.is_file():
            near = nearest(target.name, [p.name for p in target.parent.glob("*.gin")])
            hint = f"; did you mean {Path(name).parent / near[0]}?" if near else ""
            self.errors.append(origin.error(f"there is no {name} in {root}{hint}"))
        elif target.resolve() in self._open:
            self.errors.append(origin.error(f"{name} includes itself"))
        elif len(self._open) > DEEPEST_INCLUDE:
            self.errors.append(origin.error(f"includes are nested more than {DEEPEST_INCLUDE} deep"))
        elif target.resolve() not in self._done:
            relative = Path(os.path.relpath(target))
            self.file(target if ".." in relative.parts else relative, published=published)


def _lies_in(target: Path, folder: Path) -> bool:
    """Whether it does, once all links are followed."""
    try:
        return target.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a circle of links, a name that no disk takes
        return False
