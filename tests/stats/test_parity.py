"""The parity sheet: what two records differ in besides the augmenter."""

from __future__ import annotations

from typing import Any

from support.small_records import bits, changed, small_record

from lpa3bench.records import Record
from lpa3bench.stats.pairing import Pair
from lpa3bench.stats.parity import (
    augmenters_that_differ,
    in_any_pair,
    settings_that_differ,
    surroundings_that_differ,
)

PLAIN = small_record(bits(5), task="PES", config={"PES.lambda_u": "75.0", "PES.lr": "0.02"})
LPA3 = {"run.positives": "@positives/augmenters.LPA3()", "positives/LPA3.margin": "0.02"}


def method(**config: str) -> Record:
    values = {"PES.lambda_u": "75.0", "PES.lr": "0.02", **LPA3, **config}
    return small_record(bits(5), task="PES", slots={"positives": "LPA3"}, config=values)


def provenance(record: Record, **parts: Any) -> Record:
    return changed(record, provenance=record.data["provenance"] | parts)


def test_an_augmenter_and_its_own_parameters_are_no_difference_besides() -> None:
    assert settings_that_differ(PLAIN, method()) == ()
    assert augmenters_that_differ(PLAIN, method()) == ("run.positives: None → @positives/augmenters.LPA3()",)


def test_what_a_task_was_given_for_the_augmenters_sake_counts() -> None:
    other = method(**{"PES.lambda_u": "37.5"})
    assert settings_that_differ(PLAIN, other) == ("PES.lambda_u: 75.0 → 37.5",)
    assert settings_that_differ(other, PLAIN) == ("PES.lambda_u: 37.5 → 75.0",)


def test_parameters_of_one_augmenter_are_differences_of_augmenters() -> None:
    other = method(**{"positives/LPA3.margin": "0.05"})
    assert settings_that_differ(method(), other) == ()
    assert augmenters_that_differ(method(), other) == ("positives/LPA3.margin: 0.02 → 0.05",)
    assert augmenters_that_differ(other, other) == ()


def test_augmenters_are_followed_into_others() -> None:
    """Compose holds two more, one of them in a scope of its own."""
    config = {
        "run.view": "@view/augmenters.Compose()",
        "view/Compose.augmenters": "(@view/augmenters.RandAugment(), @noise/augmenters.Cutout())",
        "view/RandAugment.n": "2",
        "noise/Cutout.size": "4",
    }
    composed = small_record(bits(5), slots={"view": "Compose"}, config=config)
    other = small_record(bits(5), slots={"view": "Compose"}, config=config | {"noise/Cutout.size": "8"})
    assert settings_that_differ(small_record(bits(5)), composed) == ()
    assert settings_that_differ(composed, other) == ()
    assert augmenters_that_differ(composed, other) == ("noise/Cutout.size: 4 → 8",)


def test_another_task_is_told_once_not_parameter_by_parameter() -> None:
    other = small_record(bits(5), task="FixMatch", config={"FixMatch.mu": "7"})
    assert settings_that_differ(PLAIN, other) == ("run.task: @tasks.PES() → @tasks.FixMatch()",)


def test_a_parameter_that_only_one_has_is_told_where_both_have_its_object() -> None:
    older = small_record(bits(5), task="PES", config={"PES.lr": "0.02"})
    assert settings_that_differ(older, PLAIN) == ("PES.lambda_u: none → 75.0",)
    assert settings_that_differ(PLAIN, older) == ("PES.lambda_u: 75.0 → none",)


def test_the_name_of_a_setting_is_none_and_what_it_sets_is_one() -> None:
    values = {"PES.lambda_u": "75.0", "PES.lr": "0.02"}
    assert settings_that_differ(PLAIN, small_record(bits(5), task="PES", config=values)) == ()
    longer = small_record(bits(5), task="PES", config=values, earlier=[0.1])
    assert settings_that_differ(PLAIN, longer) == ("run.epochs: 1 → 2",)


def test_what_stands_beside_the_config_counts() -> None:
    limited = small_record(bits(5), limit=8, data="e")
    assert settings_that_differ(small_record(bits(5)), limited) == (
        f"data: {'d' * 16} → {'e' * 16}",
        "--limit: none → 8",
    )
    sources = {"PES": "1" * 16, "LPA3": "2" * 16}
    edited = provenance(PLAIN, plugin_sources=sources, engine="9" * 16, device="gpu:1")
    assert settings_that_differ(provenance(PLAIN, device="gpu:0"), edited) == (
        f"source of the engine: {'0' * 16} → {'9' * 16}",
        f"source of PES: {'0' * 16} → {'1' * 16}",
    )


def test_the_source_of_an_augmenter_is_the_augmenters() -> None:
    one, other = (provenance(method(), plugin_sources={"LPA3": digit * 16}) for digit in "12")
    assert settings_that_differ(one, other) == ()
    assert augmenters_that_differ(one, other) == (f"source of LPA3: {'1' * 16} → {'2' * 16}",)


def test_surroundings_stand_apart() -> None:
    versions = {"python": "3.11.7", "torch": "3.0"}
    elsewhere = provenance(PLAIN, hardware="another CPU", threads=2, versions=versions)
    assert settings_that_differ(PLAIN, elsewhere) == ()
    assert surroundings_that_differ(PLAIN, elsewhere) == (
        "hardware: a CPU → another CPU",
        "threads: 1 → 2",
        "version of torch: 2.14.1 → 3.0",
    )
    assert surroundings_that_differ(PLAIN, PLAIN) == ()


def test_a_record_without_a_number_of_processes_is_of_one() -> None:
    assert "world_size" not in PLAIN.data["provenance"]
    assert surroundings_that_differ(PLAIN, provenance(PLAIN, world_size=1)) == ()
    assert surroundings_that_differ(PLAIN, provenance(PLAIN, world_size=4)) == ("processes: 1 → 4",)


def test_what_differs_in_any_pair_is_told_once() -> None:
    moved = provenance(PLAIN, device="gpu:0")
    pairs = [Pair(method=one, baseline=PLAIN) for one in (PLAIN, moved, moved)]
    assert in_any_pair(settings_that_differ, pairs) == ("device: cpu → gpu",)
    assert in_any_pair(settings_that_differ, pairs[:1]) == ()
