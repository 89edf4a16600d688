"""No number that a run trains to moves unseen, and what moves it is told which integer to raise."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version as installed
from typing import Any

import pytest

from lpa3bench import attack
from lpa3bench.attack import features
from lpa3bench.nn import bank
from lpa3bench.plugin import registry
from lpa3bench.training import identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from numerics import engine
from numerics.fingerprints import (
    ENGINE,
    STORED,
    TOLERANCE,
    Scenario,
    blamed,
    complaints,
    difference,
    integer,
    plain,
    size,
    unrecorded,
)
from numerics.scenarios import every_scenario, measured


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return json.loads(STORED.read_text())


def test_no_number_has_moved(stored: dict[str, Any]) -> None:
    scenarios = every_scenario()
    found = measured(scenarios)
    recorded = ", ".join(f"{name} {version}" for name, version in stored["libraries"].items())
    here = ", ".join(f"{name} {installed(name)}" for name in stored["libraries"])
    libraries = "" if recorded == here else f"\nRecorded with {recorded}; here are {here}."
    moved = complaints(stored, found, scenarios)
    assert not moved, "\n".join(moved.values()) + libraries
    left = unrecorded(stored, found, scenarios)
    assert not left, "\n".join(left.values())


def test_every_plugin_that_computes_has_a_scenario() -> None:
    """TimmNet's numbers are another library's, which need not be here; ChestMNIST is refused by name."""
    owners = {scenario.owner for scenario in every_scenario()}
    names = {
        e.name for e in registry.load_registry().entries if e.distribution.partition(" ")[0] == "lpa3bench"
    }
    assert names - owners == {"ChestMNIST", "TimmNet"}


# -------------------------------------------------------------------------------- the least change is noticed
@pytest.mark.parametrize(
    ("module", "name", "measure"),
    [
        (attack, "DECADE", engine.search),
        (attack, "GRADIENT_EPSILON", engine.search),
        (features, "FEATURE_EPSILON", engine.feature_distance),
        (bank, "NEWEST", engine.memory),
    ],
)
def test_a_constant_moved_by_a_millionth_is_the_engines(
    module: Any,
    name: str,
    measure: Callable[[], Any],
    stored: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, getattr(module, name) + 1e-6)
    scenario = Scenario(ENGINE, measure.__name__.replace("_", " "), measure)
    told = complaints(stored, measured([scenario]), [scenario])
    assert told.keys() == {ENGINE}
    assert "raise NUMERICS_VERSION in lpa3bench/training/identity.py, which is" in told[ENGINE]


def test_a_plugins_number_is_the_plugins(stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "perturbed", lambda x, delta, std: (x + delta * std * 1.000001).clamp(0, 1))
    chosen = [s for s in every_scenario() if s.key in ("LPA3/noise", "FixMatch/released, LPA3 in strong")]
    assert len(chosen) == 2
    told = complaints(stored, measured(chosen), chosen)
    assert told.keys() == {"LPA3"}
    place = "class LPA3 in plugins/lpa3bench_plugins/augmenters/lpa3.py"
    assert f"raise the attribute `version` of {place}" in told["LPA3"]


# ------------------------------------------------------------------------------------------------- comparing
def test_floats_are_compared_by_the_largest_of_their_list() -> None:
    assert difference([1.0, 1e-9], [1.0 + TOLERANCE / 2, 1.5e-9]) == ""
    assert difference([1.0, 1e-9], [1.0, 3e-9]) == "by 2.0e-09"
    assert difference([1.0], [1.0, 2.0]) != ""
    assert difference([0.0], [1e-12]) != ""
    assert difference([1.0], [float("nan")]) != ""


def test_orders_and_texts_are_compared_exactly() -> None:
    assert difference([1, 2], [1, 2]) == ""
    assert difference([1, 2], [2, 1]) == "[1, 2] → [2, 1]"
    assert difference("abc", "abd") == '"abc" → "abd"'


def test_an_exchange_of_two_values_is_seen() -> None:
    import torch

    one, other = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 1.0, 3.0])
    assert size(one)[0] == size(other)[0]
    assert difference(size(one), size(other)) != ""


@pytest.mark.parametrize(
    ("moved", "owners"),
    [
        (["engine/search", "LPA3/released", "PES/alone"], {ENGINE}),
        (["LPA3/released", "PES/with LPA3"], {"LPA3"}),
        (["LPA3/released", "PES/alone", "PES/with LPA3"], {"LPA3", "PES"}),
        (["PES/with LPA3"], {"PES"}),
    ],
)
def test_who_is_blamed(moved: list[str], owners: set[str]) -> None:
    scenarios = [
        Scenario("engine", "search", dict),
        Scenario("LPA3", "released", dict),
        Scenario("PES", "alone", dict),
        Scenario("PES", "with LPA3", dict, through=("LPA3",)),
    ]
    assert blamed({key: {} for key in moved}, scenarios).keys() == owners


def test_a_raised_version_is_to_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario("LPA3", "made up", dict)
    stored = {"versions": {"LPA3": 1}, "numbers": {scenario.key: {"x": [1.0]}}}
    found = {scenario.key: {"x": [2.0]}}
    assert complaints(stored, found, [scenario]).keys() == {"LPA3"}
    assert unrecorded(stored, found, [scenario]) == {}
    monkeypatch.setattr(LPA3, "version", 2, raising=False)
    assert complaints(stored, found, [scenario]) == {}
    assert unrecorded(stored, found, [scenario]) == {"LPA3": "LPA3: its version is 2 now"}


def test_a_new_quantity_is_recorded_without_a_version() -> None:
    """As a parameter that is added and changes nothing."""
    scenario = Scenario("LPA3", "defaults", dict)
    stored = {"versions": {"LPA3": 1}, "numbers": {scenario.key: {"margin": "0.02"}}}
    found = {scenario.key: plain({"margin": "0.02", "more": "1"})}
    assert complaints(stored, found, [scenario]) == {}
    assert unrecorded(stored, found, [scenario]).keys() == {scenario.key}


def test_the_integers_stand_where_the_message_says() -> None:
    assert isinstance(identity.NUMERICS_VERSION, int)
    assert integer("PES") == (
        "the attribute `version` of class PES in plugins/lpa3bench_plugins/tasks/pes.py"
    )
