"""`lpa3bench list`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from console import Cli

import lpa3bench
from lpa3bench.cli import main
from lpa3bench.hookspecs import KINDS

PLUGIN = """
from lpa3bench import hookimpl

class Wavy:
    pass

@hookimpl
def register_augmenters(register):
    register("Wavy", Wavy)
"""


def listed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["list", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def wavy(tmp_path: Path) -> Path:
    path = tmp_path / "wavy.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.py"
    path.write_text("import no_such_library")
    return path


def test_every_kind_has_its_section(cli: Cli) -> None:
    done = cli("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line in KINDS] == [*KINDS]
    assert re.search(rf"^  LPA3 +lpa3bench {lpa3bench.__version__}$", done.stdout, re.MULTILINE)


def test_one_kind() -> None:
    result = listed("tasks")
    assert result.stdout.splitlines()[0] == "tasks"
    assert "PES" in result.stdout
    assert "LPA3 " not in result.stdout


def test_an_unknown_kind_is_a_usage_error_that_names_the_kinds() -> None:
    result = listed("augmentors")
    assert result.exit_code == 2
    assert "augmenters" in result.stderr


def test_a_plugin_file_is_listed_with_its_path(wavy: Path) -> None:
    assert re.search(rf"^  Wavy +{wavy}$", listed("augmenters", "--plugin", wavy).stdout, re.MULTILINE)


def test_a_broken_plugin_is_listed_and_disturbs_nothing(wavy: Path, broken: Path) -> None:
    result = listed("augmenters", "--plugin", broken, "--plugin", wavy)
    assert result.exit_code == 0
    assert "Wavy" in result.stdout
    section = result.stdout.split("\n\nbroken\n")[1]
    assert section == f"  {broken}  ModuleNotFoundError: No module named 'no_such_library'\n"


def test_no_section_for_what_is_not_broken() -> None:
    assert "broken" not in listed().stdout


def test_json(wavy: Path, broken: Path) -> None:
    found = json.loads(listed("augmenters", "--json", "--plugin", wavy, "--plugin", broken).stdout)
    lpa3 = {
        "kind": "augmenters",
        "name": "LPA3",
        "distribution": f"lpa3bench {lpa3bench.__version__}",
        "target": "lpa3bench_plugins.augmenters.lpa3:LPA3",
    }
    assert lpa3 in found["plugins"]
    assert {entry["kind"] for entry in found["plugins"]} == {"augmenters"}
    (mine,) = [entry for entry in found["plugins"] if entry["name"] == "Wavy"]
    assert mine["target"].endswith("wavy:Wavy")
    assert [entry["distribution"] for entry in found["broken"]] == [str(broken)]


def test_a_name_claimed_twice_is_exit_5(tmp_path: Path) -> None:
    path = tmp_path / "usurper.py"
    path.write_text(PLUGIN.replace('"Wavy"', '"LPA3"'))
    result = listed("--plugin", path)
    assert result.exit_code == 5
    assert result.stderr.startswith("error: the name LPA3 is claimed twice")
    assert str(path) in result.stderr


def test_a_missing_plugin_file_is_a_usage_error(tmp_path: Path) -> None:
    result = listed("--plugin", tmp_path / "absent.py")
    assert result.exit_code == 2
    assert "no such file" in result.stderr
