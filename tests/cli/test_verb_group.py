from __future__ import annotations

import sys
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from lpa3bench.cli.verb_group import VerbGroup


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> VerbGroup:
    elsewhere = SimpleNamespace(command=click.Command("count", callback=lambda: click.echo("2")))
    monkeypatch.setitem(sys.modules, "verb_elsewhere", elsewhere)  # type: ignore[arg-type]  # no module
    made = VerbGroup(
        "things",
        lines={"show": "Show them.", "count": "Count them."},
        modules={"count": "verb_elsewhere"},
        default="show",
    )

    @made.command("show")
    @click.argument("names", nargs=-1)
    def show(names: tuple[str, ...]) -> None:
        click.echo(f"showing {' '.join(names)}")

    return made


@pytest.mark.parametrize("words", [["a", "b"], ["show", "a", "b"]])
def test_a_verb_that_is_not_named_is_the_default(group: VerbGroup, words: list[str]) -> None:
    assert CliRunner().invoke(group, words).stdout == "showing a b\n"


def test_a_verb_of_another_module_is_imported_when_it_is_called(group: VerbGroup) -> None:
    assert CliRunner().invoke(group, ["count"]).stdout == "2\n"


def test_the_help_lists_all_with_their_lines(group: VerbGroup) -> None:
    told = CliRunner().invoke(group, ["--help"]).stdout
    assert "Verbs:\n  show   Show them.\n  count  Count them.\n" in told
