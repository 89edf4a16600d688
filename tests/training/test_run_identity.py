"""What defines a run."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.plugin.registry import Entry
from lpa3bench.training import identity as identities

Package = Callable[[str], type]


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_a_digest_knows_where_a_part_ends(one: list[bytes], other: list[bytes]) -> None:
    assert (identities.digest(*one) == identities.digest(*other)) == (one == other)
    assert len(identities.digest(*one)) == 16


# ------------------------------------------------------------------------------------------ sources
@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the engine's sources, which the digest is then of."""
    copy = tmp_path / "engine"
    shutil.copytree(identities.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(identities, "PACKAGE", copy)
    return copy


def engine_digest() -> str:
    return identities.engine_digest.__wrapped__()


@pytest.mark.parametrize("name", ["nn/reset.py", "views.py", "data/images.py", "ops.py", "device.py"])
def test_a_module_that_can_change_a_number_is_part_of_it(engine: Path, name: str) -> None:
    before = engine_digest()
    with (engine / name).open("a") as file:
        file.write("\n# changed\n")
    assert engine_digest() != before


def test_a_module_that_cannot_is_not(engine: Path) -> None:
    before = engine_digest()
    for name in ("cli/run.py", "sinks/progress.py", "explain.py"):
        (engine / name).write_text("# changed\n")
    assert engine_digest() == before == identities.engine_digest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """`package(import statement)`: a fresh class of a package "wavy" whose module holds the statement."""
    folder = tmp_path / "wavy"
    (folder / "parts").mkdir(parents=True)
    for name in ("__init__", "parts/__init__", "parts/deep", "other"):
        (folder / f"{name}.py").write_text("")
    (folder / "helper.py").write_text("from wavy.parts import deep\n")
    monkeypatch.syspath_prepend(tmp_path)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "wavy"]:
            del sys.modules[name]

    def make(statement: str) -> type:
        source = f"{dedent(statement)}\nclass Wavy:\n    pass\n"
        if not (folder / "plugin.py").exists() or (folder / "plugin.py").read_text() != source:
            (folder / "plugin.py").write_text(source)
        forget()
        importlib.invalidate_caches()
        plugin: type = importlib.import_module("wavy.plugin").Wavy
        return plugin

    yield make
    forget()


@pytest.mark.parametrize(
    "statement",
    [
        "import wavy.helper",
        "from wavy.helper import deep",
        "from wavy import helper",
        "from . import helper",
        "from .helper import deep",
        "def later():\n    from wavy import helper",
        "def later():\n    import wavy.helper as h",
    ],
)
def test_a_plugin_is_the_source_of_all_that_it_imports(
    package: Package, tmp_path: Path, statement: str
) -> None:
    before = identities.plugin_digest(package(statement))
    (tmp_path / "wavy" / "other.py").write_text("# changed\n")
    assert identities.plugin_digest(package(statement)) == before
    for name in ("parts/deep", "helper", "plugin"):
        path = tmp_path / "wavy" / f"{name}.py"
        held = path.read_text()
        plugin = package(statement)
        path.write_text(f"{held}# changed\n")
        assert identities.plugin_digest(plugin) != before, name
        path.write_text(held)
    assert identities.plugin_digest(package(statement)) == before


def test_a_plugin_does_not_depend_on_what_the_process_has_imported(package: Package) -> None:
    statement = "def later():\n    from wavy import helper"
    before = identities.plugin_digest(package(statement))
    plugin = package(statement)
    importlib.import_module("wavy.helper")
    assert identities.plugin_digest(plugin) == before


def test_missing_libraries_and_cycles_are_no_trouble(package: Package, tmp_path: Path) -> None:
    (tmp_path / "wavy" / "helper.py").write_text("import wavy.plugin\n")
    statement = "try:\n    import wavy.absent, no_such_library\nexcept ImportError:\n    from . import helper"
    assert len(identities.plugin_digest(package(statement))) == 16


# ------------------------------------------------------------------------------------------- identity
class One:
    pass


class Two:
    pass


def identity(**changed: Any) -> dict[str, Any]:
    entries = [Entry("tasks", name, cls, "toys 1.0") for name, cls in (("One", One), ("Two", Two))]
    parts: dict[str, Any] = {
        "operative": "run.epochs = 3\n\nrun.setting = 'a'\nTask.lr = 0.1\n",
        "plugins": entries,
        "data_hash": "d",
        "limit": None,
    }
    return identities.identity(**(parts | changed))


def test_the_same_run_has_the_same_name() -> None:
    plain = identity()
    assert identity() == plain == json.loads(json.dumps(plain))
    assert identities.short_hash(plain) == identities.short_hash(dict(reversed(plain.items())))
    assert len(identities.short_hash(plain)) == 8
    assert identities.differences(plain, identity()) == []
    # which settings a file offers and what the chosen one is called change no number
    assert identity(operative="run.settings = ('a', 'b')\nrun.epochs = 3\nTask.lr = 0.1\n") == plain
    entries = [Entry("tasks", name, cls, "toys 2.0") for name, cls in (("Two", Two), ("One", One))]
    assert identity(plugins=entries) == plain


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"operative": "run.epochs = 3\nTask.lr = 0.2\n"}, ["- Task.lr = 0.1", "+ Task.lr = 0.2"]),
        ({"data_hash": "e"}, ["the data: d → e"]),
        ({"limit": 64}, ["--limit: None → 64"]),
        ({"label_content": b"y"}, ["the label file: None → "]),
    ],
)
def test_another_run_has_another_name_and_its_difference_is_told(
    changed: dict[str, Any], told: list[str]
) -> None:
    one, other = identity(), identity(**changed)
    assert identities.short_hash(one) != identities.short_hash(other)
    found = identities.differences(one, other)
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


@pytest.mark.parametrize(
    ("part", "told"), [("plugins", "the source of One"), ("engine", "the engine's source")]
)
def test_another_source_is_told(part: str, told: str) -> None:
    one = identity()
    other = one | {part: one["plugins"] | {"One": "changed"} if part == "plugins" else "changed"}
    (line,) = identities.differences(one, other)
    assert line.startswith(told)


def test_provenance_says_where_the_numbers_come_from() -> None:
    found = identities.provenance([Entry("tasks", "One", One, "toys 1.0")])
    json.dumps(found, allow_nan=False)
    assert found["plugins"] == {"One": "toys 1.0"}
    assert found["command"] == ["lpa3bench", *sys.argv[1:]]
    assert {"python", "lpa3bench", "torch"} <= found["versions"].keys()
    root = identities.PACKAGE.parent
    if (root / ".git").exists():
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
        assert found["git_commit"] == head.stdout.strip()
    else:
        assert found["git_commit"] is None
