"""The boards that come with the package: their pages are made of their records, and suites fill them."""

from __future__ import annotations

import re
from ast import literal_eval
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from support.small_records import bits, changed, small_record, within

from lpa3bench.boards import results as storing
from lpa3bench.boards.building import build_board
from lpa3bench.boards.cell_commands import suite_seeds
from lpa3bench.boards.definition import BOARD_TOML, load_definition
from lpa3bench.boards.joined_scores import with_later_scores
from lpa3bench.boards.placing import places, why_elsewhere, why_refused
from lpa3bench.plugin import registry
from lpa3bench.records import Record
from lpa3bench.records import searches as search
from lpa3bench.records.record_files import anonymous
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.runtime.paths import shipped, suite_names

FOLDERS = sorted(path.parent for path in shipped("leaderboards").glob(f"*/{BOARD_TOML}"))
KEYS = [folder.name for folder in FOLDERS]
SUITES = {
    "table1": ["table1"],
    "table2": ["table2"],
    "table3": ["table3"],
    "digits": ["digits", "digits_controls", "digits_noisy", "digits_later"],
    "rivals": ["digits_rivals", "digits_fast"],
    "fashion_mini": ["fashion_mini"],
}
TRANSCRIBED = Path(__file__).parents[3] / "shared" / "published_results.yaml"
"""The paper's tables as they were transcribed, where that lies beside the checkout."""
RULES = {
    "infomin_not_comparable": "none",
    "mixup_best_epoch": "unknown",  # the transcription has its rule from memory, and P-correction's
    "pcorr_last": "unknown",
    "mcorr_mislabelled": "none",
    "dividemix_last": "accuracy.mean_last_10",
    "pes_best_epoch": "accuracy.oracle_best",
    None: "unknown",
}
"""Which epoch counts, by what the transcription notes of it and somebody has seen."""


def test_all_boards_are_here() -> None:
    assert {"table1", "table2", "table3", "digits", "rivals", "fashion_mini", "cost"} <= {*KEYS}


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_pages_are_made_of_the_records_that_lie_beside_them(key: str) -> None:
    """Byte for byte, so nobody wrote into them by hand, and nobody forgot to build."""
    folder = shipped("leaderboards") / key
    board = load_definition(folder)
    records = with_later_scores(board, storing.stored(board))
    built = build_board(board, records, search.find_searches([storing.results_of(board)]))
    for name, make in BOARD_FILES.items():
        assert make(built) == (folder / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("key", KEYS)
def test_no_record_tells_of_the_folders_of_who_ran_it(key: str) -> None:
    board = load_definition(shipped("leaderboards") / key)
    for record in storing.stored(board):
        assert anonymous(record.data) == record.data, record.path
        assert not re.search(r"/(home|root|tmp|mnt|work|Users)/", record.path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", KEYS)
def test_a_text_tells_of_no_table_that_runs_have_yet_to_fill(key: str) -> None:
    """Those beside the main one are there once there are numbers for them."""
    assert not re.search(r"\bstands? (below|above)\b", load_definition(shipped("leaderboards") / key).text)


def test_published_numbers_stand_from_the_start() -> None:
    claims = {key: load_definition(shipped("leaderboards") / key).published for key in KEYS}
    assert {key: len(found) for key, found in claims.items() if found} == {
        "table1": 16,
        "table2": 42,
        "table3": 48,
    }
    assert claims["table1"]["fixmatch_lpa3", "cifar100_400"].mean == pytest.approx(0.5616)
    pes = claims["table2"]["pes_lpa3", "cifar100_sym90"]
    assert (pes.mean, pes.std, pes.n, pes.metric) == (0.4061, 0.0110, 3, "accuracy.oracle_best")
    assert claims["table2"]["mcorrection", "cifar10_sym50"].metric == "none"  # mislabelled in the paper
    assert claims["table3"]["resnet50_lpa3", "organsmnist"].std == pytest.approx(0.0008)
    for found in claims.values():
        for claim in found.values():
            assert (claim.n == 3) == (claim.std is not None)
            assert len(claim.printed_mean.partition(".")[2]) == (2 if claim.std is not None else 1)
            assert claim.note


def test_every_published_number_is_the_transcribed_one() -> None:
    """All 106, with their deviations and rules, against the transcription that they were taken from."""
    if not TRANSCRIBED.is_file():
        pytest.skip(f"{TRANSCRIBED.name}: the transcription of the paper's tables is not beside the checkout")
    yaml = pytest.importorskip("yaml", reason="the transcription is YAML")
    told = yaml.safe_load(TRANSCRIBED.read_text(encoding="utf-8"))
    expected = {}
    for line in told["results"]:
        row, column = _row_key(line["system"]), _column_key(line["dataset"], line["setting"])
        own = line["provenance"] != "copied"
        expected[f"table{line['table']}", row, column] = (
            line["mean"],
            line["std"],
            told["trials"] if own else None,
            RULES[line["note"]],
            f"Table {line['table']}",
            told["paper"]["arxiv"],
        )
    assert len(expected) == len(told["results"]) == 106
    assert {
        (key, row, column): (
            float(claim.printed_mean),
            float(claim.printed_std) if claim.printed_std else None,
            claim.n,
            claim.metric,
            claim.source.rpartition(", ")[2],
            re.findall(r"arXiv (\S+)\)", claim.source)[0],
        )
        for key in KEYS
        for (row, column), claim in load_definition(shipped("leaderboards") / key).published.items()
    } == expected


def _row_key(system: str) -> str:
    """ "InfoMin (RGB)" is infomin_rgb, and "ResNet-18+LP-A3" resnet18_lpa3."""
    return re.sub(r"[+ ]", "_", re.sub(r"[-()]", "", system.lower()))


def _column_key(dataset: str, setting: str) -> str:
    """CIFAR-10 with "symmetric 50%" is cifar10_sym50, with "40 labels" cifar10_40; MedMNIST's has none."""
    stem = dataset.lower().replace("-", "")
    if setting == "100 epochs":
        return stem
    return f"{stem}_{setting.replace('symmetric ', 'sym').removesuffix('%').removesuffix(' labels')}"


@pytest.mark.slow
@pytest.mark.parametrize("key", SUITES)
def test_suites_fill_their_board_cell_by_cell(key: str) -> None:
    """Each cell of its suites has one place there and is taken; no two share one; none stays empty."""
    board = load_definition(shipped("leaderboards") / key)
    filled: Counter[tuple[str, str]] = Counter()
    for name in SUITES[key]:
        for record in suite_records(name):
            found = places(board, record)
            assert len(found) == 1, f"{record}: {found or why_elsewhere(board, record)}"
            assert why_refused(board, record) is None, str(record)
            filled[found[0]] += 1
    assert {*filled.values()} == {1}
    assert filled.keys() == {(row.key, column.key) for row, column in board.planned()}


def test_every_comparison_of_the_rivals_can_be_told_after_correction() -> None:
    """With the smallest p that twelve seeds allow, times how many there are in a family, as Holm has it."""
    board = load_definition(shipped("leaderboards") / "rivals")
    asked = {
        (row, against, column): question.primary
        for question in board.questions
        for row, against, column in product(question.rows, question.against, question.columns)
    }
    standing = {
        (row.key, against, column.key)
        for row, column in board.planned()
        for against in (row.baseline, board.equal_cost)
        if row.baseline and against and against != row.key
    }
    primary = {one for one, is_primary in asked.items() if is_primary}
    others = (asked.keys() | standing) - primary
    smallest = 2 / 2 ** len(suite_seeds(board.commands))
    assert smallest == 2 / 4096
    assert max(len(primary), len(others)) * smallest <= 0.05
    assert f"{len(primary)} comparisons, all others are at most {len(others)}," in board.text
    assert {against for _, against, _ in primary} == {
        "pgd", "vat", "random_direction", "randaugment_positives", "identity", "equal_cost",
    }  # fmt: skip


def suite_records(name: str) -> list[Record]:
    """What a run of each cell of the suite would record of its cell and config."""
    from lpa3bench import suites as suite
    from lpa3bench.runtime.paths import resolve_config

    assert f"suites/{name}" in suite_names()
    found = registry.load_registry(())
    listed = suite.read_suite(resolve_config(f"suites/{name}"))
    return [_record(cell, listed.complete(cell, found).load(found)) for cell in listed.cells]


def _record(cell: object, config: object) -> Record:
    names = config.names  # type: ignore[attr-defined]
    values = {value.name: value.text for value in config.values}  # type: ignore[attr-defined]
    record = small_record(bits(1), config=values)
    slots = {slot: names[slot] for slot in ("view", "strong", "positives") if slot in names}
    fields = {
        "task": names["task"],
        "dataset": names["dataset"],
        "labels": names.get("labels", "Clean"),
        "backbone": names["backbone"],
        "slots": slots,
        "setting": literal_eval(values.get("run.setting", "None")),
        "epochs": int(values["run.epochs"]),
    }
    record = within(record, "protocol", changed=tuple(change.name for change in config.changed))  # type: ignore[attr-defined]
    kept = {name: text for name, text in values.items() if not name.startswith("run.setting")}
    name = "-".join(str(cell).split()).lower().replace("/", "_")
    return changed(within(record, "cell", **fields, name=name), config=kept)
