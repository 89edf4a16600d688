"""What the page's script chooses from."""

from __future__ import annotations

import json
from dataclasses import replace
from time import process_time

from support.made_up_boards import board
from support.small_boards import LPA3, board_of
from support.small_records import bits, small_record

from lpa3bench.boards.board import Cell, Column, Row
from lpa3bench.report.html.explorer import axes, choices, explorer_data, measures_shown
from lpa3bench.report.html.front_chart import BOX, HEIGHT, WIDTH, first_panel, front_panels


def runs() -> list:  # type: ignore[type-arg]
    return [
        small_record(bits(5 + seed % 3 + more), seed=seed, slots=slots, passes=900 * (1 + more))
        for more, slots in enumerate(({}, LPA3))
        for seed in range(3)
    ]


def test_every_measure_of_the_records_can_be_chosen_and_the_boards_own_comes_first() -> None:
    made = board_of(*runs())
    assert [one.key for one in measures_shown(made)][:1] == ["accuracy.last"]
    data = json.loads(explorer_data(made))
    cell = data["cells"]["lpa3:digits"]
    assert cell["v"]["accuracy.last"][1:] == ["70.00", "10.00"]
    assert {*cell["v"]} == {one.key for one in measures_shown(made)}
    assert cell["x"]["passes"] == [1800.0, "1.80 k"]
    assert cell["f"] == {"task": "Supervised", "data": "Digits", "slot": ["positives: LPA3"]}
    assert cell["c"]["none"].startswith("+10.00, not testable"), "with its verdict, as everywhere"


def test_only_what_tells_cells_apart_can_be_chosen() -> None:
    made = board_of(*runs())
    assert [(one.key, one.options) for one in choices(made)] == [("slot", ("none filled", "positives: LPA3"))]
    assert {"passes", "seconds"} <= {*axes(made)}
    assert axes(replace(made, cells=tuple(replace(c, mean=None) for c in made.cells))) == {}


def test_a_parameter_is_one_axis_whatever_the_slot_of_its_object() -> None:
    made = board_of(*runs())
    values = {
        "none": {"noise/LPA3.iterations": "0", "LPA3.floor": "None"},
        "lpa3": {"positives/LPA3.iterations": "5"},
    }
    both = {"strong/RandAugment.n": "1", "positives/RandAugment.n": "2", "run.epochs": "3"}
    records = {
        name: {**made.records[name], "config": {**values[cell.row], **both}}
        for cell in made.cells
        for name in cell.records
    }
    found = axes(replace(made, records=records))
    assert [*found] == ["passes", "seconds", "LPA3.iterations"], "what all cells share is none"


def test_a_number_that_no_axis_has_room_for_is_none() -> None:
    made = board_of(*runs())
    records = {
        name: {
            **made.records[name],
            "config": {"a.huge": f"{n}{'0' * 400}", "a.endless": f"{n}e999", "a.n": str(n)},
        }
        for n, name in enumerate(made.records, 1)
    }
    assert [*axes(replace(made, records=records))] == ["passes", "seconds", "a.n"]


def test_no_text_breaks_out_of_the_data() -> None:
    evil = replace(board(), rows=tuple(replace(row, name="</script><!--&") for row in board().rows))
    text = explorer_data(evil)
    assert not {"<", ">", "&"} & {*text}
    assert json.loads(text)["rows"][0]["name"] == "</script><!--&"


def test_labels_keep_clear_of_each_other_and_points_lie_where_their_numbers_are() -> None:
    cells = tuple(replace(cell, passes=cell.mean and 1000.0) for cell in board().cells)
    panels = front_panels(replace(board(), cells=cells))
    assert panels
    for panel in panels:
        places = [(point.label_x, point.label_y) for point in panel.points]
        for n, (x, y) in enumerate(places):
            assert 0 < x <= WIDTH
            assert all(max(abs(x - a), abs(y - b)) >= BOX - 0.2 for a, b in places[:n])
        assert [point.number for point in panel.points] == [*range(1, len(places) + 1)]
        assert all(0 <= point.y <= HEIGHT for point in panel.points)
        best = min(panel.points, key=lambda point: point.y)
        assert best.on_front, "of equal cost the highest"
        assert panel.best == (best,)
    assert 0 <= first_panel(board(), panels) < len(panels)


def test_hundreds_of_labels_are_placed_in_a_second() -> None:
    cells = [
        Cell(row=f"r{n}", column="c", n=1, mean=n * 7 % 300 / 300, passes=float(1 + n * 13 % 300))
        for n in range(300)
    ]
    rows = tuple(Row(key=cell.row, name=cell.row) for cell in cells)
    columns = (Column(key="c", name="c"),)
    many = replace(board(), rows=rows, columns=columns, cells=tuple(cells), questions=())
    began = process_time()
    assert len(front_panels(many)[0].points) == 300
    assert process_time() - began < 1.5
