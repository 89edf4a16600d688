"""From bindings to the objects of an experiment: everything that can be reached from `run`.

This needs bindings only, no class and no constructor: what a config adds up to is known before anything is
imported or built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lpa3bench.config.bindings import (
    MACRO,
    RUN,
    SLOTS,
    Binding,
    GinReference,
    Layer,
    Macro,
    Origin,
    Scope,
    Scopes,
    Table,
    kind,
    layered,
    mapped,
    references,
    short,
)
from lpa3bench.config.typecheck import advice

DEEPEST_TREE = 50
"""Objects within objects, and macros within macros."""
MOST_MACROS = 1000
"""Times that a macro is put in. Macros that double each other reach any number in a few lines."""


@dataclass(frozen=True)
class Bound:
    """A parameter's value with macros put in."""

    value: Any
    """Literals and `Reference`, each with the scope its object stands in."""
    origin: Origin


@dataclass(frozen=True)
class Node:
    """An object of the experiment: a plugin in a scope. The same plugin in another scope is another one."""

    scope: Scope
    target: str
    origin: Origin
    """Of the reference that first asked for it."""
    bound: dict[str, Bound] = field(default_factory=dict)


class Tree:
    """Everything that can be reached from `run`."""

    def __init__(self, table: Table, origin: Origin) -> None:
        """Walk it. `origin` stands for the config as a whole.

        Raises:
            ConfigError: a macro is not defined or an object refers to itself.
        """
        self.nodes: dict[tuple[Scope, str], Node] = {}
        self.macros: set[str] = set()
        """Those that are used."""
        self._put_in = 0
        self._table = table
        self._visit((), RUN, origin, ())

    @property
    def run(self) -> Node:
        """The root."""
        return self.nodes[(), RUN]

    def augmenters(self) -> frozenset[str]:
        """Lower-case names of the augmenters, in whatever slot or inside whatever other."""
        return frozenset(
            short(n.target).lower() for n in self.nodes.values() if kind(n.target) == "augmenters"
        )

    def slots(self) -> dict[str, GinReference]:
        """What is bound in the slots."""
        values = {slot: self.run.bound[slot].value for slot in SLOTS if slot in self.run.bound}
        return {slot: value for slot, value in values.items() if isinstance(value, GinReference)}

    def _visit(self, scope: Scope, target: str, origin: Origin, above: Sequence[tuple[Scope, str]]) -> None:
        if (scope, target) in above:
            raise origin.error(f"{short(target)} refers to itself")
        if (scope, target) in self.nodes:
            return
        if len(above) > DEEPEST_TREE:
            raise origin.error(f"{short(target)}: objects within objects more than {DEEPEST_TREE} deep")
        node = self.nodes[scope, target] = Node(scope, target, origin)
        for parameter, binding in self._table.lookup(target, scope).items():
            value, place = self._expanded(binding, ())
            # An object stands in the scope of its reference, else in the slot, else where its owner stands.
            around = (parameter,) if target == RUN and parameter in SLOTS else scope
            value = mapped(value, partial(_placed, scope=around))
            node.bound[parameter] = Bound(value, place)
            for reference in references(value):
                self._visit(reference.scopes, reference.target, place, (*above, (scope, target)))

    def _expanded(self, binding: Binding, above: tuple[str, ...]) -> tuple[Any, Origin]:
        """The binding's value without macros. One that is a macro as a whole comes from the macro's line."""
        if isinstance(binding.value, Macro):
            return self._macro(binding.value.name, binding.origin, above)

        def expand(leaf: Any) -> Any:
            return self._macro(leaf.name, binding.origin, above)[0] if isinstance(leaf, Macro) else leaf

        return mapped(binding.value, expand), binding.origin

    def _macro(self, name: str, user: Origin, above: tuple[str, ...]) -> tuple[Any, Origin]:
        macros = self._table.lookup(MACRO, ())
        if name in above:
            raise user.error(f"%{name} refers to itself")
        if len(above) > DEEPEST_TREE:
            raise user.error(f"%{name}: macros within macros more than {DEEPEST_TREE} deep")
        if name not in macros:
            raise user.error(f"%{name} is not defined; {advice(name, macros, 'macros')}")
        self.macros.add(name)
        self._put_in += 1
        if self._put_in > MOST_MACROS:
            raise user.error(f"%{name}: macros are put in more than {MOST_MACROS} times")
        return self._expanded(macros[name], (*above, name))


def _placed(leaf: Any, scope: Scope) -> Any:
    return replace(leaf, scopes=scope) if isinstance(leaf, GinReference) and not leaf.scopes else leaf


@dataclass(frozen=True)
class Resolved:
    """A config with everything chosen."""

    layers: tuple[Layer, ...]
    setting: str | None
    scopes: Scopes
    tree: Tree

    @property
    def bindings(self) -> list[Binding]:
        """Those of all layers."""
        return [binding for layer in self.layers for binding in layer.bindings]

    def dormant(self) -> list[tuple[Binding, str]]:
        """The bindings that have no say, each with the reason.

        A line that another one overrides is not among them.
        """
        found = ((binding, self._idle(binding)) for binding in self.bindings)
        return [(binding, reason) for binding, reason in found if reason]

    def _idle(self, binding: Binding) -> str | None:
        """Why a binding has no say."""
        selecting, kept = self.scopes.split(binding.scopes)
        if missing := sorted(selecting - self.scopes.chosen):
            why = "is not chosen" if missing[0] in self.scopes.settings else "is in no slot"
            return f"{missing[0]} {why}"
        if binding.target == MACRO:
            name = self.scopes.macro_name(binding)
            return None if name in self.tree.macros else f"nothing uses %{name}"
        nodes = [node for node in self.tree.nodes.values() if node.target == binding.target]
        if any(node.scope[: len(kept)] == kept for node in nodes):
            return None
        return f"{short(binding.target)} is not bound{' in ' + '/'.join(kept) if nodes else ''}"


def resolve(layers: Sequence[Layer], scopes: Scopes, setting: str | None, origin: Origin) -> Resolved:
    """The config with this setting. `origin` stands for the config as a whole.

    Which augmenters are bound chooses their scopes, and lines under those scopes may bring other augmenters
    in (inside Compose), so this goes on until nothing changes.

    Raises:
        ConfigError: as `Tree`; or nothing comes to rest, because augmenters bring each other in and out.
    """
    own = frozenset() if setting is None else frozenset({setting})
    bound: frozenset[str] = frozenset()
    seen: set[frozenset[str]] = set()
    while bound not in seen:
        seen.add(bound)
        scopes = replace(scopes, chosen=own | bound)
        tree = Tree(layered(layers, scopes), origin)
        if tree.augmenters() == bound:
            return Resolved(tuple(layers), setting, scopes, tree)
        bound = tree.augmenters()
    names = ", ".join(sorted(bound | seen.pop()))
    raise origin.error(f"lines scoped by {names} bring these augmenters in and out for ever")
