"""What a config adds up to: the setting that is chosen, every value with its origin, and what lies dormant.

This knows the classes of the plugins (for defaults and types) but builds no object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lpa3bench.config.bindings import (
    MACRO,
    RUN,
    SETTINGS,
    SLOTS,
    Binding,
    Layer,
    Macro,
    Origin,
    Scope,
    kind,
    leaves,
    qualified,
    short,
)
from lpa3bench.config.names import Catalogue
from lpa3bench.config.resolution import Node, Resolved, resolve
from lpa3bench.config.typecheck import Mismatch, advice, fit_value, literal
from lpa3bench.errors import ConfigError

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
    scoring: bool = False
    """Whether it only says what a run is scored by (`run.metrics`, and what metrics take): it changes no
    number of the run."""


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


def offered_settings(layers: Sequence[Layer], augmenters: frozenset[str]) -> tuple[str, ...]:
    """Read `run.settings`.

    Raises:
        ConfigError: it is no tuple of names, or a name would also mean something else.
    """
    binding = _last(layers, "settings")
    if binding is None:
        return ()
    offered: tuple[str, ...] = plain_value(binding, tuple[str, ...])
    for name in offered:
        if not name.isidentifier():
            raise binding.origin.error(f"{name!r} cannot be a setting: it is no name")
        if name in SLOTS or name in augmenters:
            what = "a slot" if name in SLOTS else "an augmenter"
            raise binding.origin.error(f"{name} cannot be a setting: it is the name of {what}")
    return offered


def choose_setting(layers: Sequence[Layer], offered: tuple[str, ...], whole: Origin) -> str | None:
    """Read `run.setting`. `whole` stands for the config as a whole.

    Raises:
        ConfigError: it is none of those offered, or there is none.
    """
    settings, setting = _last(layers, "settings"), _last(layers, "setting")
    place = settings.origin if settings else whole
    chosen: str | None = plain_value(setting, str | None) if setting else None
    if chosen is None and offered:
        raise place.error(f"choose a setting by --setting or run.setting: {', '.join(offered)}")
    if setting and chosen is not None and chosen not in offered:
        text = f"there is no setting {chosen}; {advice(chosen, offered, 'settings')}"
        raise (place if setting.origin.brief == "--setting" else setting.origin).error(text)
    return chosen


def _last(layers: Sequence[Layer], parameter: str) -> Binding | None:
    """The binding of a parameter of `run` that wins where nothing is chosen yet."""
    found = [b for b in _bindings(layers) if (b.target, b.parameter, b.scopes) == (RUN, parameter, ())]
    return found[-1] if found else None


def plain_value(binding: Binding, annotation: Any) -> Any:
    """The binding's value in the form that the annotation asks for.

    Raises:
        ConfigError: it does not fit, or is not written out.
    """
    if any(isinstance(leaf, Macro) for leaf in leaves(binding.value)):
        raise binding.origin.error(f"{binding} must be written out, without macros")
    try:
        return fit_value(binding.value, annotation, lambda _: object)
    except Mismatch as reason:
        raise binding.origin.error(f"{binding} {reason}") from None


def values(resolved: Resolved, catalogue: Catalogue, *, lenient: bool = False) -> list[Value]:
    """Every parameter of every object that can be reached from `run`, defaults included.

    `run.settings` keeps the chosen one alone: whatever the others said is no longer in these values.
    `lenient` leaves out what should be bound and is not.

    Raises:
        ConfigError: a value does not fit, or one without a default is not bound.
        PluginError: a plugin cannot be imported.
    """
    nodes = sorted(resolved.tree.nodes.values(), key=lambda node: kind(node.target) == "metrics")  # last
    found = [v for node in nodes for v in _of_node(node, catalogue, lenient)]
    chosen = () if resolved.setting is None else (resolved.setting,)
    return [
        _value(RUN, (), "settings", chosen, f"{v.origin}, the chosen one" if chosen else v.origin)
        if v.name == "run.settings"
        else v
        for v in found
    ]


def _of_node(node: Node, catalogue: Catalogue, lenient: bool) -> Iterator[Value]:
    for name, parameter in catalogue.parameters(node.target).items():
        if name in node.bound:
            bound = node.bound[name]
            try:
                value = fit_value(bound.value, parameter.annotation, catalogue.class_of)
            except Mismatch as reason:
                shown = qualified(node.scope, node.target, name)
                raise bound.origin.error(f"{shown} {reason}") from None
            yield _value(node.target, node.scope, name, value, bound.origin.brief)
        elif not parameter.required:
            yield _value(node.target, node.scope, name, parameter.default, DEFAULT)
        elif not lenient:
            raise node.origin.error(_missing(node.target, name))


def _value(target: str, scope: Scope, name: str, value: Any, origin: str) -> Value:
    text = literal(value)
    line = None if text is None else f"{'/'.join((*scope, target))}.{name} = {text}"
    scoring = (target, name) == (RUN, "metrics") or kind(target) == "metrics"
    return Value(qualified(scope, target, name), repr(value) if text is None else text, origin, line, scoring)


def _missing(target: str, name: str) -> str:
    if (target, name) == (RUN, "task"):
        return "run.task is not bound: an overlay goes after a whole config, as in `run A.gin overlay.gin`"
    return f"{short(target)} needs {name}; bind {short(target)}.{name}"


def check_slots(resolved: Resolved, catalogue: Catalogue) -> None:
    """Raises ConfigError where something is bound in a slot that the task lacks."""
    run = resolved.tree.run
    task = run.bound["task"].value
    slots = getattr(catalogue.class_of(task), "slots", ())
    for slot in resolved.tree.slots():
        if slot not in slots:
            has = f"it has {', '.join(slots)}" if slots else "it has none"
            raise run.bound[slot].origin.error(f"{short(task.target)} has no slot {slot}; {has}")


def check_params_used(resolved: Resolved, catalogue: Catalogue) -> None:
    """Raises ConfigError for a `-p` that nothing uses, and for an overlay of which nothing is used. One that
    a later one overrides is no mistake, nor is what waits for a setting that is not chosen."""
    dormant = dict(resolved.dormant())
    for binding, reason in dormant.items():
        if binding.origin.is_param:
            raise binding.origin.error(f"nothing uses it: {reason}{_owned(binding, resolved, catalogue)}")
    overlays: dict[Path, list[Binding]] = defaultdict(list)
    for layer in resolved.layers:
        if layer.given is not None and not layer.published:
            overlays[layer.given] += layer.bindings
    for bindings in overlays.values():
        reasons = [dormant.get(binding) for binding in bindings]
        waiting = any(not resolved.scopes.settings.isdisjoint(binding.scopes) for binding in bindings)
        if reasons and all(reasons) and not waiting:
            raise bindings[0].origin.error(f"nothing in this overlay is used: {reasons[0]}; leave it out")


def _owned(macro: Binding, resolved: Resolved, catalogue: Catalogue) -> str:
    """Whose parameter a name without an owner, which is read as a macro's, may be meant to be."""
    if macro.target != MACRO:
        return ""
    targets = {node.target for node in resolved.tree.nodes.values()}
    name = macro.parameter
    meant = sorted(f"{short(target)}.{name}" for target in targets if name in catalogue.names(target))
    return f"; did you mean {' or '.join(meant)}?" if meant else ""


def lying_dormant(resolved: Resolved) -> list[Dormant]:
    """The lines that have no say, in the order they were read."""
    return [Dormant(str(binding), binding.origin.brief, why) for binding, why in resolved.dormant()]


def config_changes(found: Sequence[Value], resolved: Resolved, catalogue: Catalogue) -> list[Change]:
    """What later layers bind otherwise than the first file does for the same setting and slots.

    What a run is scored by is no change: it is the same run.
    """
    published = [layer if layer.published else _slots_only(layer) for layer in resolved.layers]
    try:
        first = resolve(published, resolved.scopes, resolved.setting, resolved.tree.run.origin)
        before = {value.name: value.text for value in values(first, catalogue, lenient=True)}
    except ConfigError:  # a macro comes from an overlay: there is no published experiment
        before = {}
    later = {b.origin.brief for layer in resolved.layers if not layer.published for b in layer.bindings}
    own = {f"{RUN}.{name}" for name in (*SETTINGS, *SLOTS)}
    return [
        Change(value.name, before.get(value.name), value.text, value.origin)
        for value in found
        if value.origin in later
        and value.name not in own
        and not value.scoring
        and before.get(value.name) != value.text
    ]


def _slots_only(layer: Layer) -> Layer:
    kept = (b for b in layer.bindings if b.target == RUN and b.parameter in SLOTS)
    return replace(layer, bindings=tuple(kept))


def _bindings(layers: Sequence[Layer]) -> list[Binding]:
    return [binding for layer in layers for binding in layer.bindings]
