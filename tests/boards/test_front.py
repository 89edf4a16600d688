"""The front of score and counted passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.boards.board import Board, Cell, Column, Measure, Row
from lpa3bench.boards.front import costed, pareto_front

POINTS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), max_size=12)


def made(points: list[tuple[int, int]], *, higher_is_better: bool = True) -> Board:
    """A row for each (passes, score)."""
    measure = Measure(key="m", name="m", text="", unit="", higher_is_better=higher_is_better)
    rows = tuple(Row(key=str(n), name=str(n)) for n, _ in enumerate(points))
    cells = tuple(
        Cell(row=str(n), column="c", n=1, passes=float(cost), mean=float(score))
        for n, (cost, score) in enumerate(points)
    )
    return Board(
        key="b", title="", text="", metric="m", metric_text="", protocol=1, rows=rows,
        columns=(Column(key="c", name="c"),), cells=(*cells, Cell(row="none", column="c")), ranking=None,
        notes=(), commands=(), records={}, measures={"m": measure},
    )  # fmt: skip


@given(POINTS)
def test_nobody_on_the_front_is_beaten_and_everybody_else_is(points: list[tuple[int, int]]) -> None:
    front = {int(cell.row) for cell in pareto_front(made(points), "c")}
    for n, (cost, score) in enumerate(points):
        beaten = any((c <= cost and s >= score) and (c < cost or s > score) for c, s in points)
        assert (n in front) == (not beaten)


def test_of_a_loss_less_is_better() -> None:
    board = made([(1, 5), (2, 3), (3, 4)], higher_is_better=False)
    assert [cell.row for cell in pareto_front(board, "c")] == ["0", "1"]


def test_cells_without_a_number_are_left_out() -> None:
    assert [cell.row for cell in costed(made([(2, 1), (1, 1), (1, 3)]), "c")] == ["2", "1", "0"]
