"""Reads gin files, and builds what they describe.

gin gives the language: its parser reads the lines, and in the end it builds the objects. What lies between
is ours, because gin knows no settings, layers or origins: `reading` (files and options as layers),
`bindings` (which line wins), `resolution` (what can be reached from `run`), `names` and `lint` (names
and types), `operative` (what it adds up to). gin builds from the operative config, the very text that a
record keeps, so no record can tell of another experiment than the one that was run.

gin's config is global to the process: `gin_state` has it give way to one of ours.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gin
from gin import config_parser

from lpa3bench.config import operative
from lpa3bench.config.bindings import (
    MACRO,
    RUN,
    Binding,
    GinReference,
    Macro,
    Origin,
    Scopes,
    kind,
    qualified,
    short,
)
from lpa3bench.config.default_metrics import default_layer
from lpa3bench.config.defaults import default_text, identity_config, recorded_config
from lpa3bench.config.experiment import Experiment
from lpa3bench.config.gin_state import empty_gin
from lpa3bench.config.gin_syntax import Import, Include, Reader, Statement, refuse_control_signs
from lpa3bench.config.lint import macro_errors, name_errors, scope_errors, value_errors
from lpa3bench.config.names import Catalogue
from lpa3bench.config.operative import Change, Dormant, Value
from lpa3bench.config.resolution import Resolved, Tree, resolve
from lpa3bench.config.typecheck import WIDEST_INT, unwritable
from lpa3bench.errors import BenchError, ConfigError, PluginError, shortened
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.runtime.paths import called

if TYPE_CHECKING:
    from lpa3bench.api import Backbone

DEEPEST_VALUE = 20
"""Brackets within brackets."""
_HOME = "lpa3bench"
"""gin's module for `run` and `WeakView`; that of a plugin is its kind."""


# -------------------------------------------------------------------------------------------------- parsing
class _Words(config_parser.ParserDelegate):  # type: ignore[misc]  # gin has no types
    """Turns what gin's parser finds into plain data, and looks nothing up."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> GinReference:
        *scopes, selector = scoped_configurable_name.split("/")
        return GinReference(tuple(scopes), selector, evaluate)

    def macro(self, macro_name: str) -> Macro:
        return Macro(macro_name)


def parse(text: str, place: Callable[[int], Origin]) -> Iterator[Statement]:
    """The statements of a gin text, with names as they were written.

    Raises:
        ConfigError: the text is no gin.
    """
    refuse_control_signs(text, place)
    parser: Any = None
    try:
        parser = config_parser.ConfigParser(text, _Words())
        for statement in parser:
            origin = place(statement.location.line_num)
            match statement:
                case config_parser.BindingStatement(scope, selector, parameter, value):
                    scopes = tuple(scope.split("/")) if scope else ()
                    target, name = (selector, parameter) if parameter else (MACRO, selector)  # `name = value`
                    binding = Binding(scopes, target, name, value, origin)
                    if wrong := _misshapen(value):
                        raise origin.error(f"{binding} {wrong}")
                    yield binding
                case config_parser.IncludeStatement(name):
                    yield Include(name, origin)
                case config_parser.ImportStatement():
                    yield Import(origin)
    except SyntaxError as error:
        origin = place(error.lineno or 1)
        raise origin.error(_complaint(error, origin)) from None
    except (tokenize.TokenError, TypeError, ValueError, RecursionError) as error:
        origin = place(parser.current_token.start[0] if parser else 1)
        if isinstance(error, tokenize.TokenError):
            raise origin.error("a bracket or a quote is not closed") from None
        raise origin.error(f"cannot be read: {error}") from None  # {[1]: 2}: a list cannot be a key


def _misshapen(value: Any) -> str | None:
    """Why a value is nothing for a config, to be read after its name."""
    depth = 0
    level = [value]
    while level := [item for part in level for item in _parts(part)]:
        depth += 1
        if depth > DEEPEST_VALUE:
            return f"has brackets more than {DEEPEST_VALUE} deep"
    return unwritable(value)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return [*value] if isinstance(value, list | tuple) else []


def _complaint(error: SyntaxError, origin: Origin) -> str:
    """gin's syntax error in one clear line."""
    line, message = (error.text or "").strip(), str(error.msg).splitlines()
    rest = shortened((error.text or "")[error.offset or 0 :].strip())
    if message[0].startswith("Expected newline"):
        return f"unexpected {rest!r}; a value is one literal, without arithmetic"
    if message[0].startswith("Unable to parse value"):
        return f"{rest!r} is no value; quotes and brackets must be closed" if rest else "a value is missing"
    if message[0].startswith("Couldn't parse statement"):
        return f"{shortened(line) or 'this'!r} is no binding; one is written Name.parameter = value"
    found = re.search(r"Failed to parse token '(.*)'$", message[-1])
    if found is None:
        return f"{message[0].rstrip('.')} (at {rest!r})" if rest else message[0].rstrip(".")
    token = shortened(found[1])
    if token.capitalize() in ("True", "False", "None"):
        return f"{token} is written {token.capitalize()}"
    if found[1].isdecimal():
        return f"{token} is too large: an int has at most {WIDEST_INT} bits"
    key, _, raw = (part.strip() for part in line.partition("="))
    if not (re.fullmatch(r"[\w./:+-]+", raw) and raw.startswith(found[1])):
        return f"{token} is no literal; strings need quotes, and what is opened must be closed"
    key, raw = shortened(key), shortened(raw)
    return "strings need quotes: " + (f"-p '{key}=\"{raw}\"'" if origin.is_param else f'{key} = "{raw}"')


# -------------------------------------------------------------------------------------------------- loading
def load_config(
    files: Sequence[Path], *, setting: str | None = None, bindings: Sequence[str] = (), registry: Registry
) -> Config:
    """Read a config and everything it needs, and check all of it but the ranges of values.

    Args:
        files: the config itself, then overlays; later ones win.
        setting: one of `run.settings`; None takes `run.setting`.
        bindings: the texts of `-p` options; they win over all files, a later one over an earlier.
        registry: the plugins there are. Those that the config names are imported.

    Raises:
        ConfigError: something is wrong; the message opens with `file:line: ` or `-p 'text': `.
        PluginError: a plugin that is needed is broken.
    """
    return _settled(_read(files, setting, bindings, registry), tuple(files))


def used(
    candidates: Sequence[str],
    files: Sequence[Path],
    *,
    setting: str | None = None,
    bindings: Sequence[str] = (),
    registry: Registry,
) -> tuple[str, ...]:
    """Those of the candidates, texts of `-p` options before `bindings`, that have a say in the config.

    The others would be an error if they were given as `-p`: nothing uses them.

    Raises:
        ConfigError, PluginError: something else is wrong, as `load` says.
    """
    reader = _read(files, setting, (*candidates, *bindings), registry)
    _, resolved = _resolved(reader, Origin(called(files[0]), 1))
    idle = {binding for binding, _ in resolved.dormant()}
    options = reader.layers[len(reader.layers) - len(candidates) - len(bindings) :]
    given = zip(candidates, options[: len(candidates)], strict=True)
    return tuple(text for text, layer in given if idle.isdisjoint(layer.bindings))


def _read(files: Sequence[Path], setting: str | None, bindings: Sequence[str], registry: Registry) -> Reader:
    reader = Reader(Catalogue(registry), parse)
    for place, path in enumerate(files):
        reader.file(path, published=place == 0)
    if setting is not None:
        reader.setting(setting)
    for text in bindings:
        reader.param(text)
    _raise_first(reader.errors)
    return reader


def _raise_first(errors: Sequence[BenchError]) -> None:
    for error in errors:
        raise error


def _resolved(reader: Reader, whole: Origin) -> tuple[tuple[str, ...], Resolved]:
    """The settings on offer, and the config with everything chosen."""
    catalogue, layers = reader.catalogue, [default_layer(), *reader.layers]
    offered = operative.offered_settings(layers, catalogue.augmenters)
    setting = operative.choose_setting(layers, offered, whole)
    scopes = Scopes(frozenset(offered), catalogue.augmenters)
    _raise_first([*scope_errors(reader.bindings, scopes), *macro_errors(reader.bindings, scopes)])
    _raise_first([*name_errors(reader.bindings, catalogue)])
    return offered, resolve(layers, scopes, setting, whole)


def _settled(reader: Reader, files: tuple[Path, ...]) -> Config:
    catalogue = reader.catalogue
    offered, resolved = _resolved(reader, Origin(called(files[0]), 1))
    for node in resolved.tree.nodes.values():
        catalogue.load(node.target)
    # A plugin that could not be imported would have been heard of just now, if it were needed.
    _raise_first([e for e in value_errors(reader.bindings, catalogue) if not isinstance(e, PluginError)])
    values = operative.values(resolved, catalogue)
    operative.check_slots(resolved, catalogue)
    operative.check_params_used(resolved, catalogue)
    return Config(
        files=files,
        setting=resolved.setting,
        settings=offered,
        slots={slot: short(reference.target) for slot, reference in resolved.tree.slots().items()},
        values=tuple(values),
        dormant=tuple(operative.lying_dormant(resolved)),
        changed=tuple(operative.config_changes(values, resolved, catalogue)),
        source="\n".join(f"# {layer.heading}\n{layer.text.rstrip()}\n" for layer in reader.layers),
        _tree=resolved.tree,
        _catalogue=catalogue,
    )


# ------------------------------------------------------------------------------------------------- building
@dataclass(frozen=True)
class Config:
    """A config that was read, checked and settled."""

    files: tuple[Path, ...]
    setting: str | None
    """The chosen one."""
    settings: tuple[str, ...]
    """Those the config offers."""
    slots: dict[str, str]
    """The slots that are bound, with the name of their augmenter."""
    values: tuple[Value, ...] = field(repr=False)
    """Every parameter of everything that can be reached from `run`."""
    dormant: tuple[Dormant, ...] = field(repr=False)
    """Lines that have no say now."""
    changed: tuple[Change, ...] = field(repr=False)
    """What overlays and `-p` changed from the published setting, other than what the slots hold."""
    source: str = field(repr=False)
    """The files as they were read, in their order of precedence, and the options."""
    _tree: Tree = field(repr=False)
    _catalogue: Catalogue = field(repr=False)

    @property
    def operative(self) -> str:
        """The canonical gin text: every value that gin can write, sorted. Loading it gives the same text."""
        return "".join(f"{line}\n" for line in sorted(v.line for v in self.values if v.line is not None))

    @property
    def identity_config(self) -> dict[str, str]:
        """The values that an identity holds: those that differ from their defaults, by their first names."""
        return self.identity_config_of({value.name: value.text for value in self.values})

    def identity_config_of(self, values: Mapping[str, str]) -> dict[str, str]:
        """Those of other values, of an earlier run say, that an identity would hold."""
        return identity_config(values, self._catalogue)

    @property
    def recorded(self) -> dict[str, str]:
        """Every value in force that tells two runs apart, by name, as a record holds it. A setting is what it
        sets, and what a run is scored by stands with the scores."""
        own = (v for v in self.values if not v.name.startswith("run.setting") and not v.scoring)
        return recorded_config({value.name: value.text for value in own}, self._catalogue)

    def default_text(self, name: str) -> str:
        """What a value that an identity does not hold is, in words."""
        return default_text(name, self._catalogue)

    @property
    def registry(self) -> Registry:
        """The plugins there are: those that it was loaded with, and those of the files that it names."""
        return self._catalogue.registry

    @property
    def plugins(self) -> tuple[Entry, ...]:
        """The plugins that the experiment is made of."""
        names = {short(node.target) for node in self._tree.nodes.values()}
        return tuple(entry for entry in self._catalogue.registry.entries if entry.name in names)

    def experiment(self) -> Experiment:
        """Build it, with fresh objects at each call.

        Raises:
            ConfigError: a value is out of range, as its constructor says, or the plugins do not go together.
        """
        from lpa3bench.config.cell import refuse_nonsense

        with self._gin():
            experiment: Experiment = gin.get_configurable(f"{_HOME}.{RUN}")()
        try:
            refuse_nonsense(experiment)
        except ConfigError as error:  # "run.view: ..."
            raise self.place(str(error).partition(": ")[0]).error(str(error)) from None
        # The backbone is built later, when gin holds nothing or somebody else's config.
        return replace(experiment, backbone=partial(self._call, experiment.backbone))

    def try_out(self) -> Backbone:
        """Build everything once, the network without memory for its weights, and return the network.

        Raises:
            ConfigError: as `experiment`, or the network's constructor refuses a value.
        """
        import torch

        experiment = self.experiment()
        spec = experiment.dataset.spec
        with torch.device("meta"):
            return experiment.backbone(num_classes=spec.num_classes, in_channels=spec.channels)

    @property
    def names(self) -> dict[str, str]:
        """The registered names of what `run` is made of, by parameter: `{"task": "PES", "view": …}`."""
        values = {parameter: bound.value for parameter, bound in self._tree.run.bound.items()}
        return {p: short(value.target) for p, value in values.items() if isinstance(value, GinReference)}

    def located(self, error: ConfigError) -> ConfigError:
        """The error with file and line in front, where it opens with a parameter: "run.holdout: …"."""
        name, colon, _ = str(error).partition(": ")
        return self.place(name).error(str(error)) if colon and name.startswith("run.") else error

    def place(self, name: str) -> Origin:
        """Where the parameter of that name was bound; the config as a whole where it is a default."""
        for node in self._tree.nodes.values():
            for parameter, bound in node.bound.items():
                if qualified(node.scope, node.target, parameter) == name:
                    return bound.origin
        return self._tree.run.origin

    def _call(self, factory: Callable[..., Backbone], **given: Any) -> Backbone:
        with self._gin():
            return factory(**given)

    @contextmanager
    def _gin(self) -> Iterator[None]:
        """Inside the block gin holds this config, and no other."""
        with empty_gin():
            for target in {node.target for node in self._tree.nodes.values()}:
                cls = self._catalogue.load(target)
                gin.external_configurable(cls, name=short(target), module=kind(target) or _HOME)
            gin.parse_config(self.operative)
            try:
                yield
            except BenchError:
                raise
            except (
                ValueError,
                ArithmeticError,
                RuntimeError,
                MemoryError,
            ) as error:  # too large a number, say
                raise self._located(error) from error
            except Exception as error:  # an abstract class, a constructor without the arguments it is given
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise PluginError(f"a plugin cannot be built: {reason}") from error

    def _located(self, error: Exception) -> Exception:
        """A constructor's complaint, with the line that bound the parameter it names."""
        # gin says in which call it happened, the innermost first.
        call = re.search(
            r"In call to configurable '(\w+)' .*?(?: in scope '([^']*)')?$", str(error), re.MULTILINE
        )
        if call is None:
            return error
        scope = tuple(call[2].split("/")) if call[2] else ()
        node = next(n for n in self._tree.nodes.values() if n.scope == scope and short(n.target) == call[1])
        complaint = str(error).splitlines()[0]
        parameter, _, rest = complaint.partition(": ")
        if parameter not in self._catalogue.names(node.target):
            return node.origin.error(f"{call[1]}: {complaint}")
        origin = node.bound[parameter].origin if parameter in node.bound else node.origin
        return origin.error(f"{qualified(scope, node.target, parameter)} {rest}")
