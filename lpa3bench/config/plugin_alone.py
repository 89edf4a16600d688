"""One plugin with parameters of its own, outside any experiment: a data set that is to be fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lpa3bench.config.bindings import Binding
from lpa3bench.config.gin_syntax import Reader
from lpa3bench.config.lint import check_value
from lpa3bench.config.loading import parse
from lpa3bench.config.names import Catalogue
from lpa3bench.config.operative import plain_value
from lpa3bench.errors import UsageError
from lpa3bench.plugin.registry import Entry, Registry


@dataclass(frozen=True)
class PluginParameters:
    """What `-p` options bind."""

    bindings: tuple[Binding, ...]
    catalogue: Catalogue

    @classmethod
    def read(cls, texts: Sequence[str], entries: Sequence[Entry], registry: Registry) -> PluginParameters:
        """Raises ConfigError where one is wrong, or is of none of these plugins."""
        catalogue = Catalogue(registry)
        reader = Reader(catalogue, parse)
        for text in texts:
            reader.param(text)
        for error in reader.errors:
            raise error
        names = {_target(entry) for entry in entries}
        for binding in reader.bindings:
            if binding.target not in names or binding.scopes:
                raise binding.origin.error(
                    f"nothing uses it: {binding} is of none of {', '.join(sorted(names))}"
                )
            check_value(binding, catalogue)
        return cls(tuple(reader.bindings), catalogue)

    def build(self, entry: Entry) -> Any:
        """The plugin, its other parameters being what they are by default.

        Raises:
            ConfigError: it refuses a value.
            UsageError: it refuses altogether, or has parameters that must be given.
        """
        target = _target(entry)
        parameters = self.catalogue.parameters(target)
        own = {binding.parameter: binding for binding in self.bindings if binding.target == target}
        missing = [name for name, p in parameters.items() if p.required and name not in own]
        if missing:
            raise UsageError(
                f"{entry.name}: needs parameters, so it takes -p {entry.name}.{missing[0]}=… or a gin file"
            )
        given = {name: plain_value(binding, parameters[name].annotation) for name, binding in own.items()}
        try:
            return entry.load()(**given)
        except ValueError as error:
            parameter, _, rest = str(error).partition(": ")
            if parameter in own:
                raise own[parameter].origin.error(f"{own[parameter]} {rest}") from error
            raise UsageError(str(error) if entry.name in str(error) else f"{entry.name}: {error}") from error


def _target(entry: Entry) -> str:
    return f"{entry.kind}.{entry.name}"
