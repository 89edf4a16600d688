"""Classes of a notebook or of the script that runs: which edit makes another plugin of them."""

from __future__ import annotations

import linecache
import sys
from itertools import count
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import torch

from lpa3bench.plugin.code import Code, code_of
from lpa3bench.plugin.copies import plugin_sources
from lpa3bench.plugin.registry import Entry, load_registry

CELLS = """
import math
import torch
from torch import nn
from lpa3bench import Augmenter, View
BY = 0.5

def helper(x):
    return x * BY

class Base(Augmenter):
    pass

class Mine(Base):
    '''Dims.'''

    def __init__(self, *, most: float = 1.0) -> None:
        self.most = most

    def generate(self, x, ctx):
        return View(helper(x), torch.arange(len(x)))

UNUSED = 3
"""


NUMBERS = count()
"""Of cells: no two have one name."""


class Notebook:
    """Cells that were executed, each with its lines where IPython keeps them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", self.module)

    def run(self, text: str) -> Any:
        """Execute the text as a cell, and return the namespace."""
        name, text = f"/tmp/ipykernel_1/{next(NUMBERS)}.py", dedent(text)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(self.module))
        return self.module

    def code(self, name: str = "Mine") -> Code:
        return code_of(Entry("augmenters", name, getattr(self.module, name), "__main__"))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook(monkeypatch)
    made.run(CELLS)
    return made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BY = 0.5", "BY = 0.25"),
        ("return x * BY", "return x + BY"),
        ("most: float = 1.0", "most: float = 0.9"),
        ("class Base(Augmenter):\n    pass", "class Base(Augmenter):\n    needs_model = True"),
        ("torch.arange(len(x))", "torch.arange(len(x), dtype=torch.int64)"),
    ],
)
def test_what_it_says_and_what_it_uses_counts(notebook: Notebook, old: str, new: str) -> None:
    before = notebook.code()
    assert old in CELLS
    notebook.run(CELLS.replace(old, new))
    assert notebook.code().digest != before.digest
    notebook.run(CELLS)
    assert notebook.code() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("UNUSED = 3", "UNUSED = 4"), ("'''Dims.'''", "'''Dims it.'''  # by half"), ("import math\n", "\n\n\n")],
)
def test_other_cells_comments_and_docstrings_do_not(notebook: Notebook, old: str, new: str) -> None:
    before = notebook.code()
    notebook.run(CELLS.replace(old, new))
    assert notebook.code() == before


def test_a_cell_that_was_edited_alone_counts(notebook: Notebook) -> None:
    before = notebook.code()
    notebook.run("def helper(x):\n    return x * BY * BY")
    assert notebook.code().digest != before.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("torch.relu", "torch.sigmoid"),
        ("partial(helper, x=1)", "partial(helper, x=2)"),
        ("Made(k=1)", "Made(k=2)"),
        ("{'a': [1, 2.5]}", "{'a': [1, 3.5]}"),
        ("lambda x: x + 1", "lambda x: x + 2"),
        ("nn.Dropout(0.5)", "nn.Dropout(0.25)"),
    ],
)
def test_values_beside_it_count(notebook: Notebook, one: str, other: str) -> None:
    notebook.run("from functools import partial\nfrom types import SimpleNamespace as Made")
    notebook.run("class User(Base):\n    def generate(self, x, ctx):\n        return USED")
    digests = []
    for value in (one, other, one):
        notebook.run(f"USED = {value}")
        digests.append(notebook.code("User").digest)
    assert digests[0] == digests[2] != digests[1]


def test_it_is_written_down_as_a_plugin_file_of_the_same_digest(notebook: Notebook, tmp_path: Path) -> None:
    """So that the command line, and another process, take the run up."""
    entry = Entry("augmenters", "Mine", notebook.module.Mine, "__main__")
    copy = plugin_sources([entry])["Mine"]
    file = copy.write(tmp_path)
    assert file == tmp_path / "plugins" / f"{copy.digest}-Mine" / "Mine.py"
    (loaded,) = (e for e in load_registry((file,)).entries if e.file)
    assert (loaded.kind, loaded.name) == ("augmenters", "Mine")
    assert code_of(loaded).digest == copy.digest == notebook.code().digest
    made = loaded.load()(most=0.5)
    assert made.generate(torch.ones(2, 1, 2, 2), None).x.mean() == 0.5


def test_what_cannot_be_written_down_refuses_to_be_imported(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(
        "TABLE = torch.ones(3)\nclass User(Base):\n    def generate(self, x, ctx):\n        return TABLE"
    )
    entry = Entry("augmenters", "User", notebook.module.User, "__main__")
    file = plugin_sources([entry])["User"].write(tmp_path)
    (broken,) = (b for b in load_registry((file,)).broken if str(file) in b.distribution)
    assert broken.error == "ImportError: TABLE cannot be written down"


def test_libraries_are_known_by_name(notebook: Notebook) -> None:
    assert "torch" in notebook.code().libraries
    assert notebook.code().files == {}


def test_classes_within_functions_count_with_what_these_were_given(notebook: Notebook) -> None:
    made = """
    def make(factor):
        class Made(Augmenter):
            def generate(self, x, ctx):
                return View(x * factor, torch.arange(len(x)))
        return Made
    A, B = make(0.5), make(0.25)
    """
    notebook.run(made)
    assert notebook.code("A").digest != notebook.code("B").digest


def test_transforms_count_with_their_functions(notebook: Notebook) -> None:
    made = "from lpa3bench import from_transform\nT = from_transform(lambda *, p={p}: nn.Dropout(p))"
    notebook.run(made.format(p=0.5))
    before = notebook.code("T")
    notebook.run(made.format(p=0.25))
    assert notebook.code("T").digest != before.digest
    notebook.run(made.format(p=0.5))
    assert notebook.code("T") == before
