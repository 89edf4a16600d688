"""Suites: the cells and seeds of many runs, listed in one gin file. Imports no torch.

A suite file says which runs there are and nothing of what is in them: a cell is a line as it is typed after
`lpa3bench run`. docs/suites.md has the grammar.
"""

from __future__ import annotations

from lpa3bench.suites.cells import SuiteCell, parse_cell
from lpa3bench.suites.grid import GridAxis, parse_axis, parse_seeds
from lpa3bench.suites.search import Search, SearchRange, binding_texts
from lpa3bench.suites.suite_check import CheckedSuite, LoadedCell, check_suite
from lpa3bench.suites.suite_file import Suite, is_suite, read_suite

__all__ = [
    "CheckedSuite",
    "GridAxis",
    "LoadedCell",
    "Search",
    "SearchRange",
    "Suite",
    "SuiteCell",
    "binding_texts",
    "check_suite",
    "is_suite",
    "parse_axis",
    "parse_cell",
    "parse_seeds",
    "read_suite",
]
