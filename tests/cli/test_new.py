"""`lpa3bench new`: what it writes works as it is."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lpa3bench.cli import main
from lpa3bench.plugin import registry
from lpa3bench.plugin.scaffold import (
    AUGMENTER_TEMPLATES,
    LONGEST_NAME,
    SCAFFOLD_KINDS,
    Names,
    files,
    run_command,
)

NAMES = {
    "augmenter": "SoftBlur",
    "task": "MyMethod",
    "backbone": "B" + "x" * (LONGEST_NAME - 1),
    "dataset": "HTTPBars2",
    "labels": "next_class",
    "metric": "TopTwo",
    "policy": "BoldGuess",
}
TEMPLATES = {"model": "UpHill", "learned": "HardTint", "transform": "TurnABit"}
"""Of augmenters, beside the one that is written without `--template`."""
ALL = {**{name: kind for kind, name in NAMES.items()}, **dict.fromkeys(TEMPLATES.values(), "augmenter")}
"""Every plugin that is written, and its kind."""


def new(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["new", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin of each kind, and an augmenter of each template."""
    folder = tmp_path_factory.mktemp("new")
    for name, kind in ALL.items():
        chosen = [word for t, n in TEMPLATES.items() if n == name for word in ("--template", t)]
        result = new(kind, name, "--into", folder, *chosen)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def installed(written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, each on the path with the metadata that an installer would write."""
    before = {*sys.modules}
    for name in ALL:
        names = Names(name)
        info = written / names.folder / f"{names.package}-0.1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {names.distribution}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[lpa3bench]\n{names.snake} = {names.package}.plugin\n")
        monkeypatch.syspath_prepend(written / names.folder)
    registry.load_registry.cache_clear()
    yield written
    for name in {*sys.modules} - before:
        if name.startswith("lpa3bench_") and not name.startswith("lpa3bench_plugins"):
            del sys.modules[name]


def test_it_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = new("augmenter", "SoftBlur")
    assert [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")] == [
        "pip install -e ./soft-blur",
        "lpa3bench test-plugin SoftBlur",
        "lpa3bench run quickstart augmenters/none soft-blur/soft_blur.gin",
    ]
    assert (tmp_path / "soft-blur" / "soft_blur.gin").is_file()


@pytest.mark.parametrize("name", ALL)
def test_it_is_registered_and_keeps_the_laws(name: str, installed: Path) -> None:
    entry = registry.load_registry().get(name)
    assert entry is not None
    assert entry.kind == SCAFFOLD_KINDS[ALL[name]]
    assert entry.distribution == f"{Names(name).distribution} 0.1.0"
    result = CliRunner().invoke(main, ["test-plugin", name, "--json"])
    assert result.exit_code == 0, result.output
    (verdict,) = json.loads(result.stdout)
    assert {law["outcome"] for law in verdict["laws"]} <= {"passed", "not applicable"}


@pytest.mark.parametrize("name", ALL)
def test_its_gin_file_is_right_and_runs(name: str, installed: Path) -> None:
    kind, names = ALL[name], Names(name)
    gin = str(installed / names.folder / f"{names.snake}.gin")
    checked = CliRunner().invoke(main, ["check", gin])
    assert checked.exit_code == 0, checked.output
    words = run_command(kind, gin).split()[1:]
    done = CliRunner().invoke(main, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output


def test_its_own_tests_pass(installed: Path) -> None:
    folders = [installed / Names(name).folder for name in ALL]
    # Those of the other templates have kept the laws above.
    chosen = ["not keeps_the_laws", *(Names(name).snake for name in NAMES.values())]
    before = [os.environ.get("PYTHONPATH")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", " or ".join(chosen), *folders],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, folders), *filter(None, before)])},
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


def test_it_is_well_formed(written: Path) -> None:
    if shutil.which("ruff", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("ruff is not installed; it comes with the extra dev")
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "."],
            cwd=written,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("kind", "template"),
    [*((k, None) for k in SCAFFOLD_KINDS), *(("augmenter", t) for t in AUGMENTER_TEMPLATES)],
)
def test_nothing_is_left_to_fill_in(kind: str, template: str | None) -> None:
    for path, text in files(kind, Names("SoftBlur"), template).items():
        assert "$" not in path + text


def test_the_templates_are_those_of_augmenters(tmp_path: Path) -> None:
    result = new("task", "Mine", "--template", "learned", "--into", tmp_path)
    assert result.exit_code == 2
    assert "of a task there is one, so leave it out" in result.stderr
    assert new("augmenter", "Adam", "--template", "learned", "--into", tmp_path).exit_code == 2


def test_what_was_written_as_json(tmp_path: Path) -> None:
    told = json.loads(new("augmenter", "SoftBlur", "--into", tmp_path, "--json").stdout)
    assert told["folder"] == str(tmp_path / "soft-blur")
    assert all(Path(file).is_file() for file in told["files"])
    assert told["next"][1] == "lpa3bench test-plugin SoftBlur"


# ---------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("name", ["3x", "soft blur", "soft-blur", "class", "_Hidden", "Größe", "x" * 40])
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    result = new("task", name, "--into", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {name!r} is ")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("augmenter", "View"),
        ("augmenter", "F"),
        ("augmenter", "torch"),
        ("task", "Step"),
        ("labels", "LabelSet"),
        ("dataset", "Split"),
        ("backbone", "Output"),
        ("backbone", "nn"),
        ("backbone", "pytest"),
        ("dataset", "run"),
        ("labels", "suite"),
        ("augmenter", "WeakView"),
        ("augmenter", "Positives"),
    ],
)
def test_a_name_that_means_something_else_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    result = new(kind, name, "--into", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: the name {name} means something else in ")
    assert [*tmp_path.iterdir()] == []


def test_a_path_with_a_space_is_quoted(tmp_path: Path) -> None:
    result = new("task", "MyMethod", "--into", tmp_path / "my plugins")
    lines = [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")]
    folder = tmp_path / "my plugins" / "my-method"
    assert shlex.split(lines[0]) == ["pip", "install", "-e", str(folder)]
    assert shlex.split(lines[2]) == ["lpa3bench", "run", str(folder / "my_method.gin")]


@pytest.mark.parametrize(("name", "why"), [("LPA3", "LPA3 is registered by lpa3bench "), ("lpa3", "LPA3 is")])
def test_a_registered_name_is_refused(name: str, why: str, tmp_path: Path) -> None:
    result = new("augmenter", name, "--into", tmp_path)
    assert result.exit_code == 2
    assert f"the name {name} is taken: {why}" in result.stderr


def test_the_name_of_a_package_is_refused(tmp_path: Path) -> None:
    result = new("augmenter", "Plugins", "--into", tmp_path)
    assert result.exit_code == 2
    assert "there is a package lpa3bench_plugins already" in result.stderr


def test_nothing_that_exists_is_touched(tmp_path: Path) -> None:
    (tmp_path / "soft-blur").mkdir()
    (tmp_path / "soft-blur" / "mine.txt").write_text("mine")
    result = new("augmenter", "SoftBlur", "--into", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path / 'soft-blur'}: there is something of that name")
    assert [path.name for path in (tmp_path / "soft-blur").iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = new("augmenter", "SoftBlur", "--into", tmp_path / "file")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_full_disk_leaves_no_half_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count()
    plain = Path.write_text

    def full(path: Path, *words: Any, **options: Any) -> int:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, *words, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        result = new("augmenter", "SoftBlur", "--into", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "free some space and give the same command again" in result.stderr
    assert [*tmp_path.iterdir()] == []
    assert new("augmenter", "SoftBlur", "--into", tmp_path).exit_code == 0


def test_an_unknown_kind_names_the_kinds() -> None:
    result = new("sampler", "Mine")
    assert result.exit_code == 2
    assert "augmenter" in result.stderr
