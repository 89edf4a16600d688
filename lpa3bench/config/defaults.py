"""Which values of a config define the run: those that differ from the default of their class."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from lpa3bench.config.bindings import RUN
from lpa3bench.config.names import WEAK_VIEW, Catalogue
from lpa3bench.config.typecheck import Mismatch, Parameter, fit_value, literal
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
        known = _parameter(owner, parameter, catalogue)
        if known is None or not _is_default(text, known, catalogue):
            first = parameter if entry is None else renames.first(entry, renames.current(entry, parameter))
            found[f"{scope}{slash}{owner}.{first}"] = text
    return dict(sorted(found.items()))


def recorded_config(values: Mapping[str, str], catalogue: Catalogue) -> dict[str, str]:
    """The values that a record holds: all but those that are younger than records and at their defaults.

    Args:
        values, catalogue: as in `identity_config`.
    """
    return {name: text for name, text in values.items() if not _is_as_before(name, text, catalogue)}


def _is_as_before(name: str, text: str, catalogue: Catalogue) -> bool:
    owner, _, parameter = name.rpartition("/")[2].rpartition(".")
    entry = catalogue.registry.get(owner)
    known = _parameter(owner, parameter, catalogue)
    if known is None or (entry is None and owner != RUN):
        return False
    added = getattr(catalogue.load(f"{entry.kind}.{owner}" if entry else RUN), "added", ())
    return parameter in added and _is_default(text, known, catalogue)


def default_text(name: str, catalogue: Catalogue) -> str:
    """What a value that an identity does not hold is, for people: "0.02, the default".

    Args:
        name: as in `identity_config`.
    """
    owner, _, parameter = name.rpartition("/")[2].rpartition(".")
    known = _parameter(owner, parameter, catalogue)
    if known is None or known.required:
        return "not bound"
    return f"{literal(known.default) or repr(known.default)}, the default"


def _parameter(owner: str, parameter: str, catalogue: Catalogue) -> Parameter | None:
    """The parameter of that name, or that once had it; None: nobody here has it."""
    entry = catalogue.registry.get(owner)
    if entry is not None:
        return catalogue.parameters(f"{entry.kind}.{owner}").get(renames.current(entry, parameter))
    return catalogue.parameters(owner).get(parameter) if owner in (RUN, WEAK_VIEW) else None


def _is_default(text: str, parameter: Parameter, catalogue: Catalogue) -> bool:
    if parameter.required:
        return False
    written = literal(parameter.default)
    if written is None:  # then its text is its `repr`, which no binding has
        return not _is_written_in_gin(text)
    try:  # what is bound is put into the form that the annotation asks for
        fitted = literal(fit_value(parameter.default, parameter.annotation, catalogue.class_of))
    except Mismatch:
        fitted = written
    return text in (written, fitted)


def _is_written_in_gin(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return "@" in text
    return True
