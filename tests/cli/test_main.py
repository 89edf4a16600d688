"""The shell around the verbs: help, errors, exit codes, quiet ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from support.console import Cli

import lpa3bench
from lpa3bench import cli as shell
from lpa3bench import errors
from lpa3bench.cli import VERBS, main, module_of

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
LIGHT = """
import sys
from lpa3bench.cli import main
try:
    main({arguments!r})
except SystemExit as done:
    assert done.code == 0, done.code
heavy = {heavy!r} & set(sys.modules)
assert not heavy, heavy
"""


def verb_that(act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Result:
    """What the command line makes of a verb that does this."""
    command = click.Command("run", callback=act)
    monkeypatch.setattr(shell.Cli, "get_command", lambda self, ctx, name: command)
    return CliRunner().invoke(main, ["run"])


def fails_with(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"torch", "gin", "rich", "pluggy", "lpa3bench.plugin.registry", "lpa3bench.cli.list"}),
        (["--version"], {"torch", "gin", "rich", "pluggy", "lpa3bench.plugin.registry"}),
        (["list"], {"torch", "gin", "rich"}),
        (["version"], {"torch", "gin", "rich"}),
        (["completion", "zsh"], {"torch", "gin", "rich", "lpa3bench.plugin.registry"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_nothing_heavy_is_imported(arguments: list[str], heavy: set[str]) -> None:
    code = LIGHT.format(arguments=arguments, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_help_lists_every_verb() -> None:
    for flag in ("-h", "--help"):
        result = CliRunner().invoke(main, [flag])
        assert result.exit_code == 0
        for verb, text in VERBS.items():
            assert re.search(rf"^ +{verb} +{re.escape(text)}$", result.output, re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_of_itself_what_the_list_says(verb: str) -> None:
    command = import_module(module_of(verb)).command
    assert isinstance(command, click.Command)
    assert (command.help or "").splitlines()[0] == VERBS[verb]
    result = CliRunner().invoke(main, [verb, "-h"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {verb}")


def test_the_real_command(cli: Cli) -> None:
    done = cli("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"lpa3bench {lpa3bench.__version__}\n", "")


@pytest.mark.parametrize(
    "error",
    [
        errors.RunFailed("the disk is full"),
        errors.UsageError("no such file"),
        errors.ConfigError("a.gin:3: no such name"),
        errors.DataError("CIFAR10 is not in /data"),
        errors.PluginError("Wavy is claimed twice"),
        errors.Stopped("SIGTERM at step 3", signal.SIGTERM),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_users_error_is_one_line_and_an_exit_code(
    error: errors.BenchError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LPA3BENCH_TRACEBACK", raising=False)
    result = verb_that(fails_with(error), monkeypatch)
    assert result.stdout == ""
    assert result.stderr == f"error: {error}\n"
    assert result.exit_code == error.exit_code


def test_a_message_of_several_lines_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verb_that(fails_with(errors.ConfigError("a.gin:3:\nno such name\n")), monkeypatch)
    assert result.stderr == "error: a.gin:3: no such name\n"


def test_a_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPA3BENCH_TRACEBACK", "1")
    result = verb_that(fails_with(errors.ConfigError("a.gin:3: no such name")), monkeypatch)
    assert isinstance(result.exception, errors.ConfigError)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verb_that(fails_with(ZeroDivisionError()), monkeypatch)
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_file_that_the_system_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LPA3BENCH_TRACEBACK", raising=False)
    result = verb_that(lambda: Path("x" * 300).stat(), monkeypatch)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: xxx")
    assert line.endswith("cannot be used (File name too long); choose a shorter path")


def test_what_a_verb_prints_holds_no_control_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verb_that(lambda: click.echo("class \x9b2J \u202eerutaef"), monkeypatch)
    assert result.stdout == "class ?2J ?erutaef\n"


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verb_that(fails_with(KeyboardInterrupt()), monkeypatch)
    assert result.exit_code == 130
    assert result.stderr == "error: interrupted\n"


@pytest.mark.parametrize(
    ("word", "advice"),
    [("rnu", "did you mean run?"), ("lst", "did you mean list?"), ("xyzzy", "verbs are run")],
)
def test_an_unknown_verb_is_a_usage_error(word: str, advice: str) -> None:
    result = CliRunner().invoke(main, [word])
    assert result.exit_code == 2
    assert f"there is no verb '{word}'; {advice}" in result.stderr


def test_no_verb_at_all_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, []).exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell is needed")
def test_a_reader_that_goes_away_is_no_error() -> None:
    """`lpa3bench list | true`, with enough to say that the pipe cannot hold it."""
    code = (
        "import click, lpa3bench.cli as shell\n"
        "command = click.Command('run', callback=lambda: [click.echo('x' * 9999) for _ in range(99)])\n"
        "shell.Cli.get_command = lambda self, ctx, name: command\n"
        "shell.main(['run'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode == 141


NOISY = """
import logging, os, sys
print("a plugin's print")
os.write(1, b"a library's C code\\n")
os.system("echo a child of theirs")
logging.StreamHandler(sys.stdout).emit(logging.makeLogRecord({"msg": "a logger of theirs"}))
"""


def test_only_our_own_output_reaches_stdout(cli: Cli, tmp_path: Path) -> None:
    """So that `--json` is JSON, whatever plugins and libraries print, and by whatever door."""
    (tmp_path / "noisy.py").write_text(NOISY)
    done = cli("list", "tasks", "--json", "--plugin", tmp_path / "noisy.py")
    assert done.returncode == 0, done.stderr
    assert "DivideMix" in json.dumps(json.loads(done.stdout))
    said = ["a plugin's print", "a library's C code", "a child of theirs", "a logger of theirs"]
    assert [line for line in said if line not in done.stderr.splitlines()] == []
    inside = CliRunner().invoke(main, ["list", "tasks", "--json", "--plugin", str(tmp_path / "noisy.py")])
    assert json.loads(inside.stdout) == json.loads(done.stdout)


def test_a_terminal_that_cannot_show_a_sign_shows_a_question_mark(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine_….py").write_text("1 / 0")
    done = cli("list", "tasks", "--plugin", tmp_path / "mine_….py", env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "mine_?.py  ZeroDivisionError" in done.stdout


def test_the_documentation_has_every_verb_exit_code_and_variable() -> None:
    text = DOCS.read_text()
    for verb in VERBS:
        assert f"`lpa3bench {verb}" in text, verb
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 5
    for code in {getattr(kind, "exit_code", 1) for kind in kinds} | {0, 130, 141, 143}:
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code
    sources = [path.read_text() for path in Path(lpa3bench.__file__).parent.rglob("*.py")]
    variables = {name for source in sources for name in re.findall(r"\bLPA3BENCH_[A-Z]+\b", source)}
    assert "LPA3BENCH_DATA" in variables
    for name in variables - {"LPA3BENCH_COMPLETE", "LPA3BENCH_API"}:
        assert f"`{name}`" in text, name
