"""Which values of a config define the run: those that differ from the default of their class."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from lpa3bench.config.bindings import RUN
from lpa3bench.config.names import WEAK_VIEW, Catalogue
from lpa3bench.config.typecheck import Mismatch, Parameter, fit, literal
from lpa3bench.plugin import renames

WITHOUT_A_SAY = ("settings", "setting", "metrics")
"""Parameters of `run` that change nothing that is trained: a setting is what it sets."""


def identity_config(values: Mapping[str, str], catalogue: Catalogue) -> dict[str, str]:
    """The values that an identity holds, by the first name that each parameter had.

    So neither a new parameter with a default nor a new name for one makes another run. What only measures,
    metrics and their parameters, is left out. What it returned may be given to it again.

    Args:
        values: texts as gin writes them, by name: `{"run.task": "@tasks.PES()", "positives/LPA3.margin":
            "0.02"}`, all that were in force or fewer. Names may be former ones; what no plugin here knows is
            kept as it is.
        catalogue: the plugins; those that are named are imported.

    Raises:
        PluginError: one of them cannot be imported.
    """
    found = {}
    for name, text in values.items():
        scope, slash, own = name.rpartition("/")
        owner, _, parameter = own.rpartition(".")
        entry = catalogue.registry.get(owner)
        if (owner == RUN and parameter in WITHOUT_A_SAY) or (entry and entry.kind == "metrics"):
            continue
        if entry is not None:
            parameter = renames.current(entry, parameter)
        known = catalogue.parameters(_target(owner, catalogue)) if entry or owner in (RUN, WEAK_VIEW) else {}
        if parameter in known and _is_default(text, known[parameter], catalogue):
            continue
        if entry is not None:
            parameter = renames.first(entry, parameter)
        found[f"{scope}{slash}{owner}.{parameter}"] = text
    return dict(sorted(found.items()))


def _target(owner: str, catalogue: Catalogue) -> str:
    entry = catalogue.registry.get(owner)
    return owner if entry is None else f"{entry.kind}.{owner}"


def _is_default(text: str, parameter: Parameter, catalogue: Catalogue) -> bool:
    if parameter.required:
        return False
    written = literal(parameter.default)
    if written is None:  # then its text is its `repr`, which no binding has
        return not _is_written_in_gin(text)
    try:  # what is bound is put into the form that the annotation asks for
        fitted = literal(fit(parameter.default, parameter.annotation, catalogue.class_of))
    except Mismatch:
        fitted = written
    return text in (written, fitted)


def _is_written_in_gin(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return "@" in text
    return True
