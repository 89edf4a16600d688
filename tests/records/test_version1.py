"""Records of schema 1, which are read for ever."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lpa3bench.records import Record, pack, read_record
from lpa3bench.records.record_files import anonymous, parse_record, record_text
from lpa3bench.records.schema import RunIdentity, digest_of
from lpa3bench.records.version1 import NUMERICS_OF_ENGINE, upgraded

DATA = Path(__file__).parent / "data"
DIGITS = DATA / "digits-supervised-clean-75e86011-s106.json"
"""A run with a validation split, and more than twenty epochs."""
FASHION = DATA / "fashionmnist-pes-sym50-afda19b4-s2.json"
"""Three epochs without one."""
FILES = pytest.mark.parametrize("path", [DIGITS, FASHION], ids=["digits", "fashion"])


def plain(path: Path) -> dict[str, Any]:
    """A copy that can be edited."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["schema_version"] == 1
    return found


def of(old: dict[str, Any]) -> Record:
    return Record(parse_record(json.dumps(old).encode()), Path("old.json"))


@FILES
def test_every_number_is_the_one_that_was_written(path: Path) -> None:
    old, new = plain(path), read_record(path)
    assert [*new.metrics] == ["accuracy"]
    for name, value in old["metrics"].items():
        assert new.score(f"accuracy.{name}") == value, name
    renamed = {"test": "test/accuracy", "val": "val/accuracy"}
    assert [{renamed.get(k, k): v for k, v in row.items()} for row in old["curve"]] == [*new.curve]
    assert [*new.data.per_class.shares] == old["per_class"]
    assert sum(new.correct) == round(old["metrics"]["last"] * old["correct"]["n"])
    assert (new.data.correct.n, new.data.correct.bits) == (old["correct"]["n"], old["correct"]["bits"])
    assert (new.seconds, new.passes) == (
        old["cost"]["training_seconds"],
        old["cost"]["forward_equivalents"],
    )
    assert new.data.labels == old["labels"]


@FILES
def test_what_it_is_of_stays(path: Path) -> None:
    old, new = plain(path), read_record(path)
    where = old["provenance"]
    assert (where["device"], where["precision"], new.data.provenance.precision) == ("cpu", "auto", "float32")
    assert (new.name, new.identity, new.seed) == (old["cell"]["name"], old["cell"]["identity"], old["seed"])
    assert new.file_name == path.name
    assert (new.config, new.slots) == (old["config"], old["cell"]["slots"])
    assert (new.label_hash, new.data_hash) == (old["labels"]["sha256"], where["data_sha256"])
    assert new.data.protocol.changed == tuple(old["protocol"]["changed"])
    assert new.data.provenance.versions == where["versions"]
    assert (new.data.provenance.engine_source, new.numerics) == ("d96fb4873683e697", 1)
    assert NUMERICS_OF_ENGINE[where["engine"]] == 1
    assert (new.data.purpose, new.is_result, new.data.schema_version) == ("result", True, 2)
    assert (new.data.provenance.cpu_model, new.data.provenance.cpu_capability) == (where["hardware"], None)
    assert new.data.provenance.gpu_name is None
    assert new.data.identity.recipe == 1


def test_why_there_is_no_number_stands_beside_it_and_no_more_among_the_flags() -> None:
    assert len(plain(FASHION)["flags"]) == 2
    new = read_record(FASHION)
    assert new.data.flags == ()
    assert new.metrics["accuracy"].undefined == {
        **dict.fromkeys(("mean_last_10", "mean_last_20", "median_last_20"), "the run has only 3 epochs"),
        "val_selected": "there is no validation split (run.holdout = N makes one)",
    }
    assert (new.data.protocol.selection, read_record(DIGITS).data.protocol.selection) == (
        None,
        "val/accuracy",
    )
    told = of({**plain(DIGITS), "flags": ["positives was bound and never used: …"]})
    assert told.data.flags == ("positives was bound and never used: …",)


@FILES
def test_it_is_written_as_one_of_today(path: Path) -> None:
    new = read_record(path)
    assert new.data.digest == digest_of(new.data)
    text = record_text(new.data)
    assert json.loads(text)["schema_version"] == 2
    assert parse_record(text.encode()) == new.data
    assert anonymous(new.data) == new.data


def test_under_an_identity_of_today_its_numbers_stay() -> None:
    old = read_record(DIGITS)
    identity = RunIdentity(config={}, data=old.data_hash, labels=None, limit=None, numerics=1, plugins={})
    new = Record(parse_record(record_text(upgraded(old.data, identity)).encode()), DIGITS)
    assert (new.identity, new.data.identity) == (identity.short, identity)
    assert new.identity != old.identity
    assert (new.metrics, new.curve, new.config) == (old.metrics, old.curve, old.config)


def selected_by_area() -> dict[str, Any]:
    """As schema 1 told of a run that selected by the area: of two epochs the second."""
    old = plain(FASHION)
    rows = [{**row, "val": 0.9 - epoch / 10} for epoch, row in enumerate(old["curve"])]
    areas = [(0.6, 0.7), (0.8, 0.9), (0.7, None)]
    old["curve"] = [
        {**row, "test_auc": test, "val_auc": val} for row, (test, val) in zip(rows, areas, strict=True)
    ]
    old["metrics"] |= {
        "val_selected": rows[1]["test"], "auc_last": 0.7, "auc_val_selected": 0.8, "auc_oracle_best": 0.8,
    }  # fmt: skip
    old["config"]["run.select"] = "'auc'"
    old["protocol"]["selection"] = "val_auc"
    return old


def test_a_run_that_selected_by_the_area_had_two_metrics() -> None:
    new = of(selected_by_area())
    assert (new.data.select, [*new.metrics]) == ("macro_auc", ["macro_auc", "accuracy"])
    assert (new.score("macro_auc.last"), new.score("macro_auc.val_selected")) == (0.7, 0.8)
    assert new.score("accuracy.val_selected") == new.curve[1]["test/accuracy"]
    assert (new.config["run.select"], new.data.protocol.selection) == ("'macro_auc'", "val/macro_auc")
    assert new.curve[2]["val/macro_auc"] is None


def edited(part: str, value: Any) -> dict[str, Any]:
    """With a value that its name leads to, `cost.training_seconds`, replaced."""
    old = deepcopy(plain(DIGITS))
    *path, last = part.split(".")
    place: Any = old
    for key in path:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    return old


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("metrics.oracle_best", 0.5, "contradicts itself: metrics.oracle_best is 0.5, and the curve says 0."),
        ("metrics.first", 0.5, "contradicts itself: metrics.first is 0.5, and the curve says None"),
        ("metrics.auc_last", 0.5, "contradicts itself: metrics.auc_last is 0.5, and the curve says None"),
        ("correct", {"n": 717, "bits": "AAAA"}, "contradicts itself: correct: its bits cannot be unpacked"),
        ("curve.0.passes", "many", "is no record: Expected `int | float | null`, got `str`"),
        ("curve.0.passes", 10**400, "is no record: Expected `int` <= 9223372036854775807"),
        ("curve.0.seconds", None, "contradicts itself: a row of the curve has no passes or no seconds"),
        ("labels.sha256", "ab", "contradicts itself: labels.sha256 is missing or no SHA-256"),
        ("provenance.data_sha256", 5, "is no record: Expected `str`, got `int` - at `$.identity.data`"),
        ("seed", -1, "is no record: Expected `int` >= 0 - at `$.seed`"),
        ("curve", [], "is no record: not the form of schema 1: list index out of range"),
        ("provenance", None, "is no record: not the form of schema 1: 'NoneType' object is not"),
        ("cell.name", "<b>", "is no record: Expected `str` matching regex"),
    ],
)  # fmt: skip
def test_it_is_checked_as_any_other(part: str, value: Any, says: str) -> None:
    with pytest.raises(ValueError, match="^(is no record|contradicts itself): ") as caught:
        of(edited(part, value))
    assert str(caught.value).startswith(says)


def test_its_bits_count_up_to_its_accuracy() -> None:
    """Schema 1 had no other place that said how many were right."""
    right = read_record(DIGITS).correct
    flipped = pack([not right[0], *right[1:]])
    with pytest.raises(
        ValueError, match=r"^contradicts itself: 0\.\d{6} of the bits are right, and metrics.last"
    ):
        of(edited("correct", {"n": flipped.n, "bits": flipped.bits}))


@pytest.mark.parametrize("name", ["cell", "metrics", "per_class", "cost", "provenance", "config", "flags"])
def test_a_part_that_is_missing_is_missed(name: str) -> None:
    old = {key: value for key, value in plain(DIGITS).items() if key != name}
    with pytest.raises(ValueError, match=rf"^is no record: '{name}' is missing \(schema 1\)$"):
        of(old)
