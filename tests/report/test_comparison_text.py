"""A comparison as text, Markdown and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.small_records import bits, elsewhere, label, small_record, write

from lpa3bench.boards.comparison import Compared, compare
from lpa3bench.boards.selection import select
from lpa3bench.records import Record
from lpa3bench.report.comparison_text import (
    NOTES,
    comparison_json,
    comparison_markdown,
    comparison_text,
)

LPA3 = {"positives": "LPA3"}
PLAIN_LABEL, LPA3_LABEL = (label(small_record(bits(5), slots=slots)) for slots in ({}, LPA3))


def compared(folder: Path, method: list[Record], baseline: list[Record]) -> Compared:
    sides = (
        select(str(write(folder / side, *runs)), folder) for side, runs in (("a", method), ("b", baseline))
    )
    return compare(*sides, "accuracy.last")


def sides(seeds: int, *, gain: int = 2, **more: float) -> tuple[list[Record], list[Record]]:
    method = [small_record(bits(60 + gain + s, of=100), seed=s, slots=LPA3, **more) for s in range(seeds)]  # type: ignore[arg-type]
    return method, [small_record(bits(60, of=100), seed=s) for s in range(seeds)]


def rows(shown: str) -> dict[str, str]:
    """The first cell's rows as the text shows them, unwrapped."""
    found: dict[str, str] = {}
    width = max(len(line) - len(line[2:].split("  ", 1)[1].lstrip()) for line in shown.splitlines()[1:4])
    for line in shown.split("\n\n")[0].splitlines()[1:]:
        name, rest = line[:width].strip(), line[width:]
        if name:
            found[name] = rest
        else:
            found[[*found][-1]] += f" {rest}"
    return found


def test_the_text_by_hand(tmp_path: Path) -> None:
    """62, 63, 64 of a hundred images against 60 each, at three times the passes."""
    shown = comparison_text(compared(tmp_path, *sides(3, passes=3000.0, seconds=6.0)))
    assert shown.startswith(f"A {LPA3_LABEL} against B {PLAIN_LABEL}\n")
    assert rows(shown) == {
        "score": "accuracy, last epoch: 63.00 ± 1.00 against 60.00 ± 0.00 %, 3 pairs of 3 and 3 runs",
        "difference": "+3.00 ± 1.00 points",
        "verdict": "not testable: 3 pairs allow no p below 0.25 (exact sign-flip permutation test of the "
        "mean difference, smallest p 0.25)",
        "equal cost": "no baseline trained for A's cost lies beside B; train B for longer and name it with "
        "--equal-cost (some configs have the setting equal_cost for that)",
        "parity": "augmenter only",
        "augmenter": "run.positives: None → @positives/augmenters.LPA3()",
        "images": "4 of 100 more often right, 0 less often: exact McNemar test p 0.12; mean +3.00; "
        "each seed by itself: p 0.5 (seed 0), 0.25 (seed 1), 0.12 (seed 2)",
        "classes": "0 of 2 are worse, 0 in every pair; lowest is class 0: +3.00 ± 1.00 points",
        "passes": "3 k against 1 k (× 3.00)",
        "passes of B": "A stopped at B's cost: – against 60.00 %, as a run had not finished an epoch",
        "passes of A": "B stopped at A's cost: it ended by itself at 33 % of that cost: no comparison",
        "passes to B": "to come to B's final score: A did in 3 of 3 pairs; medians 3 k against 1 k, × 3.00",
        "seconds": "6 s against 2 s (× 3.00)",
        "seconds of B": "A stopped at B's cost: – against 60.00 %, as a run had not finished an epoch",
        "seconds of A": "B stopped at A's cost: it ended by itself at 33 % of that cost: no comparison",
        "seconds to B": "to come to B's final score: A did in 3 of 3 pairs; medians 6 s against 2 s, × 3.00",
    }
    assert all(note[:60] in shown for note in NOTES)


def test_ten_pairs_have_an_interval_and_a_claim(tmp_path: Path) -> None:
    found = rows(comparison_text(compared(tmp_path, *sides(10))))
    assert found["difference"].startswith("+6.50 ± 3.03 [+4.")
    assert found["verdict"].startswith("better: p = 0.002, 10 pairs")
    assert found["images"].endswith("each seed by itself: p of 0.05 or less in 6 of 10")


def test_seconds_of_other_surroundings_are_marked(tmp_path: Path) -> None:
    method, baseline = sides(1)
    parallel = elsewhere(method[0], world_size=4)
    found = rows(comparison_text(compared(tmp_path, [parallel], baseline)))
    assert found["surroundings"] == "processes: 1 → 4"
    assert found["seconds"] == "2 s against 2 s (× 1.00); the surroundings differ, so seconds do not compare"
    assert found["passes"] == "1 k against 1 k (× 1.00)"


def test_seeds_without_a_pair_are_told_once_a_reason(tmp_path: Path) -> None:
    method, baseline = sides(8)
    found = rows(comparison_text(compared(tmp_path, method[7:], baseline)))
    assert found["not paired"] == "no run of the method (seeds 0, 1, 2, 3, 4 and 2 more)"
    assert found["score"] == "accuracy, last epoch: 69.00 against 60.00 %, 1 pair of 1 and 8 runs"


def test_what_is_no_result_is_marked(tmp_path: Path) -> None:
    limited, whole = [small_record(bits(6), limit=64)], [small_record(bits(5))]
    found = rows(comparison_text(compared(tmp_path, limited, whole)))
    assert found["warning"] == (
        f"{limited[0].name}-{limited[0].identity} is not a result: trained on a part of the images (--limit)"
    )
    assert found["besides"] == "--limit: none → 64"
    assert found["parity"] == "other settings too"


def test_a_pair_of_settings_is_pooled(tmp_path: Path) -> None:
    method = [small_record(bits(7), setting=setting, slots=LPA3) for setting in ("one", "two")]
    baseline = [small_record(bits(right), setting=setting) for setting, right in (("one", 5), ("two", 6))]
    shown = comparison_text(compared(tmp_path, method, baseline))
    heading = "All 2 cells with pairs, one difference each"
    assert f"{heading}\n  verdict  mean difference +15.00 ± 7.07; not testable" in shown


def test_cells_without_a_pair_are_not_counted_as_pooled(tmp_path: Path) -> None:
    settings = ("one", "two", "three")
    method = [small_record(bits(7), setting=one, slots=LPA3) for one in settings]
    baseline = [small_record(bits(5), setting=one, seed=int(one == "three")) for one in settings]
    shown = comparison_text(compared(tmp_path, method, baseline))
    assert f"A {label(method[-1])} against B {label(baseline[-1])}" in shown
    assert "All 2 cells with pairs, one difference each" in shown
    assert "All 3 cells" not in shown


def hostile() -> list[Record]:
    config = {"PES.name": "'<script>|`x`\x1b[31m'"}
    record = small_record(bits(5), task="PES", config=config)
    return [elsewhere(record, cpu_model="*bold*\n# heading")]


def test_strings_of_records_do_no_harm(tmp_path: Path) -> None:
    found = compared(tmp_path, hostile(), [small_record(bits(5), task="PES", config={"PES.name": "'x'"})])
    page = comparison_markdown(found)
    assert "<script>" not in page
    assert r"PES.name: 'x' → '&lt;script&gt;\|\`x\`" in page
    assert r"\*bold\* # heading |" in page
    assert "\n# heading" not in page
    shown = comparison_text(found)
    assert "\x1b" not in shown
    assert "'<script>|`x`?[31m'" in shown
    assert "\n# heading" not in shown


def test_markdown_has_a_table_a_cell(tmp_path: Path) -> None:
    page = comparison_markdown(compared(tmp_path, *sides(3)))
    assert page.startswith(f"## A {LPA3_LABEL} against B {PLAIN_LABEL}\n\n| | |\n")
    assert "| difference | +3.00 ± 1.00 points |" in page


def test_json_holds_everything_as_shares(tmp_path: Path) -> None:
    data = json.loads(comparison_json(compared(tmp_path, *sides(3))))
    assert (data["schema_version"], data["metric"], data["pooled"]) == (1, "accuracy.last", None)
    (cell,) = data["cells"]
    assert cell["badge"] == "augmenter only"
    assert cell["test"]["difference"] == pytest.approx(0.03)
    assert (cell["test"]["verdict"], cell["test"]["smallest_p"]) == ("not testable", 0.25)
    assert [cost["axis"] for cost in cell["costs"]] == ["passes", "seconds"]
    assert cell["images"]["pooled"]["only_method"] == 4
    assert cell["harm"]["worst"]["number"] == 0
