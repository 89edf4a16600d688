"""`lpa3bench list`."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.console import Cli

import lpa3bench
from lpa3bench.cli import main
from lpa3bench.plugin.description import LONGEST, opening, summary
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.plugin.registry import load_registry
from lpa3bench.runtime.paths import config_names, suite_names
from lpa3bench_plugins.augmenters.lpa3 import LPA3

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
    assert re.search(rf"^  LPA3 +lpa3bench {lpa3bench.__version__} +[A-Z]", done.stdout, re.MULTILINE)


def test_one_kind() -> None:
    result = listed("tasks")
    assert result.stdout.splitlines()[0] == "tasks"
    assert "PES" in result.stdout
    assert "LPA3 " not in result.stdout


def test_what_a_plugin_is_and_takes() -> None:
    text = listed("LPA3").stdout
    assert text.startswith(f"LPA3 (augmenters, lpa3bench {lpa3bench.__version__})\n\n")
    assert (inspect.getdoc(LPA3) or "") in text
    assert re.search(r"^  LPA3\.margin = 0\.02 +takes a float$", text, re.MULTILINE)
    assert re.search(r"^  LPA3\.step_size = None +takes a float or None$", text, re.MULTILINE)
    required = listed("FromFile").stdout
    assert re.search(r"^  FromFile\.path +takes a str \(in quotes\)$", required, re.MULTILINE)


def test_what_the_data_set_tells_a_backbone_is_no_parameter() -> None:
    told = json.loads(listed("WideResNet", "--json").stdout)
    assert [*told["parameters"]] == ["depth", "widen", "groups", "tf_preact", "bn_momentum"]
    assert told["parameters"]["depth"] == {"takes": "an int", "required": False, "default": "28"}
    assert "It has no parameters." in listed("Clean").stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("LPA", "there is no plugin and no kind LPA; did you mean LPA3"),
        ("augmentors", "did you mean augmenters"),
        ("zzz", "the kinds are tasks, augmenters, backbones, datasets, labels"),
    ],
)
def test_a_name_that_there_is_not(name: str, says: str) -> None:
    done = listed(name)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_plugin_of_a_file_without_a_description(wavy: Path) -> None:
    text = listed("Wavy", "--plugin", wavy).stdout
    assert text == f"Wavy (augmenters, {wavy})\n\nIt has no parameters.\n"


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
        "description": opening(inspect.getdoc(LPA3) or ""),
    }
    assert lpa3 in found["plugins"]
    assert {entry["kind"] for entry in found["plugins"]} == {"augmenters"}
    (mine,) = [entry for entry in found["plugins"] if entry["name"] == "Wavy"]
    assert mine["target"].startswith("lpa3bench_file_wavy_")
    assert mine["target"].endswith(":Wavy")
    assert [entry["distribution"] for entry in found["broken"]] == [str(broken)]


def test_every_plugin_of_ours_says_what_it_is() -> None:
    for entry in load_registry().entries:
        if entry.is_ours:
            assert summary(entry) == opening(inspect.getdoc(entry.load()) or ""), entry.name
            assert 0 < len(summary(entry)) <= LONGEST


@pytest.mark.parametrize("kind", ["configs", "overlays", "suites", "boards"])
def test_what_is_shipped_is_listed_with_a_description(kind: str) -> None:
    rows = json.loads(listed(kind, "--json").stdout)[kind]
    assert len(rows) > 4
    for row in rows:
        assert len(row["description"]) > 5, row
        assert re.search(rf"^  {row['name']} +{re.escape(row['description'])}$", listed(kind).stdout, re.M)


def test_the_lists_hold_every_shipped_file_once() -> None:
    names = [
        r["name"]
        for k in ("configs", "overlays", "suites")
        for r in json.loads(listed(k, "--json").stdout)[k]
    ]
    assert sorted(names) == sorted([*config_names(), *suite_names()])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One. Two.", "One"),
        ("Runs over\n    two lines, e.g. here: more", "Runs over two lines, e.g. here: more"),
        ("As Guo et al. (2017) have it, in Fig. 4. More.", "As Guo et al. (2017) have it, in Fig. 4"),
        ("x " * 80, f"{'x ' * 48}x…"),
        ("", ""),
        ("A \x1b[31mred word.", "A ?[31mred word"),
    ],
)
def test_the_first_sentence(text: str, said: str) -> None:
    assert opening(text) == said


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
