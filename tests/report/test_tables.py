"""A board as Markdown, CSV, LaTeX and JSON: the same numbers everywhere, and no text that could do harm."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_boards import LPA3, TOML, board_folder, board_of, claim
from support.small_records import bits, changed, small_record

from lpa3bench.boards.board import Board
from lpa3bench.boards.building import build_board
from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.results import stored
from lpa3bench.records import Record
from lpa3bench.report import board_pages
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.report.board_json import BoardFile, board_json, board_json_schema
from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.csv_table import FORMULA, board_csv, csv_text, harmless
from lpa3bench.report.latex import escape_latex, latex_tables
from lpa3bench.report.markdown import NO_BREAK, escape_markdown
from lpa3bench.report.table_building import result_table
from lpa3bench.report.table_text import TextCell, measured_text
from lpa3bench.runtime.files import write_all

EVIL = '=HYPERLINK("x") | <script>alert(1)</script> *b* _i_ `c` $m$ & 50 % #1 {x} ~^\\'
CLAIMS = {("lpa3", "digits"): claim("85.5 ± 1.25")}


@cache
def board() -> Board:
    runs = [small_record(bits(6 + seed), seed=seed, identity="0000000a") for seed in range(3)]
    runs += [small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)]
    runs[4] = changed(runs[4], flags=(EVIL,))
    text = TOML.replace('name = "LP-A3"', f"name = {json.dumps(EVIL)}")
    return board_of(
        *runs,
        text=text + '\n[[columns]]\nkey = "empty"\nname = "@empty"\n[columns.match]\ntask = "None"\n',
        published=CLAIMS,
    )


def test_markdown_shows_mean_deviation_and_n() -> None:
    page = board_readme(board())
    spaced = page.replace(NO_BREAK, " ")
    assert "|  |  | Digits (n 3) | @empty |" in spaced
    assert "| no augmenter | measured | 70.00 ± 10.00 | – |" in spaced
    assert "| claimed | 85.5 ± 1.25 (n 3) | – |" in spaced
    assert "| **80.00 ± 0.00**<br>claim not testable | – |" in spaced, "the best of its column"
    assert "70.00 ± 10.00" not in page, "no line ends within it"
    assert "| ? +10.00<br>smallest p 0.5 |" in spaced, "one pair does not differ"
    assert "? not testable" in page, "the signs are told"
    assert "2 of 4 cells are measured" in page
    assert "nothing but the augmenter differs" in page
    assert "A paper; measure: accuracy.last. Copied." in page
    assert page.endswith("lpa3bench leaderboard build small\n```\n")


def test_claims_of_other_measures_are_marked_and_the_marks_explained() -> None:
    claims = {
        **CLAIMS,
        ("none", "digits"): claim("88", "accuracy.oracle_best"),
        ("third", "digits"): claim("77.00", "unknown"),
    }
    third = TOML[TOML.rindex("[[rows]]") :].replace("lpa3", "third")
    third = third.replace("LPA3", "None of ours").replace("LP-A3", "Third")
    made = board_of(small_record(bits(6)), text=TOML + third, published=claims)
    page, text = board_readme(made).replace(NO_BREAK, " "), latex_tables(made)
    assert "| claimed | 85.5 ± 1.25 (n 3) |" in page, "of the board's own measure"
    assert "| claimed | 88† (n 3) |" in page
    assert "| claimed | 77.00‡ (n 3) |" in page
    assert (
        "† The claim is of another measure: accuracy, best on test.\\\n"
        "‡ The source does not tell which epoch's number is claimed.\n"
    ) in page
    assert r"88$\dagger$ (n 3) \\" in text
    assert r"{\scriptsize $\dagger$ The claim is of another measure: accuracy, best on test.}" in text
    assert "†" not in text
    assert "dagger" not in latex_tables(board())


def test_markdown_escapes_what_comes_from_outside() -> None:
    page = board_readme(board())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\\| &lt;script" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if "ranks" not in line}
    assert columns == {5, 3}  # the main table says who says so; nothing is compared in its second column
    assert escape_markdown("a\n\nb") == "a b"
    assert escape_markdown("[x](javascript:y)").startswith("\\[x\\]")
    assert escape_markdown("# x") == "\\# x"
    assert escape_markdown("1. x") == "1\\. x"
    assert escape_markdown("+0.28") == "+0.28"


@given(st.text())
def test_no_text_leaves_its_cell(text: str) -> None:
    shown = escape_markdown(text)
    assert not re.search(r"(?<!\\)(\\\\)*\|", shown)
    assert not {"<", ">", "\n", "\r"} & {*shown}
    plain = re.sub(r"\$\S+?\$|\{\}|\\text\w+", "", escape_latex(text))
    assert not re.search(r"(?<!\\)(\\\\)*[#$%&_{}~^]", plain)
    assert not str(harmless(text)).startswith(FORMULA)
    (line,) = csv.DictReader(io.StringIO(csv_text([{"a": text, "b": 1}]), newline=""))
    assert line == {"a": harmless(text), "b": "1"}


def test_a_cost_has_its_unit_and_ratio_and_a_search_its_trials() -> None:
    runs = [small_record(bits(5), identity="0000000a"), small_record(bits(5), slots=LPA3, passes=4000)]
    page = board_readme(board_of(*runs, text=TOML.replace('"accuracy.last"', '"passes_per_step"')))
    assert "## Passes per step, in passes" in page
    assert "| LP-A3 | 400<br>× 4.00 |" in page.replace(NO_BREAK, " ")
    made = board()
    searched = replace(made, cells=(replace(made.cells[0], trials=8), *made.cells[1:]))
    (found,) = result_table(searched, "accuracy.last").rows[0].known[:1]
    assert measured_text(found, 3) == TextCell("70.00 ± 10.00", "", ("best of 8 trials",))
    assert measured_text(found, 4) == TextCell("70.00 ± 10.00", "(n 3)", ("best of 8 trials",))


def test_csv_has_a_line_a_cell_with_every_number() -> None:
    rows = [*csv.DictReader(io.StringIO(board_csv(board())))]
    assert [(row["row"], row["column"]) for row in rows] == [
        (row, column) for row in ("none", "lpa3") for column in ("digits", "empty")
    ]
    none, _, lpa3, empty = rows
    assert float(none["mean"]) == pytest.approx(0.7)
    assert (none["n"], none["seeds"], none["trials"]) == ("3", "0 1 2", "")
    assert float(lpa3["difference"]) == pytest.approx(0.1)
    assert (lpa3["verdict"], lpa3["smallest_p"], lpa3["published_mean"]) == ("not testable", "0.5", "0.855")
    assert (empty["n"], empty["mean"], empty["verdict"]) == ("0", "", "")
    assert float(lpa3["accuracy.oracle_best"]) == pytest.approx(0.8)


def test_csv_holds_no_formula() -> None:
    rows = [*csv.DictReader(io.StringIO(board_csv(board())))]
    assert rows[2]["row_name"] == f"'{EVIL}"
    assert rows[1]["column_name"] == "'@empty"
    assert [harmless(value) for value in ("-1", "+1", "\tx", "a=b", -1.5, None)] == [
        "'-1", "'+1", "x", "a=b", -1.5, "",
    ]  # fmt: skip


def test_latex_has_rules_and_escapes() -> None:
    text = latex_tables(board())
    assert text.count("\\toprule") == text.count("\\bottomrule") == text.count("\\begin{table*}") == 2
    assert r"no augmenter & measured & 70.00 $\pm$ 10.00 & -- \\" in text
    assert r"\textbf{80.00 $\pm$ 0.00}\\claim not testable\end{tabular} & -- \\[2pt]" in text
    assert "resizebox" not in text
    assert (
        r"=HYPERLINK(\"x\") $|$ $<$script$>$alert(1)$<$/script$>$ *b* \_i\_ `c` \$m\$ \& 50 \% \#1 \{x\} "
        r"\textasciitilde{}\textasciicircum{}\textbackslash{}".replace('\\"', '"')
    ) in text
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))
    assert escape_latex("50 % ≤ 3 − 1") == r"50 \% $\leq$ 3 $-$ 1"


@pytest.mark.parametrize("name", ["[1ex] row", "*row"])
def test_latex_takes_no_name_for_an_argument_of_the_line_before(name: str) -> None:
    text = latex_tables(board_of(small_record(bits(6)), text=TOML.replace("LP-A3", name)))
    assert f"    {{}}{name} &" in text
    assert f"\\\\\n    {name}" not in text


def test_latex_knows_the_signs_that_boards_use() -> None:
    assert escape_latex("α ≠ β → …†") == r"$\alpha$ $\neq$ $\beta$ $\rightarrow$ \ldots{}$\dagger$"


def test_json_is_what_its_structure_says() -> None:
    text = board_json(board())
    file = msgspec.json.decode(text, type=BoardFile)
    assert json.loads(json.dumps(msgspec.to_builtins(file))) == json.loads(text)
    assert next(iter(json.loads(text))) == "schema_version"
    (verdict,) = {cell.comparison.verdict for cell in file.cells if cell.comparison}
    assert verdict == "not testable"
    assert len(file.records) == 6
    with pytest.raises(msgspec.ValidationError, match="row"):
        msgspec.json.decode(json.dumps({**json.loads(text), "cells": [{}]}), type=BoardFile)


def test_the_schema_of_the_json_names_all_that_is_in_it() -> None:
    schema = board_json_schema()
    found = schema["$defs"]["BoardFile"]
    assert found["properties"].keys() == json.loads(board_json(board())).keys()
    assert found["properties"]["records"]["additionalProperties"] == {"$ref": "#/$defs/RecordDigest"}


def test_links_to_records_lead_to_files_on_the_board_of_anothers_records_too(tmp_path: Path) -> None:
    own = board_folder(tmp_path / "digits", small_record(bits(6)), small_record(bits(8), slots=LPA3))
    shows = board_folder(tmp_path / "cost", text='records_of = "digits"\n' + TOML)
    for folder in (own, shows):
        definition = load_definition(folder)
        write_all(board_pages(build_board(definition, stored(definition), {}), folder))
        page = (folder / "index.html").read_text(encoding="utf-8")
        links = [link for link in re.findall(r'<a href="([^"]*)"', page) if not link.startswith("#")]
        assert len(links) == 6
        assert all((folder / link).is_file() for link in links)


def test_all_files_are_written_and_the_same_again(tmp_path: Path) -> None:
    paths = board_pages(board(), tmp_path)
    write_all(paths)
    assert [path.name for path in paths] == [
        "README.md", "board.csv", "board.tex", "board.json", "index.html",
    ]  # fmt: skip
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {path.name for path in paths}
    write_all(board_pages(board(), tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert b"<script>alert(1)" not in before["index.html"]


ALSO = TOML.replace("protocol = 1", 'also = ["accuracy.oracle_best", "accuracy.mean_last_10"]\nprotocol = 1')


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_a_page_speaks_of_tables_that_are_there_alone(name: str) -> None:
    """And of curves, records and comparisons; the runs are too short for a mean over ten epochs, and a line
    tells."""
    also = "Also shown, each by itself and never mixed with it: accuracy, best on test."
    compared = {"compared seed by seed", "correction"}
    too_short = "Not shown, for no cell has it in all of its runs: accuracy, mean of the last 10."
    words = {also, too_short, *compared}
    words |= {"with curves", "and records"} if name == "README.md" else {"Convergence", "<summary>Record"}
    none, lpa3 = small_record(bits(5), earlier=[0.5]), small_record(bits(8), slots=LPA3)

    def said(*records: Record) -> set[str]:
        page = BOARD_FILES[name](board_of(*records, text=ALSO))
        return {word for word in words if word in page}

    assert said() == set()
    assert said(none) == words - compared
    assert said(none, lpa3) == words
