"""The examples of CONTRIBUTING.md, put together as it says and run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lpa3bench.cli import main
from lpa3bench.plugin import hookspecs
from lpa3bench.plugin.registry import load_registry

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def blocks(language: str) -> str:
    return "\n\n".join(re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(blocks("python"))
    (tmp_path / "mine.gin").write_text(blocks("gin"))
    return tmp_path


def test_the_examples_register_one_plugin_of_each_kind(mine: Path) -> None:
    registry = load_registry((mine / "mine.py",))
    assert registry.broken == ()
    own = [entry for entry in registry.entries if entry.distribution == str(mine / "mine.py")]
    assert sorted(entry.kind for entry in own) == sorted(hookspecs.KINDS)


def test_the_examples_run(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    words = ["run", "mine.gin", "--plugin", "mine.py", "--device", "cpu", "--data", str(mine), "--json"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["status"] == "ok"
    assert len(record["curve"]) == 2
    assert record["labels"]["kind"] == "OneWayNoise"
