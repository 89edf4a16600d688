"""`lpa3bench check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support import config_plugins
from support.config_plugins import WHOLE
from support.console import Cli

from lpa3bench.cli import main

LINES = len(WHOLE.splitlines())
Write = Callable[[str, str], str]


def checked(*arguments: str | Path) -> Result:
    plugins = ("--plugin", config_plugins.__file__)
    return CliRunner().invoke(main, ["check", *map(str, arguments), *plugins], catch_exceptions=False)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into the working folder and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return name

    return write


def test_a_line_for_each_file_that_is_right(write: Write) -> None:
    whole, overlay = write("a.gin", WHOLE), write("over.gin", "run.view = @ToyJitter()")
    single = write(
        "single.gin", "".join(f"{s}\n" for s in WHOLE.splitlines() if "low" not in s).replace("high/", "")
    )
    result = checked(whole, overlay, single)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "a.gin: ok (settings low, high)",
        "over.gin: ok (overlay: syntax, names and types)",
        "single.gin: ok (no settings)",
    ]


def test_all_errors_of_all_files_one_line_each(write: Write) -> None:
    good = write("good.gin", WHOLE)
    wrong = ("ToyTusk.lr = 1", "loww/ToyTask.lr = 1", "run.epoch = 3", "import os")
    names = write("names.gin", WHOLE + "\n".join((*wrong, "ToyTask.lr = 1", "ToyTask.lr = 2")))
    types = write("types.gin", f"{WHOLE}ToyTask.wieght = 1\nToyJitter.strength = 'x'\nToyTask.lr = True")
    result = checked(names, good, types)
    assert result.exit_code == 3
    assert result.stdout == "good.gin: ok (settings low, high)\n"
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == [
        f"names.gin:{LINES + 1}",
        f"names.gin:{LINES + 4}",
        f"names.gin:{LINES + 6}",
        f"names.gin:{LINES + 2}",
        f"names.gin:{LINES + 3}",
        f"types.gin:{LINES + 1}",
        f"types.gin:{LINES + 2}",
        f"types.gin:{LINES + 3}",
    ]
    assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("high/ToyTask.lr = -1", "ToyTask.lr must be > 0"),
        ("high/ToyNet.width = 0", "ToyNet.width must be >= 1"),
        ("high/run.view = @ToyAttack()", "run.view: ToyAttack works in the auxiliary BatchNorm"),
        ("high/run.strong = @ToyJitter()", "ToyTask has no slot strong"),
        ("high/run.positives = @ToyChain()", "ToyChain needs parts"),
    ],
)
def test_every_setting_is_tried(write: Write, line: str, says: str) -> None:
    """The setting by default is `low`."""
    result = checked(write("a.gin", f"{WHOLE}{line}\n"))
    assert result.exit_code == 3
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"error: a.gin:{LINES + 1}: {says}")


def test_an_error_of_all_settings_is_told_once(write: Write) -> None:
    result = checked(write("a.gin", f"{WHOLE}ToyTask.lr = -1\n"))
    assert len(result.stderr.splitlines()) == 1


def test_an_overlay_is_checked_for_names_and_types_but_not_for_settings_it_cannot_know(write: Write) -> None:
    assert checked(write("a.gin", "sym50/ToyTask.lr = 0.1\nsym50/run.view = @ToyJitter()")).exit_code == 0
    result = checked(write("b.gin", "ToyTask.wieght = 1\nToyTask.lr = 'x'\ntoyattack/run.view = None"))
    assert result.exit_code == 3
    assert "cannot depend on an augmenter" in result.stderr
    result = checked(write("c.gin", "ToyTask.wieght = 1\nToyTask.lr = 'x'"))
    assert [line.split(":")[2] for line in result.stderr.splitlines()] == ["1", "2"]


def test_what_others_include_need_not_be_whole(write: Write) -> None:
    base = write("base/shared.gin", "run.task = @ToyTask()\nlow/ToyTask.lr = 0.1")
    assert checked(base).stdout == "base/shared.gin: ok (overlay: syntax, names and types)\n"


def test_with_a_setting_or_params_the_files_are_taken_together(write: Write) -> None:
    whole, overlay = write("a.gin", WHOLE), write("b.gin", "low/run.view = @ToyJitter()")
    result = checked(whole, overlay, "--setting", "low", "-p", "ToyJitter.strength=1")
    assert (result.exit_code, result.stdout) == (0, "a.gin b.gin: ok\n")
    result = checked(whole, overlay, "--setting", "high", "-p", "ToyJitter.strength=1")
    assert result.exit_code == 3
    assert result.stderr == "error: -p 'ToyJitter.strength=1': nothing uses it: ToyJitter is not bound\n"
    assert checked(whole, "-p", "ToyTask.lr=-1").exit_code == 3


SUITE = """\
suite.cells = [
    "a.gin",
    "a.gin over.gin --setting high",
]
suite.seeds = (0, 1, 2)
"""


def test_a_suite_is_checked_in_every_cell(write: Write) -> None:
    whole, overlay = write("a.gin", WHOLE), write("over.gin", "run.view = @ToyJitter()")
    suite = write("s.gin", SUITE)
    result = checked(whole, suite, overlay)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == [
        "s.gin: ok (suite: 2 cells × 3 seeds)",
        "over.gin: ok (overlay: syntax, names and types)",
    ]
    write("over.gin", "run.view = @ToyJitter()\nToyJitter.recipe = 'huge'")
    result = checked(suite)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(
        "error: s.gin:3: a.gin over.gin --setting high: over.gin:2: ToyJitter.recipe"
    )


def test_a_suite_is_no_config(write: Write) -> None:
    """Neither for `run` nor taken together with others."""
    write("a.gin", WHOLE)
    suite = write("s.gin", SUITE)
    said = "what has suite lines is a suite, a list of runs, and no part of a run; "
    said += "`lpa3bench show` lists its cells"
    result = CliRunner().invoke(main, ["run", suite], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (3, f"error: s.gin:1: {said}\n")
    result = checked(suite, "--setting", "high")
    assert (result.exit_code, result.stderr) == (3, f"error: s.gin:1: {said}\n")
    result = checked("a.gin", "-p", "suite.seeds=(1,)")
    assert (result.exit_code, result.stderr) == (3, f"error: -p 'suite.seeds=(1,)': {said}\n")


def test_a_broken_plugin_is_exit_5(tmp_path: Path) -> None:
    plugin = tmp_path / "wobble.py"
    plugin.write_text(
        "from lpa3bench import hookimpl\n@hookimpl\ndef register_augmenters(register):\n"
        "    register('Wobble', 'no_such_module:Wobble')\n"
    )
    path = tmp_path / "a.gin"
    path.write_text(f"{WHOLE}run.view = @Wobble()\n")
    result = checked(path, "--plugin", plugin)
    assert result.exit_code == 5
    assert f"Wobble ({plugin})" in result.stderr


def test_through_the_real_command(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "a.gin"
    path.write_text("run.task = @tasks.Supervised()\n\nSupervised.lerning_rate = 1\nrun.epochs = 1")
    done = cli("check", path, "quickstart")
    assert done.returncode == 3
    assert done.stdout.endswith("quickstart.gin: ok (no settings)\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {path}:3: Supervised has no parameter lerning_rate; ")


def test_a_line_of_run_is_checked_as_it_stands_its_files_together(write: Write) -> None:
    files = write("a.gin", WHOLE), write("over.gin", "run.view = @ToyJitter()\nToyJitter.strength = 0.5")
    more = ("--out", "runs", "--device", "cpu", "--fresh", "--wandb", "offline")
    done = checked(*files, "--setting", "high", "--seed", "100", *more)
    assert done.stdout == "a.gin over.gin: ok\n"
    assert checked(*files, "--seed", "100").stdout == "a.gin over.gin: ok\n"
    assert "--seed" in checked("--help").stdout
    assert "--wandb" not in checked("--help").stdout
