"""What a plugin says of itself, read from its source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lpa3bench.plugin.description import paper_of
from lpa3bench.plugin.registry import Entry

SOURCE = '''
raise ImportError("it is read, not imported")

class Base:
    paper = "https://example.org/base"

class Own(Base):
    paper: str = "https://example.org/own"

class Heir(Base):
    """Has its base's."""

class Script(Base):
    paper = "javascript:alert(1)"

class Computed:
    paper = "https://" + "example.org"

class Loop(Loop):
    pass

class Bare:
    pass
'''


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("Own", "https://example.org/own"),
        ("Heir", "https://example.org/base"),
        ("Script", ""),
        ("Computed", ""),
        ("Loop", ""),
        ("Bare", ""),
        ("Nowhere", ""),
    ],
)
def test_a_paper_is_read_from_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, paper: str
) -> None:
    (tmp_path / "papers_of_plugins.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "papers_of_plugins", raising=False)
    assert paper_of(Entry("augmenters", name, f"papers_of_plugins:{name}", "mine 1")) == paper
    assert paper_of(Entry("augmenters", name, f"there_is_none:{name}", "mine 1")) == ""


def test_a_class_that_is_there_tells_it_itself() -> None:
    told = type("Told", (), {"paper": "https://example.org/told"})
    wrong = type("Wrong", (), {"paper": 7})
    assert paper_of(Entry("augmenters", "Told", told, "mine 1")) == "https://example.org/told"
    assert paper_of(Entry("augmenters", "Wrong", wrong, "mine 1")) == ""
