"""Values against annotations, and the names that a misspelt one may have meant. Imports no torch.

`fit` also gives each value one form (an int becomes a float where a float is wanted, a list a tuple), so
that two ways of writing one experiment are one experiment.
"""

from __future__ import annotations

import collections.abc
import inspect
import math
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from lpa3bench.config.bindings import GinReference, Macro, leaves, mapped
from lpa3bench.errors import shortened

ClassOf = Callable[[GinReference], type]
"""The class that a reference names."""
_SEQUENCES = (tuple, list, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping)
_SCALARS = (bool, int, float, str, bytes, type(None))


class Mismatch(ValueError):
    """The value does not fit; the message goes on after the parameter's name: "must be …, not …"."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a constructor."""

    required: bool
    default: Any
    _evaluated: Callable[[], Any] = field(repr=False)

    @cached_property
    def annotation(self) -> Any:
        """Evaluated when it is asked for: that of a network imports torch. `Any` where it cannot be: it may
        name what is imported for type checkers only, and values are not checked then."""
        try:
            return self._evaluated()
        except (NameError, TypeError, AttributeError):
            return Any


class _Interfaces(dict[str, Any]):
    """What annotations name without importing it at run time: the names of `lpa3bench.api`."""

    def __missing__(self, name: str) -> Any:
        try:
            return getattr(import_module("lpa3bench.api"), name)
        except AttributeError:
            raise KeyError(name) from None


def parameters(cls: type) -> dict[str, Parameter]:
    """The parameters of a class's constructor that a config can name."""
    constructor: Any = cls.__init__  # type: ignore[misc]  # it is looked at, not called
    space = getattr(inspect.unwrap(constructor), "__globals__", {})
    written = getattr(constructor, "__annotations__", {})

    def evaluated(name: str) -> Any:
        alone = types.SimpleNamespace(__annotations__={name: written[name]} if name in written else {})
        return get_type_hints(alone, space, _Interfaces()).get(name, Any)

    taken = {name: inspect.signature(cls).parameters[name] for name in parameter_names(cls)}
    return {
        name: Parameter(p.default is p.empty, p.default, partial(evaluated, name))
        for name, p in taken.items()
    }


def plain_annotation(text: str) -> Any:
    """An annotation from its text, where it is made of builtins and `Literal` alone; else None."""
    try:
        return eval(text, {"Literal": Literal})
    except Exception:  # it names something else
        return None


def parameter_names(cls: type) -> list[str]:
    """Their names, without those that a class collects by * or **."""
    found = inspect.signature(cls).parameters.values()
    return [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def fit_value(value: Any, annotation: Any, class_of: ClassOf) -> Any:
    """The value in the form that the annotation asks for.

    An int is taken for a float and a list for a tuple; a bool is no int, and None fits only where it is
    named. An annotation that is not understood takes everything.

    Raises:
        Mismatch: it does not fit.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return fit_value(value, args[0], class_of)
    if annotation is Any or isinstance(annotation, str):
        return value
    if origin in (Union, types.UnionType):
        return _fit_union(value, annotation, class_of)
    if origin is Literal:
        return _fit_choice(value, args)
    if (origin or annotation) in _SEQUENCES:
        return _fit_sequence(value, annotation, class_of)
    if (origin or annotation) in _MAPPINGS:
        return _fit_mapping(value, annotation, class_of)
    if isinstance(value, GinReference):
        return _fit_reference(value, annotation, class_of)
    return _fit_scalar(value, annotation)


def _no(value: Any, annotation: Any) -> Mismatch:
    shown = shortened(literal(value) or repr(value))
    return Mismatch(f"must be {describe_annotation(annotation)}, not {shown}")


def _fit_union(value: Any, annotation: Any, class_of: ClassOf) -> Any:
    # An int stays an int in `int | float`, whatever the order: the exact member goes first.
    members = sorted(get_args(annotation), key=lambda member: member is not type(value))
    reasons = []
    for member in members:
        try:
            return fit_value(value, member, class_of)
        except Mismatch as reason:
            reasons.append(reason)
    real = [m for m in members if m is not type(None)]
    if len(real) == 1:  # `X | None`: what X has to say is more to the point
        text = str(reasons[members.index(real[0])])
        raise Mismatch(text.replace(describe_annotation(real[0]), describe_annotation(annotation), 1))
    raise _no(value, annotation)


def _fit_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    texts = [choice for choice in choices if isinstance(choice, str)]
    near = nearest(value, texts) if isinstance(value, str) else []
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise Mismatch(f"{_no(value, Literal[choices])}{hint}")


def _fit_reference(value: GinReference, annotation: Any, class_of: ClassOf) -> GinReference:
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    call = origin not in (collections.abc.Callable, type)
    wanted = annotation if call else (args or (Any,))[-1]
    if wanted is not Any and isinstance(wanted, type) and not issubclass(class_of(value), wanted):
        raise _no(value, annotation)
    if value.call != call:
        right = GinReference(value.scopes, value.target, call)
        raise Mismatch(f"must be {right}, {'with' if call else 'without'} ()")
    return value


def _fit_sequence(value: Any, annotation: Any, class_of: ClassOf) -> Any:
    if not isinstance(value, list | tuple):
        comma = (
            f"; write ({literal(value)},)"
            if isinstance(value, (*_SCALARS, GinReference)) and value is not None
            else ""
        )
        raise Mismatch(f"{_no(value, annotation)}{comma}")
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            raise _no(value, annotation)
        items = list(args)
    else:
        items = [args[0] if args else Any] * len(value)
    try:
        fitted = [fit_value(item, wanted, class_of) for item, wanted in zip(value, items, strict=True)]
    except Mismatch as reason:
        raise Mismatch(f"must be {describe_annotation(annotation)}; an item {reason}") from None
    return fitted if origin is list else tuple(fitted)


def _fit_mapping(value: Any, annotation: Any, class_of: ClassOf) -> Any:
    if not isinstance(value, dict):
        raise _no(value, annotation)
    wanted_key, wanted = get_args(annotation) or (Any, Any)
    try:
        return {fit_value(k, wanted_key, class_of): fit_value(v, wanted, class_of) for k, v in value.items()}
    except Mismatch as reason:
        raise Mismatch(f"must be {describe_annotation(annotation)}; an item {reason}") from None


def _fit_scalar(value: Any, annotation: Any) -> Any:
    if annotation is float and type(value) in (int, float):
        if wrong := unwritable(value):
            raise Mismatch(wrong)
        return float(value)
    if annotation in (None, type(None)):
        if value is None:
            return None
        raise _no(value, annotation)
    if annotation in _SCALARS:
        if type(value) is annotation:
            return value
        raise _no(value, annotation)
    if isinstance(annotation, type) and issubclass(annotation, Path):
        if isinstance(value, str):  # gin has no paths; the constructor takes it from here
            return value
        raise _no(value, annotation)
    if get_origin(annotation) is collections.abc.Callable or isinstance(annotation, type):
        if isinstance(value, str):
            raise Mismatch(f"{_no(value, annotation)}; refer to it as @{value}")
        raise _no(value, annotation)
    return value


def describe_annotation(annotation: Any) -> str:
    """An annotation in words: "a float or None", "one of 'batch', 'dataset'"."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (None, type(None)):
        return "None"
    if origin in (Union, types.UnionType):
        *rest, last = sorted(args, key=lambda a: a is type(None))
        return f"{', '.join(map(describe_annotation, rest))} or {describe_annotation(last)}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}" if len(args) > 1 else repr(args[0])
    if origin is collections.abc.Callable:
        return f"{describe_annotation(args[-1])} without ()"
    if origin in _SEQUENCES:
        items = [re.sub("^an? ", "", describe_annotation(a)) for a in args if a is not Ellipsis]
        return f"a {'list' if origin is list else 'tuple'} of {' and '.join(items)}"
    words = {str: "str (in quotes)", bool: "bool (True or False)"}
    word = words.get(annotation) or str(getattr(annotation, "__name__", annotation))
    return f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"


def literal(value: Any) -> str | None:
    """The value as gin text; None for what gin cannot write, such as a function or infinity."""
    try:
        return repr(mapped(value, _leaf))
    except Mismatch:
        return None


WIDEST_INT = 63
"""Bits of an int: what tensors, files and counters hold."""


def unwritable(value: Any) -> str | None:
    """What is wrong with a value that no config can hold, to be read after its name; None: nothing is.

    Without this a value of a parameter that takes anything would be lost on its way to the constructor.
    """
    for leaf in leaves(value):
        if isinstance(leaf, int) and leaf.bit_length() > WIDEST_INT:
            return f"is too large: an int has at most {WIDEST_INT} bits"
        if isinstance(leaf, float) and not math.isfinite(leaf):
            return "must be finite"
        if type(leaf) not in (*_SCALARS, GinReference, Macro):
            return f"must not hold a {type(leaf).__name__}"
    return None


class _Text(str):
    """Text that stands for itself inside a container's `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _leaf(value: Any) -> Any:
    if isinstance(value, GinReference):
        return _Text(value)
    if type(value) not in _SCALARS or (type(value) is float and not math.isfinite(value)):
        raise Mismatch
    return value


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that look most like `name`, at most three, the likeliest first."""
    by_lower = {other.lower(): other for other in names}
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]


def advice(name: str, names: Iterable[str], what: str) -> str:
    """What to write instead: "did you mean margin?", or the whole list where nothing looks alike."""
    names = sorted(names)
    if near := nearest(name, names):
        return f"did you mean {' or '.join(near)}?"
    return f"{what} are {', '.join(names)}" if names else f"there are no {what}"
