"""`lpa3bench figure card`: what it hands on, what it writes and prints; the measuring is tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.made_up_cards import card

from lpa3bench.analysis.card import measurement as probe
from lpa3bench.analysis.card.runs import Request
from lpa3bench.cli import main
from lpa3bench.cli.figure import FIGURES
from lpa3bench.cli.figurecard import command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Request]:
    """The requests that come in, in an empty folder."""
    requests: list[Request] = []

    def measure(request: Request, sinks: Any) -> dict[str, Any]:
        requests.append(request)
        return card()

    monkeypatch.setattr(probe, "measure", measure)
    monkeypatch.chdir(tmp_path)
    return requests


def test_it_writes_the_card_and_prints_its_numbers(asked: list[Request]) -> None:
    done = CliRunner().invoke(main, ["figure", "card", "Mine", "digits_supervised", "-p", "Mine.p=1.0"])
    assert done.exit_code == 0, done.output
    folder = Path("cards/mine-digits")
    assert sorted(path.name for path in folder.iterdir()) == ["CARD.md", "card.json", "card.png", "card.svg"]
    lines = done.stdout.splitlines()
    assert len(lines) == len(card()["measures"])
    assert all("n=20" in line for line in lines)
    assert f"wrote {folder / 'card.svg'}" in done.stderr
    (request,) = asked
    assert (request.augmenter, request.bindings, request.seed) == ("Mine", ("Mine.p=1.0",), 0)
    assert (request.slot, request.run, request.margin) == (None, None, None)
    assert (request.runs, request.floor) == (Path("runs/card"), 0.7)


def test_options_are_handed_on(asked: list[Request]) -> None:
    options = [
        "--slot", "positives", "--judge", "SmallNet", "--run", "a-run", "--images", "50", "--margin", "0.1",
        "--seed", "3", "--floor", "0.5", "--device", "cpu", "--data", "d", "--runs", "r", "--out", "o",
        "--setting", "sym50",
    ]  # fmt: skip
    done = CliRunner().invoke(main, ["figure", "card", "Mine", "digits_supervised", *options, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == card()
    (request,) = asked
    assert (request.slot, request.judge, request.run, request.images) == (
        "positives",
        "SmallNet",
        Path("a-run"),
        50,
    )
    assert (request.margin, request.seed, request.device, request.setting) == (0.1, 3, "cpu", "sym50")
    assert request.floor == 0.5
    assert (request.data, request.runs) == (Path("d"), Path("r"))
    assert (Path("o") / "CARD.md").is_file()


def test_a_user_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["figure", "card", "LPB3", "digits_supervised"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: there is no LPB3 among the augmenters; did you mean LPA3 or LPA3Fast? ")
    assert line.endswith("--plugin FILE or run.plugins")
    assert [*tmp_path.iterdir()] == []


def test_the_help_opens_as_the_list_of_figures_says() -> None:
    assert command.help is not None
    assert command.help.splitlines()[0] == FIGURES["card"]
