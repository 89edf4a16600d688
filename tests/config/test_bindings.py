"""Which line wins: layers, scopes and their order."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lpa3bench.config import bindings as b
from lpa3bench.config.bindings import Binding, GinReference, Layer, Macro, Origin, Scopes
from lpa3bench.errors import ConfigError

SCOPES = Scopes(
    settings=frozenset({"low", "high"}),
    augmenters=frozenset({"lpa3", "cutout"}),
    chosen=frozenset({"low", "lpa3"}),
)
TASK = "tasks.PES"


def line(name: str, value: Any, number: int = 1, file: str = "a.gin") -> Binding:
    """`low/x` binds PES.x under `low`."""
    *scopes, parameter = name.split("/")
    return Binding(tuple(scopes), TASK, parameter, value, Origin(file, number))


def layer(*lines: Binding) -> Layer:
    return Layer(lines, "a.gin", "")


def value(layers: list[Layer], scope: tuple[str, ...] = (), parameter: str = "x") -> Any:
    found = b.layered(layers, SCOPES).lookup(TASK, scope)
    return found[parameter].value if parameter in found else None


@pytest.mark.parametrize(
    ("lines", "winner"),
    [
        ({"x": 1}, 1),
        ({"x": 1, "low/x": 2}, 2),
        ({"x": 1, "high/x": 2}, 1),
        ({"x": 1, "lpa3/x": 2}, 2),
        ({"x": 1, "cutout/x": 2}, 1),
        ({"x": 1, "low/x": 2, "low/lpa3/x": 3}, 3),
        ({"x": 1, "low/x": 2, "low/cutout/x": 3}, 2),
        ({"x": 1, "low/x": 2, "lpa3/x": 3, "low/lpa3/x": 4}, 4),  # the tie below the winner does no harm
        ({"high/x": 1}, None),
    ],
)
def test_within_a_layer_more_selecting_scopes_win_whatever_the_order(
    lines: dict[str, int], winner: int
) -> None:
    for order in permutations(lines.items()):
        assert value([layer(*(line(name, v) for name, v in order))]) == winner


def test_the_order_of_selecting_scopes_means_nothing() -> None:
    assert value([layer(line("x", 1), line("lpa3/low/x", 2))]) == 2


def test_two_lines_with_equally_many_scopes_are_an_error_that_names_both_and_the_cure() -> None:
    with pytest.raises(ConfigError) as caught:
        b.layered([layer(line("low/x", 1, 3), line("lpa3/x", 2, 7))], SCOPES)
    assert str(caught.value).startswith("a.gin:7: lpa3/PES.x and low/PES.x (a.gin:3) both hold")
    assert str(caught.value).endswith("low/lpa3/PES.x")


def test_such_lines_in_different_layers_are_none() -> None:
    assert value([layer(line("lpa3/x", 1)), layer(line("low/x", 2))]) == 2


@given(st.lists(st.sampled_from(["x", "low/x", "lpa3/x", "low/lpa3/x", "view/x", "low/view/x"]), max_size=5))
def test_a_plain_line_of_a_later_layer_beats_everything_before_it(earlier: list[str]) -> None:
    layers = [layer(line(name, 1)) for name in earlier]
    assert value([*layers, layer(line("x", 2))]) == 2
    assert value([*layers, layer(line("x", 2))], ("view",)) == 2


def test_a_kept_scope_speaks_of_the_objects_in_it_and_below_it() -> None:
    layers = [layer(line("x", 1), line("view/x", 2), line("view/inner/x", 3))]
    assert value(layers) == 1
    assert value(layers, ("view",)) == 2
    assert value(layers, ("view", "inner")) == 3
    assert value(layers, ("view", "other")) == 2
    assert value(layers, ("strong",)) == 1


def test_within_a_layer_the_deeper_kept_scope_wins_over_a_selecting_one() -> None:
    """gin's own meaning: a scope that is kept speaks of one object among several."""
    assert value([layer(line("view/x", 1), line("low/x", 2))], ("view",)) == 1


def test_a_later_layer_replaces_deeper_lines_but_no_shallower_ones() -> None:
    layers = [layer(line("x", 1), line("view/x", 2), line("strong/x", 3)), layer(line("view/x", 4))]
    assert [value(layers, (slot,)) for slot in ("view", "strong", "positives")] == [4, 3, 1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "y", "low/x", "high/x", "lpa3/y", "low/lpa3/x", "view/x"]), st.integers()
        ),
        max_size=6,
        unique_by=lambda item: item[0],
    ),
    st.randoms(),
)
def test_the_order_of_lines_within_a_layer_means_nothing(lines: list[tuple[str, int]], random: Any) -> None:
    written = [line(name, v) for name, v in lines]
    shuffled = random.sample(written, len(written))
    for scope in ((), ("view",)):
        for parameter in ("x", "y"):
            assert value([layer(*written)], scope, parameter) == value([layer(*shuffled)], scope, parameter)


def test_layers_by_themselves_do_not_touch_other_parameters_or_targets() -> None:
    other = Binding((), "tasks.Other", "x", 5, Origin("b.gin", 1))
    table = b.layered([layer(line("x", 1), line("y", 2)), layer(other)], SCOPES)
    assert {name: found.value for name, found in table.lookup(TASK, ()).items()} == {"x": 1, "y": 2}
    assert table.lookup("tasks.Absent", ()) == {}


def test_a_slot_is_kept_even_where_an_augmenter_has_its_name() -> None:
    scopes = Scopes(augmenters=frozenset({"view"}))
    assert scopes.split(("view", "x")) == (frozenset(), ("view", "x"))


def test_the_same_binding_twice_in_a_file_is_found_whatever_the_order_of_scopes() -> None:
    lines = [line("low/lpa3/x", 1, 2), line("x", 1, 3), line("lpa3/low/x", 2, 9), line("x", 5, 10)]
    assert [str(error) for error in b.repeated_bindings(lines)] == [
        "a.gin:9: lpa3/low/PES.x is bound twice, first in line 2",
        "a.gin:10: PES.x is bound twice, first in line 3",
    ]
    assert [*b.repeated_bindings([line("x", 1), line("low/x", 1), line("y", 1)])] == []


def test_places() -> None:
    assert (str(Origin("gin/a.gin", 3)), Origin("gin/a.gin", 3).brief) == ("gin/a.gin:3", "gin/a.gin:3")
    param = Origin("-p 'LPA3.margin=1'")
    assert (str(param), param.brief, param.is_param) == ("-p 'LPA3.margin=1'", "-p", True)
    setting = Origin("--setting low")
    assert (setting.brief, setting.is_param) == ("--setting", False)
    assert not Origin("-p odd.gin", 1).is_param
    assert str(param.error("is wrong")) == "-p 'LPA3.margin=1': is wrong"


LEAVES = st.integers() | st.text() | st.just(Macro("m")) | st.just(GinReference((), "a", call=True))
NESTED = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
)


@given(NESTED)
def test_mapped_keeps_the_shape_and_reaches_every_leaf(nested: Any) -> None:
    assert b.mapped(nested, lambda leaf: leaf) == nested
    before = [*b.leaves(nested)]
    assume(before)
    assert [*b.leaves(b.mapped(nested, lambda leaf: (leaf,)))] == before
    assert b.references(nested) == [leaf for leaf in before if isinstance(leaf, GinReference)]
