"""Records read back: what is no record is refused, and so is one whose numbers do not hold together."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_records import NLL, bits, changed, small_record, write

from lpa3bench.errors import DataError
from lpa3bench.records import Record, find_records, pack, read_record, read_records, write_record
from lpa3bench.records import record_files as files
from lpa3bench.records.limits import DEEPEST
from lpa3bench.records.record_files import parse_record, record_text
from lpa3bench.records.schema import PackedBits, RecordData, digest_of
from lpa3bench.runtime.paths import shipped

RECORD = small_record(bits(7), seed=2, slots={"positives": "LPA3"}, earlier=[0.2, 0.8])
TEXT = record_text(RECORD.data)
PLAIN = json.loads(TEXT)
SHIPPED = shipped("leaderboards") / "digits" / "results"
EDITED = "contradicts itself: its digest is not that of what it holds: it was edited or damaged"


def said_of(text: str | bytes, folder: Path) -> str:
    """Why a file with that content is refused: one line, and no long one."""
    path = folder / "r.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_record(path)
    said = str(caught.value).removeprefix(f"{path}: ")
    assert said != str(caught.value)
    assert said.isprintable()
    assert len(said) < 300
    return said


def refused(folder: Path, record: Record = RECORD, **parts: Any) -> str:
    """Why the record with these parts, signed anew, is refused."""
    return said_of(record_text(changed(record, **parts).data), folder)


# ------------------------------------------------------------------------------------------ there and back
def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / RECORD.file_name
    write_record(path, RECORD.data)
    record = read_record(path)
    assert (record.data, record.path) == (RECORD.data, path)
    assert record_text(record.data) == path.read_text(encoding="utf-8") == TEXT
    assert (record.name, record.identity, record.seed) == ("digits-supervised-lpa3", RECORD.identity, 2)
    assert (record.score("accuracy.last"), record.score("accuracy.oracle_best")) == (0.7, 0.8)
    assert record.score("accuracy.val_selected") is None
    assert (record.score("accuracy.best"), record.score("nll.last"), record.score("last")) == (None,) * 3
    assert record.correct == bits(7)
    assert record.slots == {"positives": "LPA3"}
    assert (record.passes, record.seconds, record.is_result) == (1000.0, 2.0, True)
    assert (record.label_hash, record.data_hash, record.protocol_version) == ("a" * 64, "d" * 64, 1)
    assert (record.numerics, record.surroundings[1]) == (1, "AVX2")


def test_a_file_has_a_line_for_each_part() -> None:
    assert len(TEXT.splitlines()) == len(PLAIN) + 2
    assert TEXT.startswith('{\n"schema_version": 2,\n"purpose": "result",\n"cell": {"name":')
    assert msgspec.json.decode(TEXT, type=RecordData) == RECORD.data


def test_what_is_written_is_signed_whatever_digest_it_came_with(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", msgspec.structs.replace(RECORD.data, digest="0" * 64))
    assert read_record(tmp_path / "r.json").data.digest == RECORD.data.digest == digest_of(RECORD.data)


def test_runs_that_are_no_results_say_so() -> None:
    for other in (small_record(bits(7), limit=8), small_record(bits(7), purpose="score")):
        assert parse_record(record_text(other.data).encode()) == other.data
        assert not other.is_result


# ------------------------------------------------------------------------------- what its parts must agree in
def test_a_signature_hides_no_contradiction(tmp_path: Path) -> None:
    accuracy = RECORD.metrics["accuracy"]
    better = msgspec.structs.replace(accuracy, scores={**accuracy.scores, "oracle_best": 0.9})
    assert refused(tmp_path, metrics={"accuracy": better}) == (
        "contradicts itself: metrics.accuracy.oracle_best is 0.9, and the curve says 0.8"
    )
    curve = [*RECORD.curve[:-1], {**RECORD.curve[-1], "test/accuracy": 0.75}]
    assert refused(tmp_path, curve=tuple(curve)) == (
        "contradicts itself: metrics.accuracy.last is 0.7, and the curve says 0.75"
    )
    assert refused(tmp_path, correct=pack(bits(8))) == (
        "contradicts itself: 8 of the bits are right, and per_class counts 7"
    )
    cell = msgspec.structs.replace(RECORD.cell, identity="01234567")
    assert refused(tmp_path, cell=cell) == (
        f"contradicts itself: cell.identity is 01234567, and its parts come to {RECORD.identity}"
    )
    identity = msgspec.structs.replace(RECORD.data.identity, numerics=2)
    assert refused(tmp_path, identity=identity) == (
        f"contradicts itself: cell.identity is {RECORD.identity}, and its parts come to {identity.short}"
    )


def test_what_the_curve_must_have(tmp_path: Path) -> None:
    timeless, scoreless = (
        tuple({key: value for key, value in row.items() if key != name} for row in RECORD.curve)
        for name in ("seconds", "test/accuracy")
    )
    assert refused(tmp_path, curve=timeless) == (
        "contradicts itself: a row of the curve has no passes or no seconds"
    )
    assert refused(tmp_path, curve=scoreless) == (
        "contradicts itself: metrics.accuracy: the curve has no column test/accuracy of numbers"
    )
    assert refused(tmp_path, select="nll") == (
        "contradicts itself: it selects by nll, which is none of its metrics"
    )
    later = msgspec.structs.replace(RECORD.metrics["accuracy"], computed="later")
    assert refused(tmp_path, metrics={"accuracy": later}) == (
        "contradicts itself: it selects by accuracy, which the run did not compute"
    )


@pytest.mark.parametrize("number", [1e101, -1.7e308])
def test_no_number_is_too_large_for_a_mean(number: float, tmp_path: Path) -> None:
    """Such numbers would overflow in whatever is made of several runs."""
    scored = small_record(bits(5), kind=NLL, metric="nll", last=number)
    assert (
        said_of(record_text(scored.data), tmp_path)
        == "contradicts itself: test/nll is a number beyond 1e+100"
    )
    slow = small_record(bits(5), seconds=abs(number))
    assert "seconds is a number beyond 1e+100" in said_of(record_text(slow.data), tmp_path)
    later = msgspec.structs.replace(
        RECORD.data.metrics["accuracy"], scores={"last": number}, computed="later"
    )
    metrics = {**RECORD.data.metrics, "mine": later}
    assert "last is a number beyond 1e+100" in refused(tmp_path, metrics=metrics)


def test_what_classes_and_bits_must_agree_in(tmp_path: Path) -> None:
    classes = RECORD.data.per_class
    assert refused(tmp_path, per_class=msgspec.structs.replace(classes, names=("a", "b", "c"))) == (
        "contradicts itself: per_class names 3 classes and has 2 shares"
    )
    assert refused(tmp_path, per_class=msgspec.structs.replace(classes, images=(5, 6))) == (
        "contradicts itself: per_class counts 11 images, and correct 10"
    )
    for strange in ("AAAA", "?", base64.b64encode(zlib.compress(b"\xfe\x00")[:-1]).decode()):
        correct = msgspec.structs.replace(RECORD.data.correct, bits=strange)
        assert refused(tmp_path, correct=correct).startswith("contradicts itself: correct: ")
    nine = msgspec.structs.replace(pack(bits(7)), n=99)
    assert refused(tmp_path, correct=nine) == "contradicts itself: correct: holds no 99 bits"


def test_labels_have_a_hash(tmp_path: Path) -> None:
    for labels in ({}, {"sha256": "short"}, {"sha256": 5}):
        assert refused(tmp_path, labels=labels) == (
            "contradicts itself: labels.sha256 is missing or no SHA-256"
        )


# ------------------------------------------------------------------------------------ what today may not know
def test_a_metric_and_a_rule_that_nobody_here_knows_are_kept(tmp_path: Path) -> None:
    """Of a third party's metric, of a rule of tomorrow, and of one that came after the run."""
    kappa = RECORD.metrics["accuracy"]
    kappa = msgspec.structs.replace(
        kappa, title="Cohen's kappa", unit="", scores={"last": 0.4, "mean_of_the_best_3": 0.5}
    )
    accuracy = RECORD.metrics["accuracy"]
    accuracy = msgspec.structs.replace(accuracy, scores={"last": 0.7, "first": 0.1, "median_last_5": None})
    later = msgspec.structs.replace(kappa, computed="later", scores={"last": -3.5})
    curve = tuple({**row, "test/kappa": 0.4} for row in RECORD.curve)
    whole = changed(
        RECORD,
        metrics={"accuracy": accuracy, "kappa": kappa, "later_one": later},
        curve=curve,
        details={"kappa": {"table": [[1, 2], [3, 4]]}},
    )
    path = write(tmp_path, whole) / whole.file_name
    record = read_record(path)
    assert record.data == whole.data
    assert record.score("kappa.mean_of_the_best_3") == 0.5
    assert (record.score("accuracy.first"), record.score("later_one.last")) == (0.1, -3.5)
    assert record.score("accuracy.oracle_best") is None, "it was not recorded, and nobody makes it up"
    assert record.data.details == {"kappa": {"table": [[1, 2], [3, 4]]}}


def test_a_lower_score_may_be_the_better_one(tmp_path: Path) -> None:
    falling = small_record(bits(5), metric="nll", kind=NLL, earlier=[2.5, 0.5], last=1.25)
    record = read_record(write(tmp_path, falling) / falling.file_name)
    assert (record.score("nll.last"), record.score("nll.oracle_best")) == (1.25, 0.5)
    highest = msgspec.structs.replace(
        record.metrics["nll"], scores={**record.metrics["nll"].scores, "oracle_best": 2.5}
    )
    assert refused(tmp_path, falling, metrics={"nll": highest}) == (
        "contradicts itself: metrics.nll.oracle_best is 2.5, and the curve says 0.5"
    )


def test_the_selecting_metric_comes_first() -> None:
    accuracy = RECORD.metrics["accuracy"]
    two = changed(RECORD, metrics={"nll": accuracy, "accuracy": accuracy})
    assert [*two.metrics] == ["accuracy", "nll"]


# ------------------------------------------------------------------------------------------ what is no record
NAMED = "Expected `str` matching regex '^[a-z0-9_]+$'"
FORMS = [
    ('"seed": 2', '"seed": -1', "Expected `int` >= 0 - at `$.seed`"),
    ('"seed": 2', f'"seed": 1{"0" * 400}', "Expected `int` <= 9223372036854775807 - at `$.seed`"),
    ('"seed": 2', f'"seed": 1{"0" * 9999}', "Integer value out of range - at `$.seed`"),
    ('"seed": 2', '"seed": "2"', "Expected `int`, got `str` - at `$.seed`"),
    ('"seed": 2,\n', '"seed": 2,\n"sead": 2,\n', "Object contains unknown field `sead`"),
    ('"seed": 2,\n', '"seed": 2,\n"a\\nb": 2,\n', "Object contains unknown field `a b`"),
    ('"schema_version": 2,\n', "", "Object missing required field `schema_version`"),
    ('"schema_version": 2', '"schema_version": 0', "Invalid enum value 0 - at `$.schema_version`"),
    ('"status": "ok"', '"status": "failed"', "Invalid enum value 'failed' - at `$.status`"),
    ('"epochs":3', '"epochs":0', "Expected `int` >= 1 - at `$.cell.epochs`"),
    ('"name":"digits', '"name":"<b>', "Expected `str` matching regex '^[a-z0-9._-]+$' - at `$.cell.name`"),
    ('"last":0.7', '"last":"0.7"', "Expected `float | null`, got `str` - at `$.metrics[...].scores[...]`"),
    ('"accuracy":{', '"accu.racy":{', f"{NAMED} - at `key` in `$.metrics`"),
    ('"loss":0.5', '"loss":1e999', "Number out of range - at `$.curve[1][...]`"),
    ('"loss":0.5', f'"loss":1{"0" * 400}', "Expected `int` <= 9223372036854775807 - at `$.curve[1][...]`"),
    ('"loss":0.5', '"loss":true', "Expected `int | float | null`, got `bool` - at `$.curve[1][...]`"),
    ('"loss":0.5', '"loss":[0.5]', "Expected `int | float | null`, got `array` - at `$.curve[1][...]`"),
    ('"n":10', '"n":8589934592', "Expected `int` <= 10000000 - at `$.correct.n`"),
    ('"n":10', '"n":0', "Expected `int` >= 1 - at `$.correct.n`"),
]


@pytest.mark.parametrize(("old", "new", "says"), FORMS)
def test_the_form_is_checked_where_it_is_wrong(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert TEXT.count(old) == 1
    assert said_of(TEXT.replace(old, new), tmp_path) == f"is no record: {says}"


def test_a_record_of_tomorrow_asks_for_a_newer_reader(tmp_path: Path) -> None:
    text = TEXT.replace('"schema_version": 2', '"schema_version": 7')
    assert said_of(text, tmp_path) == (
        "is no record: schema_version is 7, and this lpa3bench reads up to 2: install a newer one"
    )


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", r'"\ud800"', "nul", "01"])
@pytest.mark.parametrize("place", ['"loss":0.5', '"seed": 2', '"kind":"Clean"'])
def test_what_json_does_not_know(place: str, value: str, tmp_path: Path) -> None:
    name = place.partition(":")[0]
    said = said_of(TEXT.replace(place, f"{name}:{value}"), tmp_path)
    assert said.startswith("is no JSON: JSON is malformed")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no JSON: Input data was truncated"),
        ("{", "is no JSON: Input data was truncated"),
        ("[]", "is no record: Expected `object`, got `array`"),
        ("null", "is no record: Expected `object`, got `null`"),
        ("{}", "is no record: Object missing required field `schema_version`"),
        (b"\xff\xfe{\x00}\x00", "is no JSON: JSON is malformed: invalid character (byte 0)"),
        (TEXT.replace("Clean", "?").encode().replace(b"?", b"\xed\xa0\x80"), "is no JSON: Invalid UTF-8"),
        ("[" * 100_000, "is no record: Expected `object`, got `array`"),
        ('{"a": ' * 100_000, "is no JSON: maximum recursion depth exceeded"),
        (TEXT[:-100], "is no JSON: Input data was truncated"),
        (TEXT + TEXT, "is no JSON: JSON is malformed: trailing characters"),
    ],
)
def test_what_is_no_record(text: str | bytes, says: str, tmp_path: Path) -> None:
    assert said_of(text, tmp_path).startswith(says)


def test_depths_are_refused_before_anybody_falls_in(tmp_path: Path) -> None:
    """A hundred thousand brackets are too many for any decoder; some hundreds for those who come after."""
    hole = '"kind":"Clean"'
    for name in ("labels", "details", "config", "curve"):
        deep = json.dumps({**PLAIN, name: "@"}).replace('"@"', f'{{"x": {"[" * 100_000}{"]" * 100_000}}}')
        assert said_of(deep, tmp_path).startswith("is no ")
    for depth in (DEEPEST, 600):
        deep = TEXT.replace(hole, f'"kind":{"[" * depth}{"]" * depth}')
        assert said_of(deep, tmp_path) == "contradicts itself: labels or details are nested more than 20 deep"


def zeros(mebibytes: int) -> bytes:
    """Packed as zlib would, and nobody has to hold them meanwhile: a mebibyte, again and again."""
    packer, one = zlib.compressobj(9), bytes(2**20)
    first, again = (packer.compress(one) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    checksum = (mebibytes * 2**20 % 65521 << 16) + 1
    return first + again * (mebibytes - 1) + b"\x03\x00" + checksum.to_bytes(4, "big")


@pytest.mark.parametrize("n", [10, 10_000_000])
def test_bits_that_unpack_to_more_than_they_say_fill_no_memory(n: int, tmp_path: Path) -> None:
    """A megabyte that comes to a gigabyte: it is unpacked up to n bits and no further."""
    assert zlib.decompress(zeros(2)) == bytes(2**21)
    bomb = base64.b64encode(zeros(1024)).decode()
    assert len(bomb) > 10**6
    tracemalloc.start()
    try:
        said = refused(tmp_path, correct=PackedBits(n=n, bits=bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said == f"contradicts itself: correct: holds no {n} bits"
    assert peak < 2**30 / 8


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 2**20)
    assert said_of(TEXT + " " * 2**20, tmp_path) == "is no record: larger than 1 MiB"
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="is no record: larger than 1 MiB"):
        read_record(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.json: cannot be read \(No such file or directory\)"):
        read_record(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_record(tmp_path)
    loop = tmp_path / "a-s0.json"
    loop.symlink_to(loop.name)
    assert [*find_records([tmp_path])] == [loop]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_the_file_holds_it_is_refused_and_nothing_else_happens(content: bytes) -> None:
    with pytest.raises(ValueError, match="^is no "):
        parse_record(content)


# --------------------------------------------------------------------------------------------------- places
def test_records_are_found_in_runs_in_boards_and_alone(tmp_path: Path) -> None:
    other = small_record(bits(3), seed=1)
    runs = write(tmp_path / "runs", RECORD, other, runs=True)
    board = write(tmp_path / "results", RECORD, other)
    (runs / "unfinished-run").mkdir()
    (board / "board.json").write_text("{}")
    (alone,) = find_records([runs / str(RECORD)])
    assert alone.name == "result.json"
    assert [*find_records([alone, runs])] == [alone, runs / str(other) / "result.json"]
    for place in (runs, board):
        records = read_records([place])
        assert [record.file_name for record in records] == [other.file_name, RECORD.file_name]
        assert [record.data for record in records] == [other.data, RECORD.data]
    with pytest.raises(DataError, match="nowhere: there is no such file or folder"):
        read_records([tmp_path / "nowhere"])


def test_a_board_is_a_place_too_and_any_name_will_do_where_none_is_a_runs(tmp_path: Path) -> None:
    board = tmp_path / "board"
    write(board / "results", RECORD)
    (board / "board.toml").write_text("")
    (board / "board.json").write_text("{}")
    assert [record.file_name for record in read_records([board])] == [RECORD.file_name]
    other = tmp_path / "other"
    write(other, RECORD)
    (other / RECORD.file_name).rename(other / "one.json")
    assert [path.name for path in find_records([other])] == ["one.json"]


def test_what_only_served_a_measurement_is_not_among_the_records_of_a_folder(tmp_path: Path) -> None:
    result, limited = small_record(bits(7)), small_record(bits(7), seed=1, limit=8)
    aids = [small_record(bits(7), seed=seed, purpose=of) for seed, of in ((2, "aid"), (3, "score"))]
    write(tmp_path, result, limited, *aids, runs=True)
    assert {record.seed for record in read_records([tmp_path])} == {0, 1}
    assert [aid.serves("result") for aid in (result, limited, *aids)] == [True, True, False, False]
    assert [aid.serves("aid") for aid in (result, limited, *aids)] == [True, True, True, False]
