"""`lpa3bench figure`, but for the card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from support.console import Cli
from support.schedule_runs import LENGTHS, grid
from support.small_records import bits, changed, small_record, write
from support.small_trained import FIXMATCH, SUPERVISED, train

from lpa3bench import config
from lpa3bench.cli import main
from lpa3bench.cli.figure import FIGURES
from lpa3bench.plugin import registry
from lpa3bench.records import Record, read_record
from lpa3bench.training.predictions import (
    Predictions,
    StoredPredictions,
    read_predictions,
    write_predictions,
)

SUITE = """
suite.cells = [
    "digits_fixmatch",
    "digits_fixmatch augmenters/lpa3 -p LPA3.margin=0.1",
    "digits_fixmatch augmenters/lpa3 -p LPA3.margin=0.01",
]
suite.seeds = (0, 1)
"""
BOARD = """
title = "Mine"
metric = "accuracy.last"
protocol = 1
equal_cost = "longer"
[[columns]]
key = "only"
name = "The only column"
[[rows]]
key = "ours"
name = "ours"
baseline = "none"
match = { "slots.positives" = "LPA3" }
[[rows]]
key = "none"
name = "nothing"
match = { "slots.positives" = "none", setting = "none" }
[[rows]]
key = "longer"
name = "nothing, for as long"
baseline = "none"
match = { setting = "equal_cost" }
"""


def figure(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["figure", *map(str, arguments)])


def test_each_kind_of_figure_has_a_line_and_a_help_of_its_own() -> None:
    told = figure("--help")
    assert told.exit_code == 0
    assert all(f"  {name} " in told.output for name in FIGURES)
    for name, line in FIGURES.items():
        own = figure(name, "--help")
        assert own.exit_code == 0
        assert line.removesuffix(".") in " ".join(own.output.split()).replace(" .", "."), name
    wrong = figure("pie")
    assert wrong.exit_code == 2
    assert "pie" in wrong.output


def test_augment_by_the_real_command(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("torchcam", reason="heat maps need torchcam, of the extra [figures]")
    run = train(tmp_path / "run", FIXMATCH)
    out = tmp_path / "fig3.svg"
    arguments = (
        "figure",
        "augment",
        run,
        "--data",
        tmp_path,
        "--images",
        "3",
        "--device",
        "cpu",
        "--out",
        out,
    )
    done = cli(*arguments, "--augmenter", "positives", "--augmenter", "RandAugment(n=1)", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == [str(out), str(out.with_suffix(".png"))]
    assert [row["name"] for row in told["rows"]] == ["original", "LPA3", "RandAugment(n=1)"]
    assert told["rows"][2]["about"].startswith("recipe='fixmatch', n=1, ")
    assert len(told["index"]) == 3
    assert all(0 <= share <= 1 for row in told["rows"] for share in row["confidence"])
    text = out.read_text(encoding="utf-8")
    assert told["rows"][0]["selected"] == [True] * 3
    assert sum(told["rows"][1]["selected"]) < 3, "half of them at most"
    for said in (
        "not selected",
        "LP-A3",
        "RandAugment(n=1)",
        "FixMatch on Synthetic, SmallNet, seed 3, after 2 epochs",
    ):
        assert said in text
    assert "repo variant, last feature map" in " ".join(re.sub(r"<[^>]*>", " ", text).split())

    nothing = cli("figure", "augment", tmp_path, "--data", tmp_path)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr == f"error: {tmp_path}: is no run directory: there is no env.json\n"


def test_confusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(tmp_path, SUPERVISED)
    stored = read_predictions(run / "predictions.npz")
    assert stored is not None
    for split, weights in (("test", "last"), ("val", "best")):
        own = (stored.last if weights == "last" else stored.selected)[split]
        options = ("--split", split, "--weights", weights, "--out", tmp_path / weights, "--json")
        done = figure("confusion", run, *options)
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert told["files"] == [str(tmp_path / f"{weights}.{end}") for end in ("svg", "png")]
        assert told["classes"] == ["0", "1", "2", "3"]
        pairs = [(int(label), int(best)) for label, best in zip(own.labels, own.probs.argmax(1), strict=True)]
        assert told["images"] == [[pairs.count((row, column)) for column in range(4)] for row in range(4)]
        text = " ".join((tmp_path / f"{weights}.svg").read_text(encoding="utf-8").split())
        assert f"{split.capitalize()} images by their class" in text
    monkeypatch.chdir(tmp_path)
    for options in ((), ("--split", "val", "--weights", "best")):
        figure("confusion", run, *options)
    name = read_record(run / "result.json")
    assert {path.name for path in tmp_path.glob("confusion-*.svg")} == {
        f"confusion-{name}.svg", f"confusion-{name}-val-best.svg",
    }, "no picture is drawn over another one"  # fmt: skip
    for taken in ("predictions.npz", "result.json"):
        (run / taken).unlink()
        refused = figure("confusion", run)
        assert (refused.exit_code, refused.stderr) == (
            4,
            f"error: {run}: is no finished run with its predictions\n",
        )


def test_a_confusion_of_what_was_not_predicted_is_refused(tmp_path: Path) -> None:
    probs, labels = torch.eye(2), torch.arange(2)
    record = small_record([True, True])
    run = write(tmp_path, record, runs=True) / str(record)
    write_predictions(run / "predictions.npz", StoredPredictions({"test": Predictions(probs, labels)}, {}))
    assert figure("confusion", run, "--out", tmp_path / "it").exit_code == 0
    for options, what in ((("--split", "val"), "val split"), (("--weights", "best"), "epoch selected")):
        refused = figure("confusion", run, *options)
        assert refused.exit_code == 4
        assert f"has no predictions of a{'n' if what[0] == 'e' else ''} {what}" in refused.stderr


def test_curves(tmp_path: Path) -> None:
    records = [small_record(bits(8), seed=seed, earlier=[0.5]) for seed in (0, 1)]
    pes = [small_record(bits(7), task="PES")]
    runs = write(tmp_path / "runs", *records, *pes, runs=True)
    out = tmp_path / "fig4"
    done = figure("curves", runs, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [f"{out}.svg", f"{out}.png"]
    text = (tmp_path / "fig4.svg").read_text(encoding="utf-8")
    assert ">counted passes (forward equivalents, millions)<" in text
    assert ">epochs<" not in text, "passes alone, unless told otherwise"

    one = figure("curves", runs, "--only", "*supervised*", "--by", "epochs", "--out", out, "--json")
    assert [panel["title"] for panel in json.loads(one.output)["panels"]] == ["Digits · Supervised"]
    assert json.loads(one.output)["panels"][0]["arms"][0]["seeds"] == [0, 1]
    assert "forward equivalents" not in (tmp_path / "fig4.svg").read_text(encoding="utf-8")
    assert figure("curves", runs, "--arm", "+ *", "--out", out).exit_code == 4
    empty = tmp_path / "empty"
    empty.mkdir()
    assert figure("curves", empty, "--out", out).exit_code == 4
    assert figure("curves", runs, "--out", tmp_path / "a" / "folder" / "fig4").exit_code == 0
    assert (tmp_path / "a" / "folder" / "fig4.png").is_file(), "folders are made"


def test_curves_of_a_board_are_in_its_words(tmp_path: Path) -> None:
    board = tmp_path / "mine"
    write(
        board / "results",
        *(small_record(bits(8), seed=seed, earlier=[0.5]) for seed in (0, 1)),
        small_record(bits(9), slots={"positives": "LPA3"}, identity="1" * 8),
        small_record(bits(9), setting="equal_cost", identity="2" * 8),
    )
    (board / "board.toml").write_text(BOARD)
    out = tmp_path / "fig4"
    done = figure("curves", board, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    (panel,) = json.loads(done.stdout)["panels"]
    assert panel["title"] == "The only column"
    assert [(arm["name"], arm["role"], arm["seeds"]) for arm in panel["arms"]] == [
        ("nothing", "baseline", [0, 1]),
        ("ours", "method", [0]),
        ("nothing, for as long", "equal cost", [0]),
    ]
    two = figure("curves", board, board / "results", "--out", out)
    assert (two.exit_code, "is a board, which is drawn by itself" in two.stderr) == (2, True)


def in_suite(number: int, seed: int, right: int) -> Record:
    """A record with the very config of a cell of `SUITE`."""
    cell = SUITE.splitlines()[2 + number].strip('," ').split()
    files = [Path(f"gin/{name}.gin") for name in cell if "=" not in name and name != "-p"]
    root = Path(__file__).parents[2]
    loaded = config.load_config(
        [root / file for file in files],
        bindings=[text for text in cell if "=" in text],
        registry=registry.load_registry(),
    )
    made = small_record(
        bits(right), seed=seed, task="FixMatch", setting="labels40", slots=loaded.slots,
        identity=f"{number}" * 8, name=f"cell{number}",
    )  # fmt: skip
    return changed(made, config=loaded.recorded)


def test_sensitivity_of_a_suite(tmp_path: Path) -> None:
    suite = tmp_path / "mine.gin"
    suite.write_text(SUITE)
    chosen = [in_suite(number, seed, 4 + number + seed) for number in range(3) for seed in (0, 1)]
    others = [in_suite(1, 7, 1), small_record(bits(1), task="PES")]
    runs = write(tmp_path / "runs", *chosen, *others, runs=True)
    out = tmp_path / "fig5"
    arguments = ("sensitivity", suite, "--from", runs, "--parameter", "LPA3.margin", "--out", out)
    done = figure(*arguments, "--json")
    assert done.exit_code == 0, done.output
    (line,) = json.loads(done.stdout)["lines"]
    assert line["title"] == "Digits · FixMatch · labels40"
    assert [(p["value"], p["scores"]) for p in line["points"]] == [(0.01, [0.6, 0.7]), (0.1, [0.5, 0.6])]
    assert line["baseline"]["scores"] == [0.4, 0.5]
    assert "without LP-A3 (n = 2)" in (tmp_path / "fig5.svg").read_text(encoding="utf-8")

    (runs / chosen[0].file_name.removesuffix(".json") / "result.json").unlink()
    assert "mine.gin: 5 of 6 runs are there" in figure(*arguments).stderr
    of_runs = figure("sensitivity", runs, "--parameter", "LPA3.margin", "--out", out, "--json")
    assert [p["n"] for p in json.loads(of_runs.stdout)["lines"][0]["points"]] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["quickstart"], 2, "is no suite file"),
        (["mine.gin", "--from", "empty"], 4, "none of its 6 runs is there"),
        (["empty", "--from", "empty"], 2, "--from goes with a suite file"),
        (["nowhere"], 3, "there is no such file"),
        (["empty"], 4, "no two runs there differ in"),
    ],
)
def test_sensitivity_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gin").write_text(SUITE)
    for folder in ("empty", "runs"):
        (tmp_path / folder).mkdir()
    done = figure("sensitivity", *arguments)
    assert done.exit_code == code
    assert said in done.stderr
    assert done.stdout == ""


def test_schedules(tmp_path: Path) -> None:
    gains = {"": 0, "LPA3": 50, "PGD": 20}
    records = grid(lambda augmenter, setting, seed: 500 + gains[augmenter] + 10 * LENGTHS[setting] + seed)
    other = [
        small_record(bits(7), task="PES", identity=name, earlier=[0.5] * n) for n, name in enumerate("ab")
    ]
    runs = write(tmp_path / "runs", *records, *other, runs=True)
    out = tmp_path / "budget"
    done = figure("schedules", runs, "--out", out)
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "Digits · FixMatch"
    assert lines[1].startswith(
        "short (0.25 ×) τ 1.00 [1.00, 1.00] with double (3 methods, 8 seeds); by halves"
    )
    assert lines[3:5] == [
        "LP-A3, short 3 k passes: better (p 0.039, 8 pairs); +2.00 points to double at 1.33 × the passes, "
        "+4.00 points to whole at 0.67 × the passes",
        "LP-A3, whole 6 k passes: not testable (p 0.039, 8 pairs); +3.00 points to double at 0.67 × the "
        "passes, the task alone has no run as dear",
    ]
    assert "left out, without two methods on two schedules: Digits · PES" in done.stderr
    assert done.stdout.endswith(f"{out}.svg\n{out}.png\n")

    told = json.loads(
        figure("schedules", runs, "--arm", "weak*", "--arm", "PGD", "--out", out, "--json").stdout
    )
    assert (told["metric"], told["files"]) == ("accuracy.last", ["budget.svg", "budget.png"])
    (panel,) = told["panels"]
    assert [method["name"] for method in panel["methods"]] == ["weak view only", "PGD"]
    few = figure("schedules", runs, "--arm", "PGD", "--out", out)
    assert (few.exit_code, "no two methods there have runs on two schedules" in few.stderr) == (4, True)
    assert figure("schedules", runs, "--metric", "nll.last", "--out", out).exit_code == 2
