"""What a config adds up to: the setting that is chosen, every value with its origin, and what lies dormant.

This knows the classes of the plugins (for defaults and types) but builds no object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lpa3bench.bindings import RUN, SETTINGS, SLOTS, Binding, Layer, Origin, Scopes, qualified, short
from lpa3bench.catalogue import Catalogue
from lpa3bench.errors import ConfigError
from lpa3bench.resolution import Node, Tree, dormant, resolve
from lpa3bench.typecheck import Mismatch, advice, fit, literal

DEFAULT = "default"


@dataclass(frozen=True)
class Value:
    """One parameter of one object of the experiment."""

    name: str
    """As a user writes it: `LPA3.margin`, or `positives/LPA3.margin` for the LPA3 of that slot."""
    text: str
    """As gin writes it."""
    origin: str
    """`file:line`, `-p`, `--setting` or `default`."""
    line: str | None
    """The whole binding with its full name; None where gin cannot write the value, a default in code."""


@dataclass(frozen=True)
class Dormant:
    """A line that has no say in this experiment."""

    name: str
    origin: str
    reason: str


@dataclass(frozen=True)
class Change:
    """A parameter that an overlay or `-p` changed from what the first file says."""

    name: str
    published: str | None
    """None: the first file has no such parameter, or does not bind it."""
    text: str
    origin: str


@dataclass(frozen=True)
class Choice:
    """The settings that a config offers, and the chosen one."""

    offered: tuple[str, ...]
    chosen: str | None


def choose_setting(layers: Sequence[Layer], augmenters: frozenset[str], whole: Origin) -> Choice:
    """Read `run.settings` and `run.setting`. `whole` stands for the config as a whole.

    Raises:
        ConfigError: a setting is unknown or missing, or its name would also mean something else.
    """
    last = {b.parameter: b for layer in layers for b in layer.bindings if b.target == RUN and not b.scopes}
    offered: tuple[str, ...] = _plain(last.get("settings"), tuple[str, ...]) or ()
    chosen: str | None = _plain(last.get("setting"), str | None)
    place = last["settings"].origin if "settings" in last else whole
    for name in offered:
        if not name.isidentifier():
            raise place.error(f"{name!r} cannot be a setting: it is no name")
        if name in SLOTS or name in augmenters:
            what = "a slot" if name in SLOTS else "an augmenter"
            raise place.error(f"{name} cannot be a setting: it is the name of {what}")
    if chosen is None:
        if offered:
            raise place.error(f"choose a setting by --setting or run.setting: {', '.join(offered)}")
    elif chosen not in offered:
        origin = last["setting"].origin
        text = f"there is no setting {chosen}; {advice(chosen, offered, 'settings')}"
        raise (origin if origin.brief != "--setting" else place).error(text)
    return Choice(offered, chosen)


def _plain(binding: Binding | None, annotation: Any) -> Any:
    """The binding's value, which has to be written out."""
    if binding is None:
        return None
    try:
        return fit(binding.value, annotation, lambda _: object)
    except Mismatch as reason:
        raise binding.origin.error(f"{binding} {reason}") from None


def values(tree: Tree, choice: Choice, catalogue: Catalogue, *, lenient: bool = False) -> list[Value]:
    """Every parameter of every object that can be reached from `run`, defaults included.

    `run.settings` keeps the chosen one alone: whatever the others said is no longer in these values.
    `lenient` leaves out what should be bound and is not.

    Raises:
        ConfigError: a value does not fit, or one without a default is not bound.
        PluginError: a plugin cannot be imported.
    """
    return [v for node in tree.nodes.values() for v in _of_node(node, choice, catalogue, lenient)]


def _of_node(node: Node, choice: Choice, catalogue: Catalogue, lenient: bool) -> Iterator[Value]:
    for name, parameter in catalogue.parameters(node.target).items():
        shown = qualified(node.scope, node.target, name)
        if name in node.bound:
            bound = node.bound[name]
            origin = bound.origin.brief
            try:
                value = fit(bound.value, parameter.annotation, catalogue.class_of)
            except Mismatch as reason:
                raise bound.origin.error(f"{shown} {reason}") from None
        elif parameter.required and lenient:
            continue
        elif parameter.required:
            raise node.origin.error(_missing(node.target, name))
        else:
            value, origin = parameter.default, DEFAULT
        if (node.target, name) == (RUN, "settings"):
            value = () if choice.chosen is None else (choice.chosen,)
        text = literal(value)
        line = None if text is None else f"{'/'.join((*node.scope, node.target))}.{name} = {text}"
        yield Value(shown, repr(value) if text is None else text, origin, line)


def _missing(target: str, name: str) -> str:
    if (target, name) == (RUN, "task"):
        return "run.task is not bound: an overlay goes after a whole config, as in `run A.gin overlay.gin`"
    return f"{short(target)} needs {name}; bind {short(target)}.{name}"


def check_slots(tree: Tree, catalogue: Catalogue) -> None:
    """Raises ConfigError where something is bound in a slot that the task lacks."""
    task = tree.run.bound["task"].value
    slots = getattr(catalogue.class_of(task), "slots", ())
    for slot in tree.slots():
        if slot not in slots:
            has = ", ".join(slots) if slots else "none"
            raise tree.run.bound[slot].origin.error(
                f"{short(task.target)} has no slot {slot}; its slots: {has}. Bind run.{slot} = None"
            )


def check_params_used(layers: Sequence[Layer], tree: Tree, scopes: Scopes) -> None:
    """Raises ConfigError for a `-p` that nothing uses. One that a later `-p` overrides is no mistake."""
    idle = {binding.origin: reason for binding, reason in dormant(_bindings(layers), tree, scopes)}
    for layer in layers:
        for binding in layer.bindings:
            if binding.origin.is_param and binding.origin in idle:
                raise binding.origin.error(f"nothing uses it: {idle[binding.origin]}")


def lying_dormant(layers: Sequence[Layer], tree: Tree, scopes: Scopes) -> list[Dormant]:
    """The lines that have no say, in the order they were read."""
    return [Dormant(str(b), b.origin.brief, why) for b, why in dormant(_bindings(layers), tree, scopes)]


def changes(
    found: Sequence[Value],
    layers: Sequence[Layer],
    choice: Choice,
    scopes: Scopes,
    catalogue: Catalogue,
    whole: Origin,
) -> list[Change]:
    """What later layers bind otherwise than the first file does for the same setting and slots."""
    published = [layer if layer.published else _slots_only(layer) for layer in layers]
    try:
        tree, _ = resolve(published, scopes, choice.chosen, whole)
        before = {value.name: value.text for value in values(tree, choice, catalogue, lenient=True)}
    except ConfigError:  # a macro comes from an overlay: there is no published experiment
        before = {}
    later = {b.origin.brief for layer in layers if not layer.published for b in layer.bindings}
    own = {f"{RUN}.{name}" for name in (*SETTINGS, *SLOTS)}
    return [
        Change(value.name, before.get(value.name), value.text, value.origin)
        for value in found
        if value.origin in later and value.name not in own and before.get(value.name) != value.text
    ]


def _slots_only(layer: Layer) -> Layer:
    kept = (b for b in layer.bindings if b.target == RUN and b.parameter in SLOTS)
    return replace(layer, bindings=tuple(kept))


def _bindings(layers: Sequence[Layer]) -> list[Binding]:
    return [binding for layer in layers for binding in layer.bindings]
