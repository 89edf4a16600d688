"""Values against annotations, and nearest names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench import api
from lpa3bench.config.bindings import GinReference, Macro, Origin
from lpa3bench.config.loading import parse
from lpa3bench.config.typecheck import (
    Mismatch,
    advice,
    describe_annotation,
    fit_value,
    literal,
    nearest,
    parameters,
)


class Animal: ...


class Dog(Animal): ...


class Stone: ...


CLASSES: dict[str, type] = {"kinds.Dog": Dog, "kinds.Stone": Stone}
DOG = GinReference((), "kinds.Dog", call=True)
STONE = GinReference((), "kinds.Stone", call=True)
KENNEL = GinReference((), "kinds.Dog", call=False)


def fitted(value: Any, annotation: Any) -> Any:
    return fit_value(value, annotation, lambda reference: CLASSES[reference.target])


@pytest.mark.parametrize(
    ("value", "annotation", "result"),
    [
        (3, float, 3.0),
        (3, int, 3),
        (True, bool, True),
        ("x", str, "x"),
        (None, float | None, None),
        (2, float | None, 2.0),
        (2, int | float, 2),
        (2.0, int | float, 2.0),
        (1, Annotated[float, "metres"], 1.0),
        ("a", Literal["a", "b"], "a"),
        (None, Literal["a"] | None, None),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ((1, "a"), tuple[int, str], (1, "a")),
        ((), tuple[int, ...], ()),
        ((1,), list[float], [1.0]),
        ([1], Sequence[float], (1.0,)),
        ([1], tuple, (1,)),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"a": 1}, Mapping[str, int], {"a": 1}),
        ((1, 2), Literal["cifar10"] | tuple[int, ...], (1, 2)),
        ("labels.npy", Path, "labels.npy"),
        ("labels.npy", str | Path, "labels.npy"),
        (DOG, Animal, DOG),
        (DOG, Animal | None, DOG),
        (KENNEL, Callable[..., Animal], KENNEL),
        (KENNEL, type[Animal], KENNEL),
        (KENNEL, Callable[..., Any], KENNEL),
        ((DOG, DOG), tuple[Animal, ...], (DOG, DOG)),
        ("anything", Any, "anything"),
        ("anything", "an annotation that nobody could evaluate", "anything"),
    ],
)
def test_it_fits(value: Any, annotation: Any, result: Any) -> None:
    found = fitted(value, annotation)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (True, int, "must be an int, not True"),
        (True, float, "must be a float, not True"),
        (1, bool, "must be a bool (True or False), not 1"),
        (1.0, int, "must be an int, not 1.0"),
        (float("inf"), float, "must be finite"),
        (None, float, "must be a float, not None"),
        ("0.1", float | None, "must be a float or None, not '0.1'"),
        (3, str, "must be a str (in quotes), not 3"),
        ("meen", Literal["min", "mean"], "must be one of 'min', 'mean', not 'meen'; did you mean 'mean'"),
        (1, Literal[True], "must be True, not 1"),
        (0.5, tuple[float, ...], "must be a tuple of float, not 0.5; write (0.5,)"),
        ((1.0, "x"), tuple[float, ...], "an item must be a float, not 'x'"),
        ((1.0,), tuple[float, float], "must be a tuple of float and float, not (1.0,)"),
        ([1], dict[str, int], "must be a dict, not [1]"),
        ({"a": "b"}, dict[str, int], "an item must be an int, not 'b'"),
        (3, Path, "must be a Path, not 3"),
        (STONE, Animal, "must be an Animal, not @kinds.Stone()"),
        (KENNEL, Animal, "must be @kinds.Dog(), with ()"),
        (KENNEL, Animal | None, "must be @kinds.Dog(), with ()"),
        (DOG, Callable[..., Animal], "must be @kinds.Dog, without ()"),
        (GinReference((), "kinds.Stone", call=False), Callable[..., Animal], "must be an Animal without ()"),
        ("Dog", Animal, "must be an Animal, not 'Dog'; refer to it as @Dog"),
        ("Dog", Callable[..., Animal], "refer to it as @Dog"),
        (DOG, float, "must be a float, not @kinds.Dog()"),
        (STONE, tuple[Animal, ...], "must be a tuple of Animal, not @kinds.Stone()"),
    ],
)
def test_it_does_not_fit(value: Any, annotation: Any, message: str) -> None:
    with pytest.raises(Mismatch) as caught:
        fitted(value, annotation)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(-(10**15), 10**15))
def test_an_int_and_its_float_are_one_value(number: int) -> None:
    assert fitted(number, float) == fitted(float(number), float)
    assert literal(fitted(number, float)) == literal(fitted(float(number), float))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    SCALARS | st.sampled_from([DOG, KENNEL, GinReference(("view",), "kinds.Dog", call=True)]),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text("abc"), inner),
    max_leaves=8,
)


@given(VALUES)
def test_gin_reads_back_what_literal_writes(value: Any) -> None:
    (binding,) = parse(f"a.b = {literal(value)}", lambda line: Origin("text", line))
    assert binding.value == value  # type: ignore[union-attr]
    assert repr(binding.value) == repr(value)  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [len, float("nan"), float("inf"), {1, 2}, object, [1, (len,)], Macro("a")])
def test_what_gin_cannot_write_is_no_literal(value: Any) -> None:
    assert literal(value) is None


def test_the_parameters_of_a_constructor() -> None:
    class Thing:
        def __init__(self, first: int, *rest: int, last: Literal["a"] = "a", **more: int) -> None: ...

    found = parameters(Thing)
    assert [*found] == ["first", "last"]
    assert (found["first"].annotation, found["first"].required) == (int, True)
    assert (found["last"].annotation, found["last"].default) == (Literal["a"], "a")
    assert parameters(Animal) == {}


def test_annotations_for_type_checkers_only_are_evaluated_where_they_name_an_interface() -> None:
    class Thing:
        def __init__(self, *, inner: Augmenter, pet: Elsewhere, count: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    found = parameters(Thing)
    assert found["inner"].annotation is api.Augmenter
    assert found["pet"].annotation is Any  # one that cannot be evaluated: nothing is checked
    assert found["count"].annotation is int


def test_nearest_names_ignore_case_and_come_likeliest_first() -> None:
    assert nearest("LPA", ["lpa3", "Identity", "RandAugment"]) == ["lpa3"]
    assert nearest("randaugmnet", ["lpa3", "RandAugment"]) == ["RandAugment"]
    assert nearest("qqq", ["lpa3"]) == []


def test_advice_is_the_nearest_name_or_else_the_whole_list() -> None:
    assert advice("sym5", {"sym50", "low"}, "settings") == "did you mean sym50?"
    assert advice("qqq", {"sym50", "low"}, "settings") == "settings are low, sym50"
    assert advice("qqq", set(), "settings") == "there are no settings"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | str | None, "an int, a str (in quotes) or None"),
        (Literal["a"], "'a'"),
        (tuple[int, ...] | None, "a tuple of int or None"),
        (Callable[..., Dog], "a Dog without ()"),
    ],
)
def test_annotations_in_words(annotation: Any, words: str) -> None:
    assert describe_annotation(annotation) == words
