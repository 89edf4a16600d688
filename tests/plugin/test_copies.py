"""Copies of plugin files: what is kept, how it is found again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lpa3bench.errors import RunFailed
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.code import code_of
from lpa3bench.plugin.copies import SourceCopy, copies_that_name, find_copy, plugin_sources

PLUGIN = """\
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from shades.light import FACTOR
from lpa3bench import Augmenter, hookimpl

class Dimmed(Augmenter):
    def generate(self, x, ctx): ...

@hookimpl
def register_augmenters(register):
    register("Dimmed", Dimmed)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin file with a package beside it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "mine"
    (folder / "shades").mkdir(parents=True)
    (folder / "shades" / "light.py").write_text("FACTOR = 0.5\n")
    (folder / "unused.py").write_text("")
    (folder / "dimmed.py").write_text(PLUGIN)
    return folder / "dimmed.py"


def sources(file: Path) -> dict[str, SourceCopy]:
    """Copies of what a file registers, as a new process makes them."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "shades"]:
        del sys.modules[name]
    registries.load_registry.cache_clear()
    return plugin_sources(registries.load_registry((file,)).entries)


def test_a_file_is_kept_with_what_it_runs_beside_it(file: Path, tmp_path: Path) -> None:
    found = sources(file)
    assert {*found} == {"Dimmed"}, "ours come from a distribution, and need no copy"
    copy = found["Dimmed"]
    assert {*copy.contents} == {"dimmed.py", "shades/light.py"}
    main = copy.write(tmp_path / "run")
    assert main == tmp_path / "run" / "plugins" / f"{copy.digest}-dimmed" / "dimmed.py"
    assert main.read_text() == PLUGIN
    assert (main.parent / "shades" / "light.py").read_text() == "FACTOR = 0.5\n"


def test_the_copy_is_the_same_plugin(file: Path, tmp_path: Path) -> None:
    (copy,) = sources(file).values()
    sys.path.remove(str(file.parent))
    assert sources(copy.write(tmp_path / "run"))["Dimmed"] == copy
    (entry,) = [e for e in registries.load_registry((file,)).entries if e.name == "Dimmed"]
    assert code_of(entry).digest == copy.digest


def test_it_is_found_by_its_digest(file: Path, tmp_path: Path) -> None:
    (copy,) = sources(file).values()
    main = copy.write(tmp_path / "run")
    assert find_copy(copy.digest, [tmp_path / "no run", tmp_path / "run"]) == main
    assert find_copy("0" * 16, [tmp_path / "run"]) is None
    main.unlink()
    assert find_copy(copy.digest, [tmp_path / "run"]) is None


def test_it_is_found_by_a_name_that_stands_in_it(file: Path, tmp_path: Path) -> None:
    (copy,) = sources(file).values()
    main = copy.write(tmp_path / "run")
    assert copies_that_name("Dimmed", tmp_path / "run") == [main]
    assert copies_that_name("Dim", tmp_path / "run") == []
    assert copies_that_name("Dimmed", tmp_path) == []


def test_a_full_disk_is_told(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy,) = sources(file).values()

    def full(path: Path, data: bytes) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunFailed, match="no space left"):
        copy.write(tmp_path / "run")
