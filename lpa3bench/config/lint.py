"""What can be wrong with single lines of a config, whichever of them a setting chooses.

Each check yields errors instead of raising them, so that `lpa3bench check` can name all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lpa3bench.config.bindings import (
    MACRO,
    RUN,
    SETTINGS,
    SLOTS,
    Binding,
    Macro,
    Scopes,
    kind,
    leaves,
    references,
    short,
)
from lpa3bench.config.names import RUN_KINDS, Catalogue
from lpa3bench.config.typecheck import Mismatch, advice, fit_value
from lpa3bench.errors import BenchError, ConfigError, PluginError

_NEVER_IN_SLOTS = ("tasks", "datasets", "labels", "metrics", "policies")
"""Kinds of which a slot cannot hold anything, so that a slot in front of a parameter is a mistake."""


def scope_errors(
    bindings: Sequence[Binding], scopes: Scopes, *, overlay: bool = False
) -> Iterator[ConfigError]:
    """Scopes that mean nothing, and those that stand where they must not.

    An `overlay` by itself cannot tell what its scopes mean: the settings are in the config it goes over.
    """
    carried = {s for b in bindings for leaf in leaves(b.value) for s in _carried(leaf)}
    known = {*scopes.settings, *scopes.augmenters, *SLOTS, *carried}
    for binding in bindings:
        for scope in binding.scopes:
            if scope not in known and not overlay:
                hint = advice(scope, {*scopes.settings, *SLOTS, *carried, *scopes.augmenters}, "scopes")
                yield binding.origin.error(
                    f"{scope} is no setting, augmenter or slot, and no reference carries it; {hint}"
                )
        for reference in references(binding.value):
            for scope in sorted(scopes.split(reference.scopes)[0]):
                what = "a setting" if scope in scopes.settings else "an augmenter"
                yield binding.origin.error(f"{scope} is the name of {what}; give {reference} another scope")
        yield from _misplaced(binding, scopes)


def _carried(leaf: object) -> tuple[str, ...]:
    """Scopes that a reference or a macro carries."""
    if isinstance(leaf, Macro):
        return tuple(leaf.name.split("/")[:-1])
    return tuple(s for reference in references(leaf) for s in reference.scopes)


def _misplaced(binding: Binding, scopes: Scopes) -> Iterator[ConfigError]:
    selecting, kept = scopes.split(binding.scopes)
    settings = sorted(selecting & scopes.settings)
    if len(settings) > 1:
        yield binding.origin.error(f"{binding}: {' and '.join(settings)} are never chosen together")
    no_slot = binding.target == RUN or kind(binding.target) in _NEVER_IN_SLOTS
    if no_slot and any(scope in SLOTS for scope in kept):
        yield binding.origin.error(
            f"{binding}: {short(binding.target)} is in no slot; take the slot's name away"
        )
    if binding.target != RUN:
        return
    if binding.parameter in SETTINGS and binding.scopes:
        yield binding.origin.error(f"{binding}: the settings cannot depend on what is chosen")
    if binding.parameter in SLOTS and (by := sorted(selecting - scopes.settings)):
        yield binding.origin.error(f"{binding}: what a slot holds cannot depend on an augmenter ({by[0]}/)")


def macro_errors(bindings: Sequence[Binding], scopes: Scopes) -> Iterator[ConfigError]:
    """Macros that no line defines, whatever is chosen."""
    defined = {scopes.macro_name(binding) for binding in bindings if binding.target == MACRO}
    for binding in bindings:
        for leaf in leaves(binding.value):
            if isinstance(leaf, Macro) and leaf.name not in defined:
                yield binding.origin.error(
                    f"%{leaf.name} is not defined; {advice(leaf.name, defined, 'macros')}"
                )


def name_errors(bindings: Iterable[Binding], catalogue: Catalogue) -> Iterator[ConfigError]:
    """Parameters that `run` lacks, and plugins of the wrong kind in those it has. Imports no plugin."""
    for binding in bindings:
        if binding.target != RUN:
            continue
        try:
            catalogue.check_name(RUN, binding.parameter, binding.origin)
        except ConfigError as error:
            yield error
        wanted = RUN_KINDS.get(binding.parameter)
        for reference in references(binding.value) if wanted else ():
            if kind(reference.target) != wanted:
                names = ", ".join(entry.name for entry in catalogue.registry.kind(str(wanted)))
                got = kind(reference.target) or "no plugin"
                yield binding.origin.error(
                    f"{binding} takes one of {wanted} ({names}); {short(reference.target)} is one of {got}"
                )


def value_errors(bindings: Iterable[Binding], catalogue: Catalogue) -> Iterator[BenchError]:
    """Parameters that a class lacks, values that do not fit, and plugins that cannot be imported."""
    for binding in bindings:
        if binding.target == MACRO:
            continue
        try:
            check_value(binding, catalogue)
        except (ConfigError, PluginError) as error:
            yield error


def check_value(binding: Binding, catalogue: Catalogue) -> None:
    """Raises ConfigError where there is no such parameter or the value, if it has no macros, does not fit."""
    catalogue.check_name(binding.target, binding.parameter, binding.origin)
    if any(isinstance(leaf, Macro) for leaf in leaves(binding.value)):
        return
    annotation = catalogue.parameters(binding.target)[binding.parameter].annotation
    try:
        fit_value(binding.value, annotation, catalogue.class_of)
    except Mismatch as reason:
        raise binding.origin.error(f"{binding} {reason}") from None
