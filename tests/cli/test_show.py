"""`lpa3bench show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from support import config_plugins
from support.config_plugins import WHOLE
from support.console import Cli

from lpa3bench.cli import main, show

LINES = len(WHOLE.splitlines())
EXTRA = """\
ToyTask.weight = 75
high/ToyTask.weight = 100
positives/ToyAttack.margin = 0.5
ToyJitter.strength = 0.1
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(WHOLE + EXTRA)
    return "a.gin"


def shown(*arguments: str, forecast: bool = False) -> Result:
    options = ["--plugin", config_plugins.__file__, *([] if forecast else ["--no-forecast"])]
    return CliRunner().invoke(main, ["show", *arguments, *options], catch_exceptions=False)


def section(text: str, heading: str) -> list[list[str]]:
    """The rows below a heading, cell by cell."""
    (block,) = [block for block in text.split("\n\n") if block.splitlines()[0] == heading]
    return [[cell for cell in line.split("  ") if cell] for line in block.splitlines()[1:]]


def test_every_value_and_where_it_comes_from(path: str) -> None:
    text = shown(path, "-p", "ToyTask.lr=0.5", "--setting", "high").stdout
    task = {row[0]: [cell.strip() for cell in row[1:]] for row in section(text, "ToyTask")}
    assert task["lr"] == ["0.5", "-p"]
    assert task["weight"] == ["100.0", f"a.gin:{LINES + 2}"]
    assert task["batch_size"] == ["8", "default"]
    run = {row[0]: [cell.strip() for cell in row[1:]] for row in section(text, "run")}
    assert run["task"] == ["@tasks.ToyTask()", "a.gin:1"]
    assert run["setting"] == ["'high'", "--setting"]
    attack = {
        row[0].strip(): [cell.strip() for cell in row[1:]] for row in section(text, "positives/ToyAttack")
    }
    assert attack["margin"] == ["0.5", f"a.gin:{LINES + 3}"]
    assert text.splitlines()[:4] == [
        "setting     high (also: low)",
        "slots       positives = ToyAttack",
        "weak view   a horizontal flip in half of the cases, then a shift of up to 4 pixels, filled by "
        "reflection, before every slot (flip True, pad 4, mode reflect, crop None)",
        "parameters  283, and 14 of auxiliary BatchNorm",
    ]


def test_what_always_happens_is_called_by_its_name(path: str) -> None:
    still = ("-p", "run.weak = @WeakView()", "-p", "WeakView.flip = False", "-p", "WeakView.pad = 0")
    bare = ("-p", "run.positives = None")
    assert shown(path, *bare).stdout.splitlines()[1] == "slots       none bound: weak view only"
    head = shown(path, *bare, *still).stdout.splitlines()[1:3]
    assert head[0] == "slots       none bound: the images as they are"
    assert head[1].startswith("weak view   nothing, before every slot (flip False, pad 0,")


def test_what_is_dormant_and_what_differs(path: str) -> None:
    text = shown(path, "-p", "ToyAttack.margin=0.1").stdout
    dormant = section(text, "dormant")
    assert [row[0].strip() for row in dormant] == [
        "high/ToyNoise.rate",
        "high/ToyTask.weight",
        "ToyJitter.strength",
    ]
    assert dormant[-1][-1].strip() == "ToyJitter is not bound"
    (row,) = section(text, "differs from what a.gin says")
    assert [cell.strip() for cell in row] == ["positives/ToyAttack.margin", "0.5 → 0.1", "-p"]


def test_nothing_is_said_to_be_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        line.removeprefix("low/")
        for line in WHOLE.splitlines()
        if "setting" not in line and "high" not in line
    ]
    Path("a.gin").write_text("\n".join(line for line in lines if "positives" not in line))
    text = shown("a.gin").stdout
    head = text.splitlines()
    assert [*head[:2], head[3]] == [
        "setting     none",
        "slots       none bound: weak view only",
        "parameters  283",
    ]
    assert section(text, "dormant") == section(text, "differs from what a.gin says") == [["nothing"]]


def test_json(path: str) -> None:
    found = json.loads(shown(path, "-p", "ToyAttack.margin=0.1", "--json").stdout)
    assert found["files"] == ["a.gin"]
    assert (found["setting"], found["settings"], found["slots"]) == (
        "low",
        ["low", "high"],
        {"positives": "ToyAttack"},
    )
    assert found["parameters"] == {"network": 283, "auxiliary": 14, "networks": 1}
    assert {"name": "ToyTask.weight", "value": "75.0", "origin": f"a.gin:{LINES + 1}"} in found["values"]
    assert found["changed"] == [
        {"name": "positives/ToyAttack.margin", "published": "0.5", "value": "0.1", "origin": "-p"}
    ]
    assert found["dormant"][0]["reason"] == "high is not chosen"
    assert "tasks.ToyTask.weight = 75.0\n" in found["operative"]
    assert "forecast" not in found


def test_the_operative_config_can_be_shown_again(path: str) -> None:
    """What `show --json` gives is a config of its own."""
    first = json.loads(shown(path, "--json").stdout)
    Path("operative.gin").write_text(first["operative"])
    assert json.loads(shown("operative.gin", "--json").stdout)["operative"] == first["operative"]


def test_a_value_out_of_range_is_exit_3(path: str) -> None:
    result = shown(path, "-p", "ToyNet.width=0")
    assert result.exit_code == 3
    assert result.stderr == "error: -p 'ToyNet.width=0': ToyNet.width must be >= 1, not 0\n"


FORECAST: dict[str, Any] = {
    "phases": [
        {"name": "warm-up", "seconds_per_step": 0.25, "forward_equivalents_per_step": 384.0, "steps": 7800},
        {
            "name": "mixmatch",
            "seconds_per_step": 1.5,
            "forward_equivalents_per_step": 1024.0,
            "steps": 109_200,
        },
    ],
    "hours": 46.04,
    "peak_memory_bytes": 3 * 2**29,
    "parameters": 283,
    "scaled_from": "batch 8 to 128",
}


def test_the_forecast(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lpa3bench.training import dry_run as rehearsal

    asked: dict[str, Any] = {}

    def forecast(config: Any, **options: Any) -> dict[str, Any]:
        asked.update(options, setting=config.setting)
        return FORECAST

    monkeypatch.setattr(rehearsal, "forecast", forecast)
    monkeypatch.setattr(show, "busy", lambda: "the machine is busy")
    text = shown(path, "--device", "cpu", "--data", str(tmp_path), forecast=True).stdout
    assert asked == {"root": tmp_path, "device": "cpu", "setting": "low"}
    rows = [[cell.strip() for cell in row] for row in section(text, "forecast")]
    assert rows == [
        ["warm-up", "0.25 s a step", "384 image passes", "7,800 steps"],
        ["mixmatch", "1.5 s a step", "1,024 image passes", "109,200 steps"],
        ["all steps", "about 46 h (31 to 69 h)"],
        ["busy", "the machine is busy"],
        ["memory", "1.5 GiB, programs and data included"],
        ["scaled", "from batch 8 to 128"],
    ]


def test_a_forecast_without_the_data_set(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lpa3bench.training import dry_run as rehearsal

    phases = [{**phase, "steps": None} for phase in FORECAST["phases"]]
    unknown = {**FORECAST, "phases": phases, "hours": None, "scaled_from": None}
    monkeypatch.setattr(rehearsal, "forecast", lambda config, **options: unknown)
    monkeypatch.setattr(show, "busy", lambda: None)
    rows = section(shown(path, forecast=True).stdout, "forecast")
    assert [cell.strip() for cell in rows[0]] == ["warm-up", "0.25 s a step", "384 image passes"]
    assert "the data set is not here" in rows[2][1]
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.001, "about 3.6 s (2.4 to 5.4 s)"),
        (0.5, "about 30 min (20 to 45 min)"),
        (2.5, "about 2.5 h (1.7 to 3.8 h)"),
        (60, "about 2.5 days (1.7 to 3.8 days)"),
    ],
)
def test_durations(hours: float, words: str) -> None:
    lists: dict[str, Any] = {"settings": [], "values": [], "changed": [], "dormant": []}
    lists |= {"augmenters": {}, "files": ["a.gin"]}
    sizes = {"network": 1, "auxiliary": 0, "networks": 2}
    forecast = {**FORECAST, "hours": hours}
    text = show.text(
        {
            **lists,
            "setting": None,
            "slots": {},
            "weak": {"does": "nothing"},
            "parameters": sizes,
            "forecast": forecast,
        }
    )
    assert f"  all steps  {words}\n" in text
    assert "parameters  2 networks of 1\n" in text


SUITE = """\
suite.cells = ["a.gin", "a.gin --setting high -p 'ToyTask.lr = 1'"]
suite.seeds = (1, 2)
suite.bindings = ["ToyTask.weight = 1", "ToyAttack.margin = 2"]
"""


def test_of_a_suite_its_cells_and_seeds(path: str) -> None:
    Path("s.gin").write_text(SUITE)
    assert shown("s.gin").stdout.splitlines() == [
        "runs      4: 2 cells × 2 seeds",
        "seeds     1, 2",
        "bindings  ToyTask.weight = 1; ToyAttack.margin = 2",
        "threads   1",
        "",
        "cells",
        "  a.gin",
        "  a.gin --setting high -p 'ToyTask.lr = 1'",
    ]
    assert json.loads(shown("s.gin", "--json").stdout) == {
        "cells": [["a.gin"], ["a.gin", "--setting", "high", "-p", "ToyTask.lr = 1"]],
        "seeds": [1, 2],
        "bindings": ["ToyTask.weight = 1", "ToyAttack.margin = 2"],
        "threads": 1,
        "plugins": [],
        "search": None,
    }


def test_of_a_grid_every_cell(path: str) -> None:
    words = ("a.gin", "--grid", "setting=low,high", "--grid", "ToyTask.lr=1,2", "--seeds", "0-2")
    assert shown(*words).stdout.splitlines()[0] == "runs      12: 4 cells × 3 seeds"
    assert json.loads(shown(*words, "--json").stdout)["cells"][1] == [
        "a.gin", "--setting", "low", "-p", "ToyTask.lr = 2",
    ]  # fmt: skip
    done = shown("a.gin", "--seeds", "0", "-p", "ToyTask.lr=1")
    assert done.exit_code == 2
    assert "--grid and --seeds take one FILE" in done.stderr


def test_of_a_search_what_is_drawn(path: str) -> None:
    search = '{"trials": 8, "ranges": {"ToyAttack.margin": ("log", 0.1, 1)}, "seeds": (7,), "holdout": 5}'
    Path("s.gin").write_text(f"{SUITE}suite.search = {search}\n")
    assert "search    8 trials × 1 seed, by the validation score of the last epoch" in shown("s.gin").stdout
    assert shown("s.gin").stdout.splitlines()[-2:] == [
        "drawn from, in every cell that uses it",
        "  ToyAttack.margin  ('log', 0.1, 1)",
    ]
    assert json.loads(shown("s.gin", "--json").stdout)["search"] == {
        "trials": 8,
        "ranges": {"ToyAttack.margin": ["log", 0.1, 1]},
        "seeds": [7],
        "holdout": 5,
        "epoch": "last",
    }


def test_a_suite_is_shown_by_itself(path: str) -> None:
    Path("s.gin").write_text(SUITE)
    for arguments in (("s.gin", "--setting", "low"), ("s.gin", "-p", "ToyTask.lr=1"), ("a.gin", "s.gin")):
        result = shown(*arguments)
        assert result.exit_code == 3
        assert result.stderr.startswith("error: s.gin:1: what has suite lines is a suite, a list of runs")
    Path("s.gin").write_text("suite.cells = []")
    assert shown("s.gin").stderr == "error: s.gin:1: suite.cells must not be empty\n"


def test_through_the_real_command(cli: Cli) -> None:
    """With the real forecast, of a shipped config."""
    done = cli("show", "quickstart", "--json", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["parameters"]["network"] == 24_058
    assert [phase["name"] for phase in found["forecast"]["phases"]] == ["train"]
    assert found["forecast"]["hours"] > 0


def test_every_option_of_a_line_of_run_may_stand_there(path: str) -> None:
    plain = shown(path, "--setting", "high").stdout
    run = main.get_command(click.Context(main), "run")
    assert run is not None
    values = {"seed": "100", "device": "cpu", "limit": "8", "purpose": "aid", "wandb": "offline"}
    words = []
    for option in run.params:
        if option.name not in ("files", "setting", "bindings", "plugins", "as_json"):
            assert isinstance(option, click.Option)
            words += [option.opts[0], *([] if option.is_flag else [values.get(option.name or "", "x")])]
    assert len(words) > 12
    assert shown(path, "--setting", "high", *words).stdout == plain
