"""Cards of augmenters whose effect is known: none, a mild one, one that hides everything, and LP-A3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import calibration_augmenters

from lpa3bench.analysis.card import measurement as cardmeasurement
from lpa3bench.analysis.card import probes as cardprobes
from lpa3bench.analysis.card import runs as cardruns
from lpa3bench.analysis.card.measurement import measure
from lpa3bench.analysis.card.runs import Request, Trainer
from lpa3bench.errors import ConfigError, RunFailed, UsageError
from lpa3bench.records import read_record, read_records
from lpa3bench.runtime.paths import resolve_config
from lpa3bench_plugins.datasets import nuisancedigits

LEARNS = '''
import torch

from lpa3bench import Augmenter, View, hookimpl


class Learns(Augmenter):
    """Counts what it has seen, and refuses large images."""

    saved = ("seen",)

    def setup(self, env):
        self.seen = torch.zeros(1)

    def unsupported(self, spec, slot):
        return "only small images" if spec.size > 8 else None

    def generate(self, x, ctx):
        self.seen += len(x)
        return View(x, rows=torch.arange(len(x)))


@hookimpl
def register_augmenters(register):
    register("Learns", Learns)
'''
Card = dict[str, Any]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Measures a card at a tiny budget; all share their runs."""
    folder = tmp_path_factory.mktemp("cards")
    plugin = folder / "learns.py"
    plugin.write_text(LEARNS)
    cards: dict[str, Card] = {}

    def card(augmenter: str, *bindings: str, again: bool = False, **more: Any) -> Card:
        if again or augmenter not in cards:
            request = Request(
                augmenter=augmenter,
                files=(resolve_config("digits_supervised"),),
                bindings=("run.epochs=6", "judge/JudgeNet.width=16", *bindings),
                plugins=(plugin, Path(str(calibration_augmenters.__file__))),
                images=300,
                device="cpu",
                data=folder / "data",
                runs=folder / "runs",
                **more,
            )
            cards[augmenter] = measure(request)
        return cards[augmenter]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cardprobes, "STEPS", 40)
        patch.setattr(cardprobes, "SEEDS", 1)
        patch.setattr(cardruns, "_NUISANCE", (*cardruns._NUISANCE, "run.epochs=2"))
        patch.setattr(cardmeasurement, "KNOWN_FLOOR", 0.0)
        patch.setattr(cardruns, "KNOWN_FLOOR", 0.0)
        patch.setattr(nuisancedigits, "COPIES", {"attacked": 1, "probe": 2, "test": 1})
        card.folder, card.plugin = folder, plugin  # type: ignore[attr-defined]
        yield card


def value(card: Card, key: str) -> float:
    (one,) = [one for one in card["measures"] if one["key"] == key]
    assert one["value"] is not None
    return float(one["value"])


Make = Callable[..., Card]


@pytest.mark.slow
def test_no_augmentation_changes_nothing(make: Make) -> None:
    card = make("Identity")
    ones = ("preserved", "preserved_known", "affinity", "diversity", "recognised", "training_cost")
    assert {key: value(card, key) for key in ones} == dict.fromkeys(ones, 1.0)
    zeros = (
        "margin_violations", "logp_drop", "confidence_drop_judge", "confidence_drop_attacked", "pixel_l2",
        "pixel_linf", "perceptual_judge", "perceptual_attacked", "accuracy_change", "classes_harmed",
        "forward", "backward",
    )  # fmt: skip
    assert {key: value(card, key) for key in zeros} == dict.fromkeys(zeros, 0.0)
    assert value(card, "judge_error") < 0.3  # its word is worth something
    for name in ("data_label", "known_label", "known_colour", "known_rotation", "known_position"):
        assert value(card, f"{name}_x_bits") == value(card, f"{name}_view_bits")
    assert value(card, "known_colour_x_bits") > 2.3  # of log₂ 6 = 2.58
    assert value(card, "known_position_x_bits") > 1  # of log₂ 9 = 3.17
    assert card["augmenter"]["slot"] == "view"
    for network in ("attacked", "augmented", "known"):
        assert 0 < value(card, f"{network}_accuracy") < 1
        assert value(card, f"{network}_l2") == value(card, f"{network}_phi") == 0


@pytest.mark.slow
def test_its_runs_are_no_results(make: Any) -> None:
    runs = make("Identity")["protocol"]["runs"].values()
    records = [read_record(make.folder / "runs" / run / "result.json") for run in runs]
    assert {record.data.purpose for record in records} == {"aid"}
    assert read_records([make.folder / "runs"]) == []


@pytest.mark.slow
def test_a_network_below_the_floor_is_not_attacked(make: Any) -> None:
    make("Identity")
    with pytest.raises(
        RunFailed, match=r"the attacked network gets \d\d\.\d % of 300 .* needs 99 %; .*--floor"
    ):
        make("Identity", again=True, floor=0.99)


@pytest.mark.slow
def test_what_hides_everything_is_found_out(make: Make) -> None:
    card, plain = make("Blank"), make("Identity")
    assert value(card, "preserved_known") < 0.35
    assert value(card, "affinity") < 0.35
    assert value(card, "margin_violations") > 0.8
    assert value(card, "recognised") <= 1 / 300  # all views are the same, and one image is nearest to it
    assert value(card, "diversity") > 1.5
    assert value(card, "accuracy_change") < -0.3
    assert value(card, "worst_class") <= value(card, "accuracy_change")
    for name in ("data_label", "known_label", "known_colour", "known_rotation", "known_position"):
        assert value(card, f"{name}_view_bits") < 0.05
        assert value(card, f"{name}_x_bits") == value(plain, f"{name}_x_bits")
    assert card["augmenter"]["distribution"].endswith("calibration_augmenters.py")


@pytest.mark.long
@pytest.mark.slow
def test_a_mild_one_lies_between_and_repeats_itself(make: Make) -> None:
    card, plain, nothing = make("RandAugment"), make("Identity"), make("Blank")
    for key in ("preserved_known", "affinity", "recognised", "known_colour_view_bits"):
        assert value(nothing, key) < value(card, key) < value(plain, key), key
    for key in ("pixel_l2", "perceptual_judge", "perceptual_attacked", "logp_drop", "confidence_drop_judge"):
        assert value(card, key) > 0, key
    assert value(card, "diversity") > 1
    again = make("RandAugment", again=True)
    for one, other in zip(card["measures"], again["measures"], strict=True):
        assert one == other or one["key"] == "seconds"
    assert card["examples"] == again["examples"]


@pytest.mark.long
@pytest.mark.slow
def test_lpa3_is_measured_by_its_own_margin_and_counted(make: Make) -> None:
    card = make("LPA3", "LPA3.margin=0.05")
    assert card["augmenter"]["slot"] == "positives"
    assert card["augmenter"]["parameters"]["LPA3.margin"] == "0.05"
    (margin,) = [one for one in card["measures"] if one["key"] == "margin_violations"]
    assert "0.05" in margin["title"]
    assert "own margin" in margin["definition"]
    # The reference, then a pass and a probe for each of three iterations, and a way back for each.
    assert value(card, "forward") == 7
    assert value(card, "backward") == 3
    # Its training loss has 832 forward equivalents beside the 192 of a batch of 64.
    assert value(card, "training_cost") == pytest.approx((192 + 832) / 192, rel=1e-6)
    assert value(card, "perceptual_attacked") > 0.1
    assert value(card, "preserved_known") > value(make("Blank"), "preserved_known")


@pytest.mark.slow
def test_every_number_has_n_and_a_meaning(make: Make) -> None:
    card = make("RandAugment")
    keys = [one["key"] for one in card["measures"]]
    assert len(keys) == len(set(keys))
    for one in card["measures"]:
        assert one["n"] > 0
        assert one["definition"].endswith(".")
        assert (one["low"] is None) == (one["high"] is None) == (one["interval"] is None)
        if one["low"] is not None:
            assert one["low"] - 1e-12 <= one["value"] <= one["high"] + 1e-12, one["key"]
    assert sum(row["n"] for row in card["classes"]) == 300


@pytest.mark.slow
def test_another_runs_network_can_be_attacked(make: Any) -> None:
    plain = make("Identity")
    run = make.folder / "runs" / plain["protocol"]["runs"]["clean"]
    card = make("Learns", run=run, margin=0.5)
    assert card["protocol"]["attacked_run"] == run.name
    assert card["protocol"]["judge_trained_on"] == "the other half of the test images"
    assert value(card, "preserved") == 1
    assert "asked for" in next(o["definition"] for o in card["measures"] if o["key"] == "margin_violations")
    assert "only small images" in card["not_measured"]
    assert not [one for one in card["measures"] if one["key"].startswith("known")]
    assert card["protocol"]["margin"] == 0.5
    judge = run.with_name(plain["protocol"]["runs"]["judge"])
    with pytest.raises(UsageError, match="--judge JudgeNet: the attacked network has that backbone too"):
        make("Learns", again=True, run=judge)


@pytest.mark.parametrize(
    ("augmenter", "more", "error", "words"),
    [
        ("LPB3", {}, UsageError, "did you mean LPA3"),
        ("Digits", {}, UsageError, "no Digits among the augmenters"),
        ("Identity", {"judge": "NoNet"}, UsageError, "no NoNet among the backbones"),
        ("Identity", {"bindings": ("LPA3.margin=1.0",)}, ConfigError, "LPA3 is not bound"),
        ("Identity", {"bindings": ("judge/JudgeNet.widht=8",)}, ConfigError, "did you mean width"),
        ("Identity", {"bindings": ("judge/SmallNet.width=8",)}, ConfigError, "SmallNet is not bound"),
        ("LPA3", {"slot": "view"}, ConfigError, "auxiliary BatchNorm"),
        ("Identity", {"judge": "SmallNet"}, UsageError, "--judge SmallNet: the attacked network has that"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    tmp_path: Path, augmenter: str, more: dict[str, Any], error: type[Exception], words: str
) -> None:
    request = Request(
        augmenter=augmenter,
        files=(resolve_config("digits_supervised"),),
        data=tmp_path,
        runs=tmp_path / "runs",
        **more,
    )
    with pytest.raises(error, match=words):
        Trainer(request).train()
    assert not (tmp_path / "runs").exists()
