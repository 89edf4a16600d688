"""The parity sheet: what two records differ in besides the augmenter."""

from __future__ import annotations

from support.small_records import bits, elsewhere, small_record, within

from lpa3bench.records import Record
from lpa3bench.stats.pairing import Pair
from lpa3bench.stats.parity import (
    augmenters_that_differ,
    in_any_pair,
    settings_that_differ,
    surroundings_that_decide,
    surroundings_that_differ,
)

PLAIN = small_record(bits(5), task="PES", config={"PES.lambda_u": "75.0", "PES.lr": "0.02"})
LPA3 = {"run.positives": "@positives/augmenters.LPA3()", "positives/LPA3.margin": "0.02"}


def method(**config: str) -> Record:
    values = {"PES.lambda_u": "75.0", "PES.lr": "0.02", **LPA3, **config}
    return small_record(bits(5), task="PES", slots={"positives": "LPA3"}, config=values)


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
    edited = within(PLAIN, "identity", plugins={"PES": "2", "LPA3": "2"}, numerics=9)
    edited = elsewhere(edited, engine_source="9" * 16, plugin_sources={"PES": "1" * 16}, device="gpu:1")
    assert settings_that_differ(elsewhere(PLAIN, device="gpu:0"), edited) == (
        "numerics version: 1 → 9",
        "version of PES: 1 → 2",
    )


def test_the_version_of_an_augmenter_is_the_augmenters() -> None:
    one, other = (within(method(), "identity", plugins={"LPA3": version}) for version in "12")
    assert settings_that_differ(one, other) == ()
    assert augmenters_that_differ(one, other) == ("version of LPA3: 1 → 2",)


def test_surroundings_stand_apart() -> None:
    versions = {"python": "3.11.7", "torch": "3.0"}
    moved = elsewhere(PLAIN, cpu_model="another CPU", cpu_capability="AVX512", threads=2, versions=versions)
    assert settings_that_differ(PLAIN, moved) == ()
    assert surroundings_that_differ(PLAIN, moved) == (
        "hardware: a CPU → another CPU",
        "kind of processor: AVX2 → AVX512",
        "threads: 1 → 2",
        "version of torch: 2.14.1 → 3.0",
    )
    assert surroundings_that_differ(PLAIN, PLAIN) == ()


def test_what_decides_the_last_bits_is_less_than_what_differs() -> None:
    """Another model of the same kind, other versions than torch's and another clock decide nothing."""
    same = elsewhere(PLAIN, cpu_model="another CPU", versions={"python": "3.12", "torch": "2.14.1"})
    assert surroundings_that_decide(PLAIN, same) == ()
    gpu = {"device": "gpu:0", "gpu_name": "a GPU", "gpu_capability": "9.0", "cpu_capability": None}
    assert surroundings_that_decide(PLAIN, elsewhere(PLAIN, **gpu)) == (
        "device: cpu → gpu",
        "kind of processor: AVX2 → a GPU",
        "compute capability: not recorded → 9.0",
    )
    others = {"versions": {"torch": "3.0"}, "threads": 2, "world_size": 4, "precision": "bfloat16"}
    assert surroundings_that_decide(PLAIN, elsewhere(PLAIN, **others)) == (
        "torch: 2.14.1 → 3.0",
        "threads: 1 → 2",
        "processes: 1 → 4",
        "precision: float32 → bfloat16",
    )
    assert (
        surroundings_that_decide(*(elsewhere(PLAIN, device=f"gpu:{k}", gpu_name="a GPU") for k in "01")) == ()
    )


def test_a_kind_of_processor_that_nobody_recorded_may_be_another_one() -> None:
    unknown = elsewhere(PLAIN, cpu_capability=None)
    assert surroundings_that_decide(unknown, unknown) == ("kind of processor: not recorded → not recorded",)
    assert surroundings_that_decide(PLAIN, unknown) == ("kind of processor: AVX2 → not recorded",)


def test_what_differs_in_any_pair_is_told_once() -> None:
    moved = elsewhere(PLAIN, device="gpu:0")
    pairs = [Pair(method=one, baseline=PLAIN) for one in (PLAIN, moved, moved)]
    assert in_any_pair(settings_that_differ, pairs) == ("device: cpu → gpu",)
    assert in_any_pair(settings_that_differ, pairs[:1]) == ()
