"""Parameters that had other names once."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.plugin.renames import current, current_name, first, renames

SOURCE = """
from typing import ClassVar
from wavy_names.base import Below
import wavy_names.base as b

class Chain:
    renamed = {"old": "mid", "mid": "new", "earliest": "rate", "later": "rate"}

class Heir(Chain):
    renamed: ClassVar[dict[str, str]] = {"mine": "yours"}

class Far(Below): ...
class Further(b.Below): ...
class Plain: ...
class Computed:
    renamed = dict(zip(["old"], ["new"]))
"""
HEIR = {"old": "mid", "mid": "new", "earliest": "rate", "later": "rate", "mine": "yours"}
BELOW = {"deep": "deeper"}
Of = Callable[[str], Entry]


@pytest.fixture(params=["as it is written", "imported"])
def of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Of:
    """A plugin of the package by the name of its class."""
    folder = tmp_path / "wavy_names"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .classes import Heir\n")
    (folder / "base.py").write_text(f"from torch import nn\nclass Below(nn.Module):\n    renamed = {BELOW}\n")
    (folder / "classes.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("wavy_names", "wavy_names.base", "wavy_names.classes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    if request.param == "imported":
        importlib.import_module("wavy_names.classes")

    def of(name: str) -> Entry:
        module = "wavy_names" if name == "Heir" else "wavy_names.classes"
        return Entry("augmenters", name, f"{module}:{name}", "wavy 1.0")

    return of


@pytest.mark.parametrize(
    ("name", "said"),
    [("Plain", {}), ("Heir", HEIR), ("Far", BELOW), ("Further", BELOW), ("Computed", {"old": "new"})],
)
def test_what_a_class_says_and_inherits(of: Of, name: str, said: dict[str, str]) -> None:
    assert renames(of(name)) == said


def test_chains_are_followed_both_ways(of: Of) -> None:
    entry = of("Chain")
    assert [current(entry, name) for name in ("old", "mid", "new", "unknown")] == [
        "new",
        "new",
        "new",
        "unknown",
    ]
    assert [first(entry, name) for name in ("new", "mid", "old", "unknown")] == [
        "old",
        "old",
        "old",
        "unknown",
    ]
    assert first(entry, "rate") == "earliest", "of two former names the first that is told"


def test_a_circle_ends() -> None:
    circle = Entry("augmenters", "Circle", type("Circle", (), {"renamed": {"a": "b", "b": "a"}}), "toys 1.0")
    assert {current(circle, "a"), first(circle, "a")} <= {"a", "b"}


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("Chain.old", "Chain.new"),
        ("positives/Chain.old", "positives/Chain.new"),
        ("augmenters.Chain.old", "augmenters.Chain.new"),
        ("a/b/augmenters.Chain.mid", "a/b/augmenters.Chain.new"),
        ("Chain.new", "Chain.new"),
        ("Unknown.old", "Unknown.old"),
        ("run.epochs", "run.epochs"),
        ("slots.view", "slots.view"),
        ("task", "task"),
    ],
)
def test_names_of_records_and_boards(of: Of, name: str, now: str) -> None:
    assert current_name(name, Registry((of("Chain"),), ())) == now


def test_our_names_are_read_without_torch() -> None:
    code = (
        "import sys\n"
        "from lpa3bench.plugin import registry, renames\n"
        "found = registry.load_registry()\n"
        "for entry in found.entries:\n"
        "    renames.current_name(f'{entry.name}.margin', found)\n"
        "assert 'torch' not in sys.modules and 'lpa3bench_plugins.augmenters' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
