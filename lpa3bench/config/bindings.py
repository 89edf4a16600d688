"""Bindings as data: where each one comes from, which of them hold, and which wins.

A config is a list of layers, later over earlier: each file (an included one before the file that includes
it), then each `-p`. A scope in front of a binding is a setting (`sym50/`), the lower-case name of an
augmenter (`lpa3/`), a slot (`positives/`), or a name that some reference carries (`@a/augmenters.Cutout()`).
The first two *select*: the line holds only where they are chosen, and they are then taken off. The last two
are *kept*: they say which of several objects of one class is meant, with gin's meaning.

Nothing here knows gin, plugins or torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lpa3bench.errors import ConfigError
from lpa3bench.types import SLOTS as SLOTS

RUN = "run"
"""The experiment itself, the root of everything."""
SUITE = "suite"
"""What a suite file binds, and nothing else does."""
MACRO = "%"
"""The target of `name = value`, a value that others use as `%name`."""
PLUGINS = "plugins"
"""The parameter of `run` and of `suite` that names files with plugins; read before all others, and no part of
what defines a run."""
SETTINGS = ("settings", "setting")
"""The parameters of `run` that name the settings, and so cannot depend on them."""

Scope = tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where something was written: a line of a file, or an option of the command line."""

    source: str
    """The file as the user named it, or the option as it was given: `-p 'LPA3.margin=0.1'`."""
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    @property
    def brief(self) -> str:
        """`gin/a.gin:12`, `-p` or `--setting`."""
        return self.source.partition(" ")[0] if self.line is None else str(self)

    @property
    def is_param(self) -> bool:
        """Whether it is a `-p`."""
        return self.line is None and self.source.startswith("-p ")

    def error(self, text: str) -> ConfigError:
        """The error with this place in front."""
        return ConfigError(f"{self}: {text}")


@dataclass(frozen=True)
class GinReference:
    """`@scope/kind.Name()`, an object of that plugin; without `call` the plugin itself, as a factory."""

    scopes: Scope
    target: str
    call: bool

    def __str__(self) -> str:
        return f"@{'/'.join((*self.scopes, self.target))}{'()' if self.call else ''}"


@dataclass(frozen=True)
class Macro:
    """`%name`"""

    name: str


@dataclass(frozen=True, eq=False)
class Binding:
    """One line: `scopes/target.parameter = value`."""

    scopes: Scope
    target: str
    """`run`, `WeakView`, MACRO, or a plugin with its kind, such as `tasks.PES`."""
    parameter: str
    value: Any
    """Literals, `Reference` and `Macro`, in lists, tuples and dicts."""
    origin: Origin

    def __str__(self) -> str:
        """As a user would write it."""
        return qualified(self.scopes, self.target, self.parameter)


@dataclass(frozen=True)
class Layer:
    """What one file or one option binds."""

    bindings: tuple[Binding, ...]
    heading: str
    text: str
    """As it was written."""
    published: bool = False
    """Whether it belongs to the first file, the one that holds what was published."""
    given: Path | None = None
    """The file on the command line that it is of, or is included by; None of an option."""


def qualified(scopes: Scope, target: str, parameter: str) -> str:
    """The short name of a parameter: `positives/LPA3.margin`."""
    own = parameter if target == MACRO else f"{short(target)}.{parameter}"
    return "/".join((*scopes, own))


def short(target: str) -> str:
    """A target without its kind."""
    return target.rpartition(".")[2]


def kind(target: str) -> str:
    """The kind of a plugin; empty for what is no plugin."""
    return target.rpartition(".")[0]


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of the value with `change` applied to everything in it that is no container."""
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    if isinstance(value, dict):
        return {mapped(key, change): mapped(item, change) for key, item in value.items()}
    return change(value)


def leaves(value: Any) -> Iterator[Any]:
    """Everything in the value that is no container."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def references(value: Any) -> list[GinReference]:
    """All references in the value."""
    return [leaf for leaf in leaves(value) if isinstance(leaf, GinReference)]


@dataclass(frozen=True)
class Scopes:
    """Which scope names select, and which of these are chosen."""

    settings: frozenset[str] = frozenset()
    augmenters: frozenset[str] = frozenset()
    """Lower-case names of all augmenters there are."""
    chosen: frozenset[str] = frozenset()

    def split(self, scopes: Scope) -> tuple[frozenset[str], Scope]:
        """The selecting ones, and the kept ones in order."""
        selecting = frozenset(
            s for s in scopes if s in self.settings or (s in self.augmenters and s not in SLOTS)
        )
        return selecting, tuple(s for s in scopes if s not in selecting)

    def macro_name(self, binding: Binding) -> str:
        """What a macro is called: gin's `%a/b` is a name of its own, and inherits nothing."""
        return "/".join((*self.split(binding.scopes)[1], binding.parameter))


class Table:
    """What holds once all layers lie over each other."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, dict[Scope, Binding]]] = defaultdict(lambda: defaultdict(dict))

    def lay(self, winners: dict[tuple[str, str, Scope], Binding]) -> None:
        """Put a layer over what is there.

        A binding replaces every earlier one of its parameter under the same or a deeper scope, so that
        `-p LPA3.margin=0.1` beats the `positives/LPA3.margin` of a file.
        """
        for target, parameter, scope in winners:
            cell = self._cells[target][parameter]
            for deeper in [other for other in cell if other[: len(scope)] == scope]:
                del cell[deeper]
        for (target, parameter, scope), binding in winners.items():
            self._cells[target][parameter][scope] = binding

    def lookup(self, target: str, scope: Scope) -> dict[str, Binding]:
        """The bindings of an object that stands in `scope`: of each parameter the deepest that covers it."""
        found: dict[str, Binding] = {}
        for parameter, cell in self._cells.get(target, {}).items():
            covering = [other for other in cell if scope[: len(other)] == other]
            if covering:
                found[parameter] = cell[max(covering, key=len)]
        return found


def layered(layers: Iterable[Layer], scopes: Scopes) -> Table:
    """The bindings that hold, by the order plain < scoped < later layers.

    Raises:
        ConfigError: two lines of one layer hold, select by equally many scopes and bind one parameter.
    """
    table = Table()
    for layer in layers:
        table.lay(_winners(layer, scopes))
    return table


def _winners(layer: Layer, scopes: Scopes) -> dict[tuple[str, str, Scope], Binding]:
    """Of each parameter the line of the layer that holds with the most selecting scopes."""
    ranked: dict[tuple[str, str, Scope], list[tuple[int, Binding]]] = defaultdict(list)
    for binding in layer.bindings:
        selecting, kept = scopes.split(binding.scopes)
        if selecting <= scopes.chosen:
            parameter = binding.parameter
            if binding.target == MACRO:
                parameter, kept = scopes.macro_name(binding), ()
            ranked[binding.target, parameter, kept].append((len(selecting), binding))
    winners = {}
    for key, lines in ranked.items():
        most = max(count for count, _ in lines)
        first, *others = [binding for count, binding in lines if count == most]
        if others:
            raise others[0].origin.error(
                f"{others[0]} and {first} ({first.origin}) both hold, and neither goes before the other; "
                f"bind both scopes together: {_together(first, others[0])}"
            )
        winners[key] = first
    return winners


def _together(one: Binding, other: Binding) -> str:
    """The name that would settle a tie."""
    scopes = (*one.scopes, *(s for s in other.scopes if s not in one.scopes))
    return str(replace(one, scopes=scopes))


def repeated_bindings(bindings: Sequence[Binding]) -> Iterator[ConfigError]:
    """The bindings of one file that were made before in it; `a/b/` and `b/a/` are the same."""
    first: dict[tuple[tuple[str, ...], str, str], Binding] = {}
    for binding in bindings:
        key = (tuple(sorted(binding.scopes)), binding.target, binding.parameter)
        other = first.setdefault(key, binding)
        if other is not binding:
            yield binding.origin.error(f"{binding} is bound twice, first in line {other.origin.line}")
