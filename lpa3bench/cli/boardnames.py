"""Whether what a board's conditions name is there at all: in a record, or else in plugins and gin files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.analysis.stored_metrics import StoredMetrics
from lpa3bench.boards.conditions import FIELDS, NONE, SLOT, Condition, unscoped
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.joined_scores import ERROR
from lpa3bench.boards.measures import is_cost, metric_of
from lpa3bench.boards.toml_text import TomlPlace
from lpa3bench.config.bindings import RUN, SLOTS, Origin, short
from lpa3bench.config.names import RUN_KINDS, WEAK_VIEW, Catalogue
from lpa3bench.config.typecheck import Mismatch, advice, fit_value, nearest, plain_annotation
from lpa3bench.errors import PluginError, with_plugin_hint
from lpa3bench.plugin.annotations import written_annotation
from lpa3bench.records.later_scores import scored_later
from lpa3bench.runtime.paths import gin_root

if TYPE_CHECKING:
    from lpa3bench.plugin.registry import Registry
    from lpa3bench.records import Record


def check_names(definition: Definition, registry: Registry, records: Iterable[Record]) -> None:
    """Names and values as bindings of a gin file are checked.

    Args:
        records: what stands in one of them is known, whatever plugins are installed.

    Raises:
        ConfigError: a name or a value that neither a record has nor a plugin; one line with the place in
            `board.toml` and the nearest one.
    """
    known = _Known(registry, [*records], definition.path.parent)
    known.check_metric(definition.metric, _origin(definition, ("metric",)))
    for metric in definition.also:
        known.check_metric(metric, _origin(definition, ("also",)))
    for place, condition in definition.stated():
        known.check(condition, _origin(definition, place))
    for name in sorted(definition.changed or ()):
        known.check_parameter(name, (), _origin(definition, ("changed",)))


def _origin(definition: Definition, place: TomlPlace) -> Origin:
    return Origin(str(definition.path), definition.source.line(place))


class _Known:
    """What records, plugins and gin files have."""

    def __init__(self, registry: Registry, records: Sequence[Record], folder: Path) -> None:
        self.registry = registry
        self.records = records
        self.folder = folder
        self.catalogue = Catalogue(registry)

    def check(self, condition: Condition, origin: Origin) -> None:
        """Raises ConfigError where nothing is called so, or nothing can have one of these values."""
        name = condition.name
        lacking = [
            value
            for value in condition.values
            if not any(Condition(name, (value,)).holds(record) for record in self.records)
        ]
        if name not in FIELDS and not name.startswith(SLOT):
            self.check_parameter(name, lacking, origin)
            return
        kind = RUN_KINDS.get(name.removeprefix(SLOT))
        for value in lacking:
            if value == NONE:
                continue
            if kind and value not in (names := [entry.name for entry in self.registry.kind(kind)]):
                hint = advice(str(value), names, kind)
                raise origin.error(f"{name}: there is no {value} among {kind} and records; {hint}")
            if name == "setting" and value not in self.settings:
                hint = advice(str(value), self.settings, "settings")
                where = f"no record, no shipped gin file and none in {self.folder} has it"
                raise origin.error(f"setting: there is no {value}: {where}; {hint}")

    def check_metric(self, measure: str, origin: Origin) -> None:
        """Raises ConfigError where no record has that metric and no plugin computes it. Those that
        `lpa3bench score` makes of a metric are known before any run is scored."""
        name = metric_of(measure)
        if name == ERROR:
            return
        name = scored_later(name) or name
        names = {name for record in self.records for name in record.metrics}
        registered = [entry.name for entry in self.registry.kind("metrics")]
        if is_cost(measure) or name in names or name.replace("_", "") in map(str.lower, registered):
            return
        if StoredMetrics(self.registry).metric(name) is None:
            hint = advice(name, names or registered, "metrics")
            raise origin.error(
                with_plugin_hint(f"there is no metric {name} among plugins and records; {hint}")
            )

    def check_parameter(self, name: str, values: Sequence[Any], origin: Origin) -> None:
        """Raises ConfigError where there is no such parameter, or it cannot have one of these values.

        Args:
            name: as a condition names it, with scopes or without.
            values: those that no record has there.
        """
        scope, _, plain = name.rpartition("/")
        named = {key for record in self.records for key in record.config if unscoped(key) == plain}
        scopes = {*SLOTS, *(key.rpartition("/")[0] for key in named)}
        if scope and scope not in scopes and (near := nearest(scope, scopes)):
            raise origin.error(f"{name}: there is no {scope}; did you mean {near[0]}/{plain}?")
        owner, _, parameter = plain.rpartition(".")
        telling = [value for value in values if not _any_may_have(value)]
        if named and (not telling or not self._is_here(owner)):
            return
        try:
            target = self._target(owner, plain, origin)
            if not named and self._written(target, parameter) is None:
                self.catalogue.check_name(target, parameter, origin)
            annotation = self._annotation(target, parameter) if telling else None
        except PluginError:
            return  # it cannot be imported here, so nothing tells
        for value in telling:
            if problem := self._mismatch(value, annotation):
                raise origin.error(f"{name} {problem}")

    def _annotation(self, target: str, parameter: str) -> Any:
        text = self._written(target, parameter)
        plain = None if text is None else plain_annotation(text)
        return self.catalogue.parameters(target)[parameter].annotation if plain is None else plain

    def _written(self, target: str, parameter: str) -> str | None:
        """Its annotation as it stands in the source, which needs no torch; None: that does not tell."""
        entry = self.registry.get(short(target))
        return None if entry is None else written_annotation(entry, parameter)

    def _is_here(self, owner: str) -> bool:
        return owner in (RUN, WEAK_VIEW) or self.registry.get(owner.rpartition(".")[2]) is not None

    def _target(self, owner: str, name: str, origin: Origin) -> str:
        """Raises ConfigError where there is no such plugin; it may have been a slot that was meant."""
        before, _, after = name.partition(".")
        if nearest(before, ["slots"]) and (near := nearest(after, SLOTS)):
            raise origin.error(f"there is no {name}; did you mean {SLOT}{near[0]}?")
        return self.catalogue.target(owner, origin)

    def _mismatch(self, value: Any, annotation: Any) -> str | None:
        """Why a parameter of that type never has a value; as text it may be a tuple."""
        reasons = []
        for meant in _meanings(value):
            try:
                fit_value(meant, annotation, self.catalogue.class_of)
            except Mismatch as reason:
                reasons.append(str(reason))
            else:
                return None
        return reasons[0]

    @cached_property
    def settings(self) -> set[str]:
        """Those of the records, and what the shipped gin files offer and the ones in the board's folder."""
        from lpa3bench.config.gin_syntax import Reader, text_of
        from lpa3bench.config.loading import parse
        from lpa3bench.config.operative import offered_settings

        found = {record.cell.setting for record in self.records if record.cell.setting}
        for path in (*gin_root().rglob("*.gin"), *self.folder.glob("*.gin")):
            if "run.settings" in text_of(path):
                reader = Reader(self.catalogue, parse)
                reader.file(path, published=True)
                found |= {*offered_settings(reader.layers, self.catalogue.augmenters)}
        return found


def _any_may_have(value: Any) -> bool:
    """A reference, or none, as of a record of before the parameter was there."""
    return value == NONE or (isinstance(value, str) and value.startswith("@"))


def _meanings(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, str) and value[:1] in "([{":
        try:
            yield ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return
