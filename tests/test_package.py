"""What a wheel and an sdist hold, and that the wheel works away from the checkout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.console import Cli

import lpa3bench

ROOT = Path(__file__).parents[1]


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a distribution with the back end itself: nothing is fetched, nothing is left in the source."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), "-t", kind]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (made,) = target.iterdir()
    return made


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def below(folder: Path, pattern: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(packed) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # there from Python 3.11.4 on
        archive.extractall(folder)
    (source,) = folder.iterdir()
    return source


def test_the_wheel_holds_the_code_the_gin_files_and_the_boards_and_nothing_else(wheel: Path) -> None:
    names = wheel_names(wheel)
    code = {f"lpa3bench/{name}" for name in below(ROOT / "lpa3bench", "*.py")}
    code |= {f"lpa3bench_plugins/{name}" for name in below(ROOT / "plugins" / "lpa3bench_plugins", "*.py")}
    gin = {f"lpa3bench_gin/{name}" for name in below(ROOT / "gin", "*.gin")}
    assert len(code) > 50
    assert len(gin) > 3
    templates = {f"lpa3bench/{name}" for name in below(ROOT / "lpa3bench", "*.txt")}
    assert len(templates) > 15
    for pattern in ("*.j2", "*.css", "*.js", "*.json"):  # pages of boards
        templates |= {f"lpa3bench/{name}" for name in below(ROOT / "lpa3bench", pattern)}
    boards = {
        f"lpa3bench_leaderboards/{path.relative_to(ROOT / 'leaderboards').as_posix()}"
        for path in (ROOT / "leaderboards").rglob("*")
        if path.is_file()
    }
    assert "lpa3bench_leaderboards/digits/index.html" in boards
    rest = {"lpa3bench/py.typed", "lpa3bench_plugins/py.typed"} | templates
    assert {name for name in names if ".dist-info/" not in name} == code | gin | boards | rest


def test_the_wheels_metadata(unpacked: Path) -> None:
    (info,) = unpacked.glob("*.dist-info")
    assert info.name == f"lpa3bench-{lpa3bench.__version__}.dist-info"
    metadata = (info / "METADATA").read_text()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    required = [line for line in metadata.splitlines() if re.match("Requires-Dist: torch(vision)?>", line)]
    assert len(required) == 2
    assert not any("<" in line or "==" in line for line in required), "torch is not pinned from above"
    assert (info / "licenses" / "LICENSE").is_file()
    assert "lpa3bench = lpa3bench.cli:main" in (info / "entry_points.txt").read_text()


def test_the_sdist_holds_what_is_needed_to_test_it(sdist: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "docs/cli.md"):
        assert (sdist / name).is_file(), name
    for folder in ("lpa3bench", "plugins", "gin", "tests", "benchmarks"):
        patterns = ("*.py", "*.gin", "*.npz", "*.toml", "*.txt")
        assert all(below(sdist / folder, p) == below(ROOT / folder, p) for p in patterns), folder


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    assert wheel_names(build(sdist, tmp_path, "wheel")) == wheel_names(wheel)


def test_the_wheel_works_away_from_the_checkout(cli: Cli, unpacked: Path) -> None:
    env = {"PYTHONPATH": str(unpacked)}
    code = (
        "import lpa3bench.runtime.paths as p, json; print(json.dumps([str(p.gin_root()), p.config_names()]))"
    )
    outside = unpacked.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=outside, env=env, capture_output=True, text=True)
    root, names = json.loads(done.stdout)
    assert Path(root) == unpacked / "lpa3bench_gin"
    assert "quickstart" in names
    listed = json.loads(cli("list", "augmenters", "--json", env=env).stdout)
    assert "LPA3" in [entry["name"] for entry in listed["plugins"]]


def test_gin_config_is_not_hidden_from_the_root_of_the_checkout(cli: Cli) -> None:
    """The checkout has a folder `gin`; started beside it, `import gin` must still be gin-config."""
    code = "import gin, gin.config; print(gin.config.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout).is_relative_to(ROOT / "gin")
    assert cli("version", cwd=ROOT).returncode == 0


def test_the_citation_is_of_this_version() -> None:
    told = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", told, re.MULTILINE) == [lpa3bench.__version__]
    assert "arxiv.org/abs/2211.00824" in told


def test_changelog_and_citation_tell_of_the_same_release() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *versions = re.findall(r"^## (.*)$", changes, re.MULTILINE)
    assert first == "Unreleased"
    dated = [re.fullmatch(r"(\d+\.\d+\.\d+) – (\d{4}-\d\d-\d\d)", version) for version in versions]
    assert all(dated)
    (newest, date), *_ = [found.groups() for found in dated if found]
    assert newest == lpa3bench.__version__
    assert f"date-released: {date}" in (ROOT / "CITATION.cff").read_text()
    assert {*re.findall(r"^### (.*)$", changes, re.MULTILINE)} <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }
