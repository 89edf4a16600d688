"""What a terminal shows: lines between its edges, every number whole; nothing changes without one."""

from __future__ import annotations

import io
import re

import pytest

from lpa3bench.runtime.terminal_text import (
    aligned,
    columns_of,
    number_table,
    terminal_width,
    unfolded,
    wrapped,
)

PROSE = "Every test holds for one fixed set of test images, and says nothing of others."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal_width(io.StringIO()) is None
    assert terminal_width(Terminal()) == 72
    monkeypatch.setenv("COLUMNS", "3")
    assert terminal_width(Terminal()) == 20, "no word fits into less"
    monkeypatch.setenv("COLUMNS", "wide")
    assert terminal_width(Terminal()) == 80


def test_nothing_is_wrapped_without_a_width() -> None:
    assert wrapped(PROSE * 9, None) == PROSE * 9


@pytest.mark.parametrize("width", [20, 37, 60, 80])
def test_lines_are_wrapped_between_words(width: int) -> None:
    text = f"{PROSE}\n\n  verdict  {PROSE}"
    shown = wrapped(text, width)
    assert max(map(len, shown.split("\n"))) <= width
    assert shown.split() == text.split()


def test_what_goes_on_stands_under_its_column() -> None:
    assert wrapped("  equal cost  no baseline lies beside B\n  parity      augmenter only", 30) == (
        "  equal cost  no baseline lies\n              beside B\n  parity      augmenter only"
    )
    assert (
        wrapped("    tcs: how consistency is measured", 20)
        == "    tcs: how\n        consistency\n        is measured"
    )


def test_numbers_keep_their_deviation_and_unit() -> None:
    text = "score 97.27 ± 0.81 against 95.03 ± 1.24 %, 14.4 k against 2.70 k (× 5.33), medians 4.59 s"
    for width in range(20, 60):
        lines = wrapped(text, width).split("\n")
        for whole in ("97.27 ± 0.81", "95.03 ± 1.24 %,", "14.4 k", "2.70 k", "(× 5.33),", "4.59 s"):
            assert any(whole in line for line in lines), (width, whole)


def test_commands_are_one_word() -> None:
    text = "the folder is new; `lpa3bench leaderboard build b --from runs` makes one, and says so"
    assert "`lpa3bench leaderboard build b --from runs`" in wrapped(text, 50)


def test_long_paths_are_cut_in_the_middle_where_they_are_not_to_be_copied() -> None:
    path = f"/home/{'folder/' * 12}result.json"
    (cut,) = [word for word in wrapped(f"iris  is not in {path}", 40).split() if "/" in word]
    assert re.fullmatch(r"/home/.*….*result\.json", cut)
    assert path in wrapped(f"iris  is not in {path}", 40, whole_paths=True)
    assert wrapped(path, 40) == path, "alone in its line it is somebody's to copy"


def test_a_docstring_is_unfolded_before_it_is_wrapped() -> None:
    text = "One\ntwo.\n\nArgs:\n    lam: three\n        four.\n    start: five.\n\n- six\n- seven"
    assert unfolded(text) == "One two.\n\nArgs:\n    lam: three four.\n    start: five.\n\n- six\n- seven"


# ------------------------------------------------------------------------------------------------- tables
def test_numbers_stand_at_the_right_and_the_last_cell_runs_on() -> None:
    rows = [("run", "seconds", ""), ("digits", "7.5", "not a result, and why"), ("d", "110.2", "")]
    assert aligned(rows, numbers=[1]) == [
        "run     seconds",
        "digits      7.5  not a result, and why",
        "d         110.2",
    ]


def test_the_last_cell_of_a_short_row_widens_no_column() -> None:
    rows = [("memory", "0.3 GiB, programs and data included"), ("step", "4 ms", "10 images")]
    assert aligned(rows, indent="  ") == [
        "  memory  0.3 GiB, programs and data included",
        "  step    4 ms  10 images",
    ]
    assert aligned([]) == []


def test_one_long_cell_does_not_push_the_others_out_of_a_narrow_terminal() -> None:
    rows = [("epochs", "30", "a.gin:3"), ("metrics", "(@metrics.Accuracy(), @metrics.NLL())", "default")]
    assert aligned(rows, width=40)[0] == "epochs   30  a.gin:3"
    assert len(aligned(rows, width=80)[0]) > 40, "there is room"


HEAD = ("run", "accuracy, last epoch", "accuracy, best on test", "seconds", "passes")
BODY = [(f"digits-supervised-lpa3-f723d768-s{seed}", "98.12", "98.40", "3.7", "1.44e+04") for seed in (0, 10)]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_a_table_loses_no_number(width: int) -> None:
    lines = number_table(HEAD, BODY, ["", "not a result (--limit)"], width)
    told = [line.replace("not a result (--limit)", "").rstrip() for line in lines]
    assert max(map(len, told)) <= width
    for number in ("98.12", "98.40", "3.7", "1.44e+04"):
        assert sum(number in line.split() for line in lines) == len(BODY)
    assert set(" ".join(HEAD).split()) <= set(" ".join(lines).split())


def test_a_table_is_one_line_a_run_without_a_terminal_and_names_are_cut_last() -> None:
    plain = number_table(HEAD, BODY, ["", "not a result"], None)
    assert plain[0].split("  ")[0] == "run"
    assert len(plain) == 3
    assert plain[2].endswith("1.44e+04  not a result")
    assert "digits-supervised-lpa3-f723d768-s10" in number_table(HEAD, BODY, ["", ""], 60)[-1]
    assert any(
        "…" in line and line.split()[0].endswith("s10") for line in number_table(HEAD, BODY, ["", ""], 30)
    )


def test_wide_signs_take_two_columns() -> None:
    assert [*map(columns_of, ("abc", "数字", "é", "e\u0301", "1 ± 2 −"))] == [3, 4, 1, 1, 7]
    shown = wrapped(f"  数字  {'画像 ' * 20}", 24).split("\n")
    assert max(map(columns_of, shown)) <= 24
    assert all(line.startswith(" " * 8) for line in shown[1:]), "under the last column"
    rows = [["数字", "1", "a"], ["digits", "22", "b"]]
    assert {columns_of(line) for line in aligned(rows, numbers=[1])} == {13}
    narrow = number_table(["name", "score"], [["数" * 30, "98.31"]], [""], 24)
    assert max(map(columns_of, narrow)) <= 24
