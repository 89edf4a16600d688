"""`lpa3bench completion`, and what the scripts ask for."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from lpa3bench.cli import VERBS, main
from lpa3bench.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_LPA3BENCH_COMPLETE={shell}_complete" in result.stdout
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n"], input=result.stdout, text=True).returncode == 0


def test_an_unknown_shell_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "bash" in result.stderr


def offered(monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What bash gets for the last word of a line."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_LPA3BENCH_COMPLETE", "bash_complete")
    result = CliRunner().invoke(main, prog_name="lpa3bench")
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "lpa3bench ") == [f"plain,{verb}" for verb in VERBS]
    assert offered(monkeypatch, "lpa3bench comple") == ["plain,completion"]


def test_options_and_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "plain,--json" in offered(monkeypatch, "lpa3bench list --")
    assert offered(monkeypatch, "lpa3bench list a") == ["plain,augmenters"]


def test_gin_files_by_name_or_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    items = offered(monkeypatch, "lpa3bench check quick")
    assert items == ["file,quick", "plain,quickstart"]
    assert "plain,augmenters/lpa3" in offered(monkeypatch, "lpa3bench run quickstart augm")


def test_suites_where_they_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "plain,suites/table1" in offered(monkeypatch, "lpa3bench check sui")
    assert "plain,suites/table1" in offered(monkeypatch, "lpa3bench show sui")
    assert offered(monkeypatch, "lpa3bench run sui") == ["file,sui"]
