"""Whoever uses a plugin finds how to cite it: docs/citing.md, by the address that its class names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lpa3bench import __version__
from lpa3bench.plugin.description import paper_of
from lpa3bench.plugin.registry import Entry, load_registry

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "citing.md").read_text()
UNPUBLISHED = {
    "Supervised", "Compose", "Identity", "SmallNet", "TorchvisionNet", "TimmNet", "Images", "Synthetic",
    "Clean", "SymmetricNoise", "FewLabels", "FromFile", "Accuracy", "BalancedAccuracy", "MacroAUC", "MacroF1",
    "NLL", "ConfusionMatrix",
}  # fmt: skip
"""Ours, or nobody's in particular, or another's by their names."""
ENTRIES = dict(re.findall(r"^@\w+\{(\w+),\n(.*?)^\}$", PAGE, re.MULTILINE | re.DOTALL))
TABLE = {
    name: re.findall(r"`(\w+)`", keys)
    for names, keys in re.findall(r"^\| (`.*`) \| (`.*`) \|$", PAGE, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", names)
}


def field(key: str, name: str) -> str:
    found = re.search(rf"^  {name} *= \{{(.*)\}},$", ENTRIES[key], re.MULTILINE)
    return found[1] if found else ""


@pytest.mark.parametrize("entry", [e for e in load_registry().entries if e.is_ours], ids=lambda e: e.name)
def test_every_published_plugin_has_its_entry(entry: Entry) -> None:
    paper = paper_of(entry)
    assert bool(paper) != (entry.name in UNPUBLISHED), "name its `paper`, or say here that it has none"
    if paper:
        assert field(TABLE[entry.name][0], "url") == paper


def test_every_entry_is_whole() -> None:
    for key in ENTRIES.keys() - {"lpa3bench"}:
        assert field(key, "author")
        assert field(key, "title")
        assert field(key, "url").startswith("https://")
        assert re.fullmatch("(19|20)[0-9]{2}", field(key, "year")), key
        assert re.search(rf"[a-z-]{field(key, 'year')}", key), key
        where = ("booktitle", "journal", "institution", "howpublished")
        assert sum(bool(field(key, name)) for name in where) == 1, key


def test_entries_and_table_know_each_other() -> None:
    assert {key for keys in TABLE.values() for key in keys} <= ENTRIES.keys()
    assert len(ENTRIES) == PAGE.count("\n@")
    assert TABLE.keys() <= {entry.name for entry in load_registry().entries}
    urls = [field(key, "url") for key in ENTRIES]
    assert len({*urls}) == len(urls)


def test_the_software_is_cited_with_its_version() -> None:
    assert field("lpa3bench", "version") == __version__
    cff = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {__version__}\n" in cff
    families = re.findall(r"family-names: (\w+)", cff)
    assert [name.split(",")[0] for name in field("yang2022lpa3", "author").split(" and ")] == families
    assert field("yang2022lpa3", "title") in cff
