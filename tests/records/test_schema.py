"""What a record is: its digest, its identity, and the schema that others may read it by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from support.small_records import bits, changed, small_record, within

from lpa3bench.records import read_record
from lpa3bench.records.record_files import parse_record, record_text
from lpa3bench.records.schema import RecordData, RunIdentity, digest_of, json_schema
from lpa3bench.runtime.paths import shipped

RECORD = small_record(bits(7), seed=2, slots={"positives": "LPA3"}, earlier=[0.2, 0.8])
TEXT = record_text(RECORD.data)
PLAIN = json.loads(TEXT)
SHIPPED = shipped("leaderboards") / "digits" / "results"
EDITED = "contradicts itself: its digest is not that of what it holds: it was edited or damaged"


def said_of(data: Mapping[str, Any]) -> str:
    """Why a record with that data is refused."""
    with pytest.raises(ValueError, match="^(is no record|contradicts itself): ") as caught:
        parse_record(json.dumps(data).encode())
    return str(caught.value)


def without(part: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != name}


# -------------------------------------------------------------------------------------------------- digest
def test_neither_order_nor_spaces_enter_the_digest() -> None:
    turned = json.dumps(dict(reversed(PLAIN.items())), indent=3)
    assert parse_record(turned.encode()) == RECORD.data


def leaves(part: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in the record that holds no others."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    if not inner:
        yield path
    for key, value in inner:
        yield from leaves(value, *path, key)


LEAVES = [*leaves(PLAIN)]


def edited(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | float):
        return value + 1
    return f"{value}0" if isinstance(value, str) else ["0"] if isinstance(value, list) else {"x": "0"}


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_no_value_can_be_edited_unseen(path: tuple[str | int, ...]) -> None:
    data = deepcopy(PLAIN)
    place = data
    for key in path[:-1]:
        place = place[key]  # type: ignore[index]
    place[path[-1]] = edited(place[path[-1]])  # type: ignore[index]
    said = said_of(data)
    assert said == EDITED or said.startswith("is no record: "), "its form was wrong before its digest was"


def test_no_value_can_be_taken_away_unseen() -> None:
    whole = json.loads(record_text(changed(RECORD, details={"accuracy": {"x": 1}}).data))
    for name in whole:
        said = said_of(without(whole, name))
        assert said in (EDITED, f"is no record: Object missing required field `{name}`")
    more = PLAIN | {"config": {**PLAIN["config"], "LPA3.margin": "0.1"}}
    assert said_of(more) == EDITED


def test_a_field_that_is_added_later_changes_no_digest_and_no_identity() -> None:
    class OfTomorrow(RecordData, frozen=True, omit_defaults=True):
        weather: str | None = None

    class Identified(RunIdentity, frozen=True, omit_defaults=True):
        kernels: str = ""

    later = msgspec.json.decode(TEXT, type=OfTomorrow)
    assert digest_of(later) == RECORD.data.digest
    assert digest_of(msgspec.structs.replace(later, weather="rain")) != RECORD.data.digest
    parts = msgspec.structs.asdict(RECORD.data.identity)
    assert Identified(**parts).short == RECORD.identity != Identified(**parts, kernels="other ones").short


def test_another_identity_is_another_name() -> None:
    other = within(RECORD, "identity", numerics=2)
    assert (other.identity != RECORD.identity, other.name) == (True, RECORD.name)
    assert other.file_name == f"digits-supervised-lpa3-{other.identity}-s2.json"


# --------------------------------------------------------------------------------------------------- schema
def test_the_json_schema_asks_for_what_a_record_has() -> None:
    """Checked by hand, without a library: what is required is there, and nothing is there that it forbids."""
    schema = json_schema()
    kinds: dict[str, Any] = {
        "string": str, "integer": int, "number": int | float, "boolean": bool, "null": type(None),
        "array": list, "object": dict,
    }  # fmt: skip

    def check(value: Any, asked: dict[str, Any], where: str) -> int:
        """How many structures there are in the value."""
        asked = schema["$defs"][asked["$ref"].rpartition("/")[2]] if "$ref" in asked else asked
        if "anyOf" in asked:
            assert any(isinstance(value, kinds[one["type"]]) for one in asked["anyOf"]), where
        if "type" in asked:
            assert isinstance(value, kinds[asked["type"]]), where
        if "properties" in asked:
            assert {*asked["required"]} <= value.keys() <= asked["properties"].keys(), where
            assert asked["additionalProperties"] is False
            parts = [(part, asked["properties"][key], f"{where}.{key}") for key, part in value.items()]
        elif isinstance(asked.get("additionalProperties"), dict):
            parts = [(part, asked["additionalProperties"], f"{where}.{key}") for key, part in value.items()]
        else:
            parts = [(part, asked["items"], f"{where}[]") for part in value] if "items" in asked else []
        return ("properties" in asked) + sum(check(*part) for part in parts)

    assert check(PLAIN, schema, "record") == 10, "the record, and the structures in it"
    real = read_record(next(SHIPPED.glob("*.json")))
    assert check(json.loads(record_text(real.data)), schema, "record") > 10
    for name, wrong in (("curve", []), ("seed", "2"), ("cell", {"name": "a"})):
        with pytest.raises(AssertionError):
            check({**PLAIN, name: wrong} if wrong else without(PLAIN, name), schema, "record")
