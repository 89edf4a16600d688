"""What defines a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lpa3bench import config as configs
from lpa3bench.cli.run import command
from lpa3bench.config import Config
from lpa3bench.config.defaults import identity_config
from lpa3bench.config.names import Catalogue
from lpa3bench.errors import DataError
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.registry import Entry
from lpa3bench.records import Record, read_record
from lpa3bench.records.record_files import parse_record
from lpa3bench.records.schema import RunIdentity
from lpa3bench.training import identity as identities
from lpa3bench.training.job import Job, identify, plan

BOARDS = Path(__file__).parents[2] / "leaderboards"


class One:
    pass


class Two:
    version = 3


def entries(distribution: str) -> list[Entry]:
    return [Entry("tasks", name, cls, f"{distribution} 1.0") for name, cls in (("One", One), ("Two", Two))]


def identity(**changed: Any) -> RunIdentity:
    parts: dict[str, Any] = {
        "config": {"run.epochs": "3", "Task.lr": "0.1"},
        "plugins": entries("toys"),
        "data_hash": "d",
    }
    return identities.identity(**(parts | changed))


def test_the_same_run_has_the_same_name() -> None:
    plain = identity()
    assert identity() == plain
    assert identity(plugins=entries("toys")[::-1]).short == plain.short
    assert identity(config={"Task.lr": "0.1", "run.epochs": "3"}).short == plain.short
    assert len(plain.short) == 8
    assert identities.differences(plain, identity()) == []
    assert identities.identity_changes(identities.identity_as_json(plain), identity()) == ""
    assert msgspec.json.decode(msgspec.json.encode(plain), type=RunIdentity) == plain


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"config": {"run.epochs": "3", "Task.lr": "0.2"}}, ["Task.lr: 0.1 → 0.2"]),
        ({"config": {"Task.lr": "0.1", "Task.k": "2"}}, ["Task.k: the default → 2", "run.epochs: 3 → "]),
        ({"data_hash": "e"}, ["the data: d → e"]),
        ({"limit": 64}, ["--limit: None → 64"]),
        ({"label_content": b"y"}, ["the label file: None → "]),
    ],
)  # fmt: skip
def test_another_run_has_another_name_and_its_difference_is_told(
    changed: dict[str, Any], told: list[str]
) -> None:
    one, other = identity(), identity(**changed)
    assert one.short != other.short
    found = identities.differences(one, other)
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


def test_the_engine_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is raised by hand: a comment in the engine makes no other run."""
    one = identity()
    monkeypatch.setattr(identities, "NUMERICS_VERSION", 2)
    assert identity().short != one.short
    assert identities.differences(one, identity()) == ["the engine's numerics version: 1 → 2"]


def test_ours_are_versions_and_others_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity(plugins=entries("lpa3bench")).plugins == {"One": "1", "Two": "3"}
    theirs = identity().plugins
    assert all(len(digest) == 16 for digest in theirs.values())
    mine = [Entry("tasks", "One", One, "lpa3bench x.py", file=Path(__file__))]
    assert len(identity(plugins=mine).plugins["One"]) == 16, "a file is nobody's distribution"
    before = identity(plugins=entries("lpa3bench"))
    monkeypatch.setattr(Two, "version", 4)
    assert identities.differences(before, identity(plugins=entries("lpa3bench"))) == ["Two: version 3 → 4"]


def test_other_code_is_told() -> None:
    one = identity()
    other = msgspec.structs.replace(one, plugins=one.plugins | {"One": "0" * 16})
    assert identities.differences(one, other) == ["the code of One has changed"]


def test_what_only_measures_is_no_part_of_it() -> None:
    kappa = Entry("metrics", "Kappa", One, "toys 1.0")
    assert identity(plugins=[*entries("toys"), kappa]) == identity()


def test_many_differences_are_told_in_few_words() -> None:
    assert identities.in_one_line(["a", "b"]) == "a; b"
    assert identities.in_one_line([*"abcde"]) == "a; b; c; and 2 more"


# ----------------------------------------------------------------------------------------- shipped records
SHIPPED = sorted(BOARDS.glob("digits/results/*-s100.json")) + sorted(
    BOARDS.glob("fashion_mini/results/*-s0.json")
)
"""A record of every cell of the shipped boards, upgraded from schema 1."""
OLD = Path(__file__).parents[1] / "records/data/digits-supervised-clean-75e86011-s106.json"
"""One of schema 1, as it was written."""


def planned_by_its_command(record: Record) -> Config:
    """What the command that made it means today."""
    command_line = [*record.data.provenance.command[2:]]
    given = command.make_context("run", command_line).params
    return configs.load_config(
        given["files"],
        setting=given["setting"],
        bindings=given["bindings"],
        registry=registries.load_registry(),
    )


def test_a_shipped_record_is_of_the_run_that_its_command_means_today() -> None:
    """So that a suite goes on with new seeds, and its old records stand beside the new ones."""
    names: dict[str, Path] = {}
    assert len(SHIPPED) == 76
    for file in SHIPPED:
        record = read_record(file)
        held = record.data.identity
        config = planned_by_its_command(record)
        now = identify(config, data_hash=held.data, content=b"", limit=held.limit)
        assert held == now, file.name
        assert config.recorded == record.config, f"{file.name}: what is younger belongs to `added`"
        assert record.identity == now.short
        assert now.short not in names, f"{file.name} and {names[now.short]} are two cells"
        names[now.short] = file


def test_its_data_are_those_of_today(tmp_path: Path) -> None:
    record = read_record(SHIPPED[0])
    config = planned_by_its_command(record)
    planned = plan(Job(config=config, seed=100, device="cpu", data=tmp_path, out=tmp_path / "runs"))
    assert planned.identity == record.data.identity
    assert planned.folder.path.name == SHIPPED[0].stem


def test_an_old_record_is_of_the_run_that_its_command_means_today() -> None:
    record = read_record(OLD)
    values = identity_config(record.config, Catalogue(registries.load_registry()))
    found = identities.of_record(record.data, values)
    assert found == identify(planned_by_its_command(record), data_hash=found.data, content=b"", limit=None)


def test_of_others_an_old_record_keeps_what_it_says() -> None:
    old = json.loads(OLD.read_text())
    old["provenance"]["plugins"]["Mine"] = "mine 1.0"
    old["provenance"]["plugin_sources"]["Mine"] = "2" * 16
    found = identities.of_record(parse_record(json.dumps(old).encode()), {"run.epochs": "3"})
    assert found.plugins["Mine"] == "2" * 16
    assert found.plugins["Supervised"] == "1"
    assert (found.config, found.limit, found.numerics) == ({"run.epochs": "3"}, None, 1)


def test_an_unknown_engine_has_no_numerics_version() -> None:
    old = json.loads(OLD.read_text())
    old["provenance"]["engine"] = "0" * 16
    with pytest.raises(DataError, match="digest 0000000000000000"):
        identities.of_record(parse_record(json.dumps(old).encode()), {})


# ----------------------------------------------------------------------------------------- what a run wrote
def test_what_a_run_wrote_is_read_back() -> None:
    began = {"identity": identities.identity_as_json(identity(limit=3)), "seed": 0, "provenance": {}}
    again = json.loads(json.dumps(began))
    assert identities.from_plain(again) == identity(limit=3)
    assert identities.short_of(again) == identity(limit=3).short


def test_what_an_earlier_engine_wrote_is_read_too() -> None:
    held = {
        "config": ["run.epochs = 3", "positives/augmenters.LPA3.margin = 0.02"],
        "data": "d",
        "engine": "d96fb4873683e697",
        "labels": None,
        "limit": None,
        "plugins": {"LPA3": "1" * 16},
    }
    began = {"identity": held, "seed": 0, "provenance": {"plugins": {"LPA3": "lpa3bench 0.1.0"}}}
    found = identities.from_plain(began)
    assert found.config == {"run.epochs": "3", "positives/LPA3.margin": "0.02"}
    assert (found.numerics, found.plugins) == (1, {"LPA3": "1"})
    assert identities.short_of(began) == "2d302950", "the digits that are in the name of its directory"
    assert identities.from_plain(began | {"identity": held | {"engine": "0" * 16}}).numerics == 0


def test_an_identity_that_was_not_kept_is_another() -> None:
    assert identities.identity_changes(None, identity()) == "by an earlier lpa3bench"
