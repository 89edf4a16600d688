"""The commands of docs/cluster.md are ones that there are, and mean what it says. Its job file: tests/e2e."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import click
import pytest

from lpa3bench.cli import main
from lpa3bench.runtime.paths import resolve_config
from lpa3bench.suites import read_suite

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LINES = "\n".join(BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = [line.partition("#")[0] for line in LINES if line.startswith("lpa3bench ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_takes_it(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, click.Context(found, parent=context)
    command.make_context(command.name, words)


def test_the_runs_of_the_row_are_those_that_it_counts() -> None:
    suite = read_suite(resolve_config("suites/table2"))
    (pattern,) = {word for line in COMMANDS for word in re.findall("--only '(.*?)'", line)}
    cells = [str(cell) for cell in suite.cells if fnmatchcase(str(cell), pattern)]
    assert cells == [
        f"cifar10_pes{overlay} --setting {rate}"
        for rate in ("sym50", "sym80", "sym90")
        for overlay in ("", " augmenters/lpa3")
    ]
    assert f"{len(cells) * len(suite.seeds)} runs." in PAGE
