"""`--json`: every verb that prints data has it, and prints JSON alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from lpa3bench.cli import main
from lpa3bench.runtime.paths import shipped

WITHOUT = {"completion"}
"""Prints a script."""


def verbs(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, *before, name)
        else:
            yield " ".join((*before, name)), command


def test_every_verb_that_prints_data_has_it() -> None:
    found = dict(verbs(main))
    assert len(found) > 20
    lacking = {name for name, c in found.items() if not any("--json" in p.opts for p in c.params)}
    assert lacking == WITHOUT


def told(*words: str | Path, code: int = 0) -> Any:
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_check(tmp_path: Path) -> None:
    (tmp_path / "bad.gin").write_text("run.view = @augmenters.Nobody()\n")
    good, bad = told("check", "augmenters/none", tmp_path / "bad.gin", "--json", code=3)
    assert (good["ok"], good["what"], good["errors"]) == (True, "overlay: syntax, names and types", [])
    assert bad["ok"] is False
    assert "there is no augmenters.Nobody" in bad["errors"][0]


def test_data(tmp_path: Path) -> None:
    found = told("data", "verify", "Digits", "FashionMNIST", "--data", tmp_path, "--json", code=4)["datasets"]
    assert found["Digits"]["splits"] == {"train": 901, "val": 179, "test": 717}
    assert found["Digits"]["problem"] is None
    assert found["FashionMNIST"]["splits"] is None
    assert "FashionMNIST" in found["FashionMNIST"]["problem"]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boards")
    shutil.copytree(shipped("leaderboards") / "fashion_mini", folder / "fashion_mini")
    shutil.copy(shipped("leaderboards") / "published.toml", folder)
    return folder / "fashion_mini"


def test_leaderboard_and_records(board: Path) -> None:
    built = told("leaderboard", "build", board, "--json")
    assert (built["taken"], built["refused"], built["measured"]) == (0, [], built["cells"])
    assert str(board / "index.html") in built["pages"]
    upgraded = told("records", "upgrade", board, "--json")
    assert upgraded == {"records": upgraded["records"], "rewritten": 0, "damaged": 0}
    assert upgraded["records"] > 4
