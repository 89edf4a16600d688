"""Where in a TOML file things stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpa3bench.boards.toml_text import TomlPlace, TomlText

TEXT = '''# a comment [with] = signs
title = "x" # [[rows]]
text = """
[[rows]]
key = "not one"
"""
also = [
  "a",
  "b",
]
a."b.c".d = { e = 1, f = 2 }

[published]
one = "x"

[[rows]]
key = "none"
match = { task = "A" }

  [[ rows ]]
key = "lpa3"
[rows.match]
"slots.view" = "none"
task = ["A",
  "B"]
[[rows.more]]
x = 1
[[rows.more]]
x = 2
[[columns]]
key = "c"
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), "title ="),
        (("text",), "text ="),
        (("also", 1), "also ="),
        (("a", "b.c", "d", "f"), 'a."b.c"'),
        (("published",), "[published]"),
        (("published", "one"), 'one = "x"'),
        (("published", "two"), "[published]"),
        (("rows", 0), '[[rows]]\nkey = "none"'),
        (("rows", 0, "key"), 'key = "none"'),
        (("rows", 0, "match", "task"), 'match = { task = "A" }'),
        (("rows", 1), "  [[ rows ]]"),
        (("rows", 1, "key"), 'key = "lpa3"'),
        (("rows", 1, "name"), "  [[ rows ]]"),
        (("rows", 1, "match"), "[rows.match]"),
        (("rows", 1, "match", "slots.view"), '"slots.view"'),
        (("rows", 1, "match", "task", 1), 'task = ["A",'),
        (("rows", 1, "more", 1, "x"), "x = 2"),
        (("columns", 0, "key"), 'key = "c"'),
    ],
)
def test_a_thing_stands_in_its_line_or_in_that_of_what_holds_it(place: TomlPlace, line: str) -> None:
    found = TomlText(Path("x.toml"), TEXT).line(place)
    assert found is not None
    assert "\n".join(TEXT.split("\n")[found - 1 :]).startswith(line)


def test_what_stands_nowhere_has_no_line() -> None:
    source = TomlText(Path("x.toml"), TEXT)
    assert source.line(("metric",)) is None
    assert str(source.error(("metric",), "is missing")) == "x.toml: is missing"
    assert str(source.error(("title",), "is short")) == "x.toml:2: is short"
