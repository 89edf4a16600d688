"""Which runs make a line over schedules, what its points are compared with, and the picture."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.schedule_runs import COST, LENGTHS, grid, on_schedule
from support.small_records import within

from lpa3bench.boards.board import Measure
from lpa3bench.boards.measures import measure_of
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.report.figures.schedule_figure import draw_schedules
from lpa3bench.report.figures.schedule_tests import agreements, at_their_cost
from lpa3bench.report.figures.schedules import SCHEDULE_PARAMETERS, SchedulePanel, schedule_panels

PLUGINS = Path(__file__).parents[3] / "plugins" / "lpa3bench_plugins"
METRIC = "accuracy.last"


def flat(augmenter: str, setting: str, seed: int) -> int:
    return 500 + 10 * [*COST].index(augmenter) + seed


def only(records: list[Record], **options: tuple[str, ...]) -> SchedulePanel:
    (panel,), left_out = schedule_panels(records, METRIC, **options)
    assert left_out == []
    return panel


def accuracy(records: list[Record]) -> Measure:
    return measure_of(METRIC, records)


# ------------------------------------------------------------------------------------------------ the lines
def test_a_line_joins_what_differs_in_the_schedule_alone() -> None:
    panel = only(grid(flat))
    assert panel.title == "Digits · FixMatch"
    assert [str(schedule) for schedule in panel.schedules] == [
        "short (0.25 ×)",
        "whole (0.5 ×)",
        "double (1 ×)",
    ]
    assert [(line.name, line.role) for line in panel.lines] == [
        ("weak view only", "baseline"), ("LP-A3", "method"), ("PGD", "method"),
    ]  # fmt: skip
    assert panel.baseline is panel.lines[0]
    lpa3 = panel.lines[1]
    assert [point.passes for point in lpa3.points] == [3000, 6000, 12000]
    assert [point.schedule for point in lpa3.points] == [*panel.schedules]
    assert lpa3.points[0].score.scores == tuple((530 + seed) / 1000 for seed in range(8))
    assert panel.reference.name == "double"


def test_the_cost_of_a_point_is_the_mean_over_seeds() -> None:
    records = [
        within(r, "cost", forward_equivalents=int(r.passes) + (800 if r.seed == 0 else 0)) for r in grid(flat)
    ]
    assert [point.passes for point in only(records).lines[1].points] == [3100, 6100, 12100]


def test_the_reference_is_the_longest_that_most_methods_have() -> None:
    records = grid(flat)
    few = [r for r in records if (r.slots.get("positives"), r.cell.setting) != ("PGD", "double")]
    panel = only(few)
    assert panel.reference.name == "whole"
    assert [schedule.multiple for schedule in panel.schedules] == [0.5, 1, 2]


def test_what_differs_in_anything_else_is_another_method() -> None:
    others = [
        on_schedule("PGD", s, seed, 400, **{"positives/PGD.epsilon": "8"})
        for s in LENGTHS
        for seed in range(2)
    ]
    names = [line.name for line in only([*grid(flat), *others]).lines]
    assert names == ["weak view only", "LP-A3", "PGD", "PGD, epsilon 8"]
    anneal = [on_schedule("PGD", s, 0, 400, **{"positives/PGD.anneal": str(n)}) for s, n in LENGTHS.items()]
    with pytest.raises(
        DataError, match="no two methods there have runs on two schedules; schedules are told"
    ):
        schedule_panels([*anneal, *grid(flat, names="")], METRIC)
    also = only([*anneal, *grid(flat, names="")], also=("PGD.anneal",))
    assert [(line.name, len(line.points)) for line in also.lines] == [("weak view only", 3), ("PGD", 3)]


def test_an_environment_of_one_method_or_schedule_is_left_out() -> None:
    others = [within(r, "cell", backbone="WideNet") for r in grid(flat) if r.cell.setting == "short"]
    panels, left_out = schedule_panels([*grid(flat), *others], METRIC)
    assert [panel.title for panel in panels] == ["Digits · FixMatch"]
    assert left_out == ["Digits · FixMatch · short"]


def test_schedules_of_one_setting_are_called_by_what_differs() -> None:
    records = [within(r, "cell", setting="labels40") for r in grid(flat)]
    assert [schedule.name for schedule in only(records).schedules] == [
        "warmup_steps 1, epochs 1", "warmup_steps 2, epochs 2", "warmup_steps 4, epochs 4",
    ]  # fmt: skip


def test_an_augmenters_own_schedule_is_one_on_each_schedule() -> None:
    odd = on_schedule("LPA3", "short", 99, 500, **{"positives/LPA3.warmup_steps": "7"})
    with pytest.raises(DataError, match=r"both LP-A3 on short, and differ in positives/LPA3\.warmup_steps"):
        schedule_panels([*grid(flat), odd], METRIC)


def test_what_makes_no_point_is_refused() -> None:
    records = grid(flat)
    with pytest.raises(DataError, match="of one config and seed stand there twice"):
        schedule_panels([*records, records[0]], METRIC)
    with pytest.raises(DataError, match="other code or data behind it"):
        schedule_panels([*records[1:], within(records[0], "identity", config={"made": "otherwise"})], METRIC)
    with pytest.raises(DataError, match="two numerics versions"):
        schedule_panels(
            [within(r, "identity", numerics=LENGTHS[r.cell.setting or ""]) for r in records], METRIC
        )
    with pytest.raises(DataError, match=r"accuracy\.mean_last_20 is undefined"):
        schedule_panels(records, "accuracy.mean_last_20")
    with pytest.raises(DataError, match="no method is called x"):
        schedule_panels(records, METRIC, arms=("x",))


def test_every_number_of_a_schedule_is_known_by_its_name() -> None:
    """A parameter that is missing there would make a method of every schedule."""
    found = {
        argument.arg
        for path in PLUGINS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in node.args.kwonlyargs
        if re.search(r"(^|_)epochs?$|_steps$|_epoch$|^ema_", argument.arg)
    }
    assert found | {"epochs"} == SCHEDULE_PARAMETERS


# --------------------------------------------------------------------------------------------------- ranking
def test_rankings_of_schedules() -> None:
    """The short schedule has LP-A3 first, the others VAT; two of six pairs are turned."""

    def score(augmenter: str, setting: str, seed: int) -> int:
        order = ("VAT", "LPA3", "PGD", "") if setting == "short" else ("", "PGD", "LPA3", "VAT")
        order = ("", "LPA3", "VAT", "PGD") if setting == "whole" else order
        return 500 + 20 * order.index(augmenter) + seed

    panel = only(grid(score, names=" PGD VAT LPA3"))
    found = {one.schedule.name: one.of for one in agreements(panel)}
    assert [*found] == ["short", "whole"]
    assert found["short"].tau == found["short"].low == found["short"].high == -1.0
    assert found["whole"].tau == pytest.approx((4 - 2) / 6)
    assert found["whole"].ceiling == 1.0
    assert found["whole"].seeds == tuple(range(8))


def test_two_methods_are_not_ranked() -> None:
    panel = only(grid(flat, names=" PGD"))
    assert {one.of.tau for one in agreements(panel)} == {None}
    alone = [r for r in grid(flat) if not r.slots.get("positives") or r.cell.setting != "short"]
    assert [one.schedule.name for one in agreements(only(alone))] == ["whole"], "one method has the short one"


# ------------------------------------------------------------------------------------------------- at cost
def test_a_method_stands_between_the_schedules_next_to_its_cost() -> None:
    """The task alone costs 1, 2 and 4 thousand passes; PGD 2, 4 and 8; LP-A3 3, 6 and 12."""
    records = grid(flat)
    found = {(one.method, one.schedule.name): one for one in at_their_cost(only(records), accuracy(records))}
    assert len(found) == 6
    names = {
        place: tuple(at and at.schedule.name for at in (one.longer, one.shorter))
        for place, one in found.items()
    }
    assert names == {
        ("PGD", "short"): ("whole", "whole"),
        ("PGD", "whole"): ("double", "double"),
        ("PGD", "double"): (None, "double"),
        ("LP-A3", "short"): ("double", "whole"),
        ("LP-A3", "whole"): (None, "double"),
        ("LP-A3", "double"): (None, "double"),
    }
    lpa3 = found["LP-A3", "short"]
    assert lpa3.longer
    assert lpa3.shorter
    assert (lpa3.longer.passes, lpa3.shorter.passes) == pytest.approx((4 / 3, 2 / 3))
    assert lpa3.longer.test.difference == pytest.approx(0.03)


def test_costs_within_three_per_cent_are_equal() -> None:
    records = grid(flat, names=" PGD")
    near = [
        within(r, "cost", forward_equivalents=int(r.passes * factor))
        for r in records
        for factor in (1.02 if r.slots.get("positives") else 1.0,)
    ]
    short = next(o for o in at_their_cost(only(near), accuracy(near)) if o.schedule.name == "short")
    assert short.longer is short.shorter
    assert short.longer
    assert short.longer.schedule.name == "whole"


def test_better_is_said_where_the_dearer_schedule_is_beaten_too() -> None:
    """Eight seeds, p = 2/256 each. LP-A3 beats what costs more and less; PGD what costs as much."""
    gains = {"": 0, "LPA3": 40, "PGD": 20}

    def score(augmenter: str, setting: str, seed: int) -> int:
        return 500 + (10 if setting == "double" else 0) + gains[augmenter] + seed % 3

    records = grid(score)
    found = {(o.method, o.schedule.name): o for o in at_their_cost(only(records), accuracy(records))}
    assert found["LP-A3", "short"].verdict == found["PGD", "short"].verdict == "better"
    assert found["LP-A3", "short"].weaker.p == 2 / 2**8
    assert found["LP-A3", "short"].weaker.p_holm == pytest.approx(6 * 2 / 2**8), "six claims, not eight tests"
    assert found["LP-A3", "double"].verdict == "not testable", "nothing costs as much"


@pytest.mark.parametrize("seeds", [range(3), range(50, 58)])
def test_what_one_of_the_two_schedules_cannot_test_is_not_testable(seeds: range) -> None:
    """LP-A3 on `short` is between the task alone on `whole`, in three pairs or none, and on `double`."""
    gains = {"": 0, "LPA3": 40}
    records = [
        record
        for record in grid(lambda augmenter, _, seed: 500 + gains[augmenter] + seed % 3, names=" LPA3")
        if record.slots.get("positives") or record.cell.setting != "whole"
    ]
    records += [on_schedule("", "whole", seed, 500 + seed % 3) for seed in seeds]
    found = {(o.method, o.schedule.name): o for o in at_their_cost(only(records), accuracy(records))}
    short = found["LP-A3", "short"]
    assert [at.test.n for at in short.tests] == [8, len({*seeds} & {*range(8)})]
    assert short.longer
    assert short.longer.test.p == 2 / 2**8
    assert short.verdict == "not testable"


def test_worse_is_said_where_the_cheaper_schedule_is_no_better() -> None:
    def score(augmenter: str, setting: str, seed: int) -> int:
        return 500 - 20 * (augmenter == "LPA3") + seed % 3

    records = grid(score)
    found = {(o.method, o.schedule.name): o for o in at_their_cost(only(records), accuracy(records))}
    assert {found["LP-A3", setting].verdict for setting in LENGTHS} == {"worse"}
    assert {found["PGD", setting].verdict for setting in LENGTHS} == {"no difference shown"}
    losses = at_their_cost(only(records), replace(accuracy(records), higher_is_better=False))
    assert {o.verdict for o in losses if (o.method, o.schedule.name) == ("LP-A3", "short")} == {"better"}


def test_between_a_worse_and_a_better_schedule_nothing_is_claimed() -> None:
    """More training hurts here: LP-A3's short schedule beats the dearer one, and is beaten by the cheaper."""

    def score(augmenter: str, setting: str, seed: int) -> int:
        return 550 if augmenter else {"short": 560, "whole": 600, "double": 500}[setting] + seed % 2

    records = grid(score, names=" LPA3")
    short = at_their_cost(only(records), accuracy(records))[0]
    assert short.longer
    assert short.shorter
    assert (short.longer.test.verdict, short.shorter.test.verdict) == ("better", "worse")
    assert (short.verdict, short.weaker.p_holm) == ("no difference shown", 1.0)


def test_a_claim_is_as_sure_as_the_less_sure_of_its_two_tests() -> None:
    """LP-A3's short schedule beats the cheaper one with every seed, the dearer one by 11 and −9 in turn."""

    def score(augmenter: str, setting: str, seed: int) -> int:
        return 540 if augmenter else 529 + 20 * (seed % 2) if setting == "double" else 500

    records = grid(score, names=" LPA3")
    short = at_their_cost(only(records), accuracy(records))[0]
    assert short.longer
    assert short.shorter
    assert (short.longer.test.difference or 0) * (short.shorter.test.difference or 0) > 0
    assert short.shorter.test.p == 2 / 2**8
    assert (short.weaker.p, short.verdict) == (short.longer.test.p, "no difference shown")


def test_without_one_task_alone_nothing_is_compared() -> None:
    records = grid(flat, names="PGD LPA3")
    assert only(records).baseline is None
    assert at_their_cost(only(records), accuracy(records)) == []
    two = [*grid(flat), *(on_schedule("", s, 0, 300, **{"FixMatch.mu": "3"}) for s in LENGTHS)]
    assert only(two).baseline is None


# ------------------------------------------------------------------------------------------------ the figure
def test_the_picture_has_every_method_and_is_the_same_again(tmp_path: Path) -> None:
    records = [
        *grid(flat, seeds=2),
        on_schedule("A<b>&", "short", 0, 500),
        on_schedule("A<b>&", "whole", 0, 500),
    ]

    def drawn(order: list[Record], name: str) -> list[Path]:
        return draw_schedules([only(order)], accuracy(order), tmp_path / name)

    svg, png = drawn(records, "a")
    text = svg.read_text(encoding="utf-8")
    for said in (
        "weak view only",
        "LP-A3",
        "PGD",
        "A&lt;b&gt;&amp;",
        "n = 1 to 2",
        "test accuracy, last epoch, %",
    ):
        assert f">{said}<" in text
    assert "<title>Test accuracy against counted passes of whole schedules: Digits · FixMatch</title>" in text
    again = drawn(records[::-1], "b")
    assert [path.read_bytes() for path in again] == [svg.read_bytes(), png.read_bytes()]
