"""Suites: the cells and seeds of many runs, listed in one gin file. Imports no torch.

A suite file says which runs there are and nothing of what is in them: a cell is a line as it is typed after
`lpa3bench run`. docs/suites.md has the grammar.
"""

from __future__ import annotations

from lpa3bench.suites.cells import Cell, parse_cell
from lpa3bench.suites.check_suite import Checked, Loaded, check
from lpa3bench.suites.search import Range, Search, texts
from lpa3bench.suites.suite_file import Suite, is_suite, read

__all__ = [
    "Cell",
    "Checked",
    "Loaded",
    "Range",
    "Search",
    "Suite",
    "check",
    "is_suite",
    "parse_cell",
    "read",
    "texts",
]
