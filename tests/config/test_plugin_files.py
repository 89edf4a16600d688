"""`run.plugins`: plugin files that a config names; and those that a run's directory remembers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE

from lpa3bench.config import Config, load_config
from lpa3bench.config.checking import check_files
from lpa3bench.errors import BenchError, ConfigError, CopyWarning
from lpa3bench.plugin.copies import plugin_sources
from lpa3bench.plugin.registry import Registry
from lpa3bench.suites import check_suite

REGISTRY = config_plugins.registry()
PLUGIN = """\
from lpa3bench import Augmenter, hookimpl
from shade_of_test import FACTOR

class Shift(Augmenter):
    def __init__(self, *, by: int = 1) -> None:
        self.by = by * FACTOR

    def generate(self, x, ctx): ...

@hookimpl
def register_augmenters(register):
    register("Shift", Shift)
"""
NAMED = 'run.plugins = ["mine.py"]\nrun.view = @augmenters.Shift()\nshift/ToyTask.lr = 0.5\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a plugin file and a module beside it, which is found there while the test runs."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.py").write_text(PLUGIN)
    (tmp_path / "conf" / "shade_of_test.py").write_text("FACTOR = 3\n")
    monkeypatch.syspath_prepend(tmp_path / "conf")
    yield tmp_path / "conf"
    sys.modules.pop("shade_of_test", None)


def loaded(folder: Path, text: str, *overlays: str, params: tuple[str, ...] = ()) -> Config:
    files = [folder / f"{place}.gin" for place in range(1 + len(overlays))]
    for file, lines in zip(files, (WHOLE + text, *overlays), strict=True):
        file.write_text(lines)
    return load_config(files, bindings=params, registry=REGISTRY)


# ----------------------------------------------------------------------------------------- named in a config
def test_what_a_config_names_is_known_in_it(folder: Path) -> None:
    """Whatever line names it, and its lower-case name is a scope like any other's."""
    for config in (loaded(folder, NAMED), loaded(folder, "", NAMED)):
        assert config.slots["view"] == "Shift"
        assert {v.name: v.text for v in config.values}["ToyTask.lr"] == "0.5"
        assert "plugins" not in config.operative, "it is no part of what defines the run"
        entry = config.registry.get("Shift")
        assert entry is not None
        assert entry.file == folder / "mine.py"
    assert REGISTRY.get("Shift") is None, "and nowhere else"


def test_by_param_it_starts_from_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    params = ("run.plugins = ['mine.py']", "run.view = @augmenters.Shift()", "Shift.by = 2")
    experiment = loaded(folder, "", params=params).experiment()
    assert vars(experiment.view)["by"] == 6


def test_the_file_checks_by_itself(folder: Path) -> None:
    (folder / "a.gin").write_text(WHOLE + NAMED)
    (folder / "over.gin").write_text(NAMED.replace("shift/", "") + "Shift.bye = 3\n")
    good, bad = check_files([folder / "a.gin", folder / "over.gin"], REGISTRY)
    assert good.errors == ()
    assert [str(error) for error in bad.errors] == [
        f"{folder}/over.gin:4: Shift has no parameter bye; did you mean by?"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('run.plugins = ["no.py"]', "run.plugins: there is no {folder}/no.py; a path starts from {folder}/"),
        ("run.plugins = 3", 'run.plugins must be a list of Python files, as in ["mine.py"]'),
        ('low/run.plugins = ["mine.py"]', "which plugins there are cannot depend on what is chosen"),
        ('run.plugins = ["mine.py"]\nrun.plugins = ["mine.py"]', "run.plugins is bound twice"),
        ('run.plugin = ["mine.py"]', "run has no parameter plugin; did you mean plugins"),
        (
            "run.view = @augmenters.Shift()",
            "ne in a file of your own is given with --plugin FILE or run.plugins",
        ),
    ],
)
def test_what_is_wrong(folder: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert says.format(folder=folder) in str(caught.value)


def test_a_suite_names_them_for_every_cell(folder: Path) -> None:
    (folder / "a.gin").write_text(WHOLE)
    suite = folder / "s.gin"
    suite.write_text(
        f'suite.plugins = ["mine.py"]\nsuite.base = "{folder}/a.gin"\n'
        'suite.grid = {"run.view": ["none", "Shift"]}\nsuite.seeds = (0,)\n'
    )
    checked = check_suite(suite, REGISTRY)
    assert checked.errors == ()
    assert checked.suite.plugins == (folder / "mine.py",)
    assert [cell.config.slots.get("view") for cell in checked.cells] == [None, "Shift"]
    assert checked.registry.get("Shift") is not None


def test_a_registry_takes_a_file_once(folder: Path) -> None:
    one = Registry((), ()).with_files([folder / "mine.py", folder / "mine.py"])
    again = one.with_files([folder / "mine.py"])
    assert [e.name for e in again.entries] == ["Shift"]
    other = Registry((), ()).with_files([folder / "mine.py"])
    assert other.entries[0].load() is one.entries[0].load(), "it is run once"
    with pytest.raises(BenchError, match="the name Shift is claimed twice"):
        (folder / "twin.py").write_text(PLUGIN)
        one.with_files([folder / "twin.py"])


# ------------------------------------------------------------------------------------ remembered by a run
@pytest.fixture
def run(folder: Path) -> Path:
    """What a run with the plugin leaves: its config, its copy, and where that lies."""
    config = loaded(folder, NAMED)
    place = folder.parent / "runs" / "a-run"
    place.mkdir(parents=True)
    (copy,) = plugin_sources(config.plugins).values()
    copy.write(place)
    (place / "operative.gin").write_text(config.operative)
    (place / "env.json").write_text(json.dumps({"provenance": {"plugin_files": {"Shift": copy.place}}}))
    forget(folder)
    return place


def forget(folder: Path) -> None:
    """As a new process, which does not find the module beside the plugin file."""
    sys.modules.pop("shade_of_test", None)
    sys.path.remove(str(folder))
    sys.path_importer_cache.clear()


def test_a_run_brings_its_copy_where_the_name_is_not_known(run: Path) -> None:
    with pytest.warns(CopyWarning, match=r"^Shift is taken from the run's copy, .*/mine\.py$"):
        config = load_config([run / "operative.gin"], registry=REGISTRY)
    entry = config.registry.get("Shift")
    assert entry is not None
    assert entry.file is not None
    assert entry.file.is_relative_to(run / "plugins")
    assert vars(config.experiment().view)["by"] == 3, "with the module that lay beside it"


def test_a_file_that_is_given_comes_first(run: Path, folder: Path) -> None:
    sys.path.insert(0, str(folder))
    registry = REGISTRY.with_files([folder / "mine.py"])
    entry = load_config([run / "operative.gin"], registry=registry).registry.get("Shift")
    assert entry is not None
    assert entry.file == folder / "mine.py"


@pytest.mark.parametrize("edited", ["mine.py", "shade_of_test.py"])
def test_a_copy_that_was_edited_is_refused(run: Path, edited: str) -> None:
    (file,) = run.glob(f"plugins/*/{edited}")
    file.write_text(file.read_text().replace("= 3", "= 4").replace("by * ", "1 + by * "))
    with pytest.raises(ConfigError, match=r"is not what the run was trained by; one in a file of your own"):
        load_config([run / "operative.gin"], registry=REGISTRY)


def test_what_no_run_names_is_looked_for_nowhere(run: Path, folder: Path) -> None:
    (run / "env.json").write_text('{"provenance": {"plugin_files": {"Shift": "../../conf/mine.py"}}}')
    with pytest.raises(
        ConfigError, match=r"there is no augmenters\.Shift here; its copy is .* give it with --plugin"
    ):
        load_config([run / "operative.gin"], registry=REGISTRY)
