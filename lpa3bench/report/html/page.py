"""A board as one HTML file: its own style and script inside, nothing loaded from elsewhere.

Templates escape every string; no text of a record or a `board.toml` is ever taken for markup. A policy in the
page's head forbids all loads, and lets no script run but this page's own, named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lpa3bench._version import __version__
from lpa3bench.boards.board import Board, Cell, Comparison, Measure, Row
from lpa3bench.report.answer import answer, limits, question_answer
from lpa3bench.report.costs import cost_rows
from lpa3bench.report.html.cell_filters import cell_filters
from lpa3bench.report.html.charts import charts, drawn_measure
from lpa3bench.report.html.details import cell_details
from lpa3bench.report.html.explorer import axes, choices, explorer_data, measures_shown
from lpa3bench.report.html.front_chart import BOX, FrontPanel, first_panel, front_panels
from lpa3bench.report.links import Navigation
from lpa3bench.report.numbers import (
    IMAGES,
    format_count,
    format_difference,
    format_p,
    format_percent,
    format_seconds,
    format_value,
    unit_of_difference,
    unit_text,
)
from lpa3bench.report.shared_flags import own_flags, told_of_all
from lpa3bench.report.table_building import board_measure, result_tables
from lpa3bench.report.table_text import VERDICT_SIGNS, question_answers, replication_text
from lpa3bench.runtime.counting import counted

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from lpa3bench.report.site import BoardSummary

PAGE_FOLDER = Path(__file__).parent
STYLES = ("board.css", "curves.css", "cell.css")
SCRIPTS = ("address.js", "board.js", "cell.js", "start.js")
EXPLORING = ("table.js", "compare.js", "chart.js")
"""Of a board with measured cells: before there are any, nothing can be chosen."""
REPRODUCTIONS = {"reproduced": "✓", "not reproduced": "✗", "not testable": "?"}


def board_page(board: Board, navigation: Navigation | None = None) -> str:
    """The page; the same for the same board, byte for byte.

    Args:
        navigation: where it is part of a site.
    """
    style, script = _joined((*STYLES, *(("site.css",) if navigation else ()))), _script(board)
    tables = result_tables(board)
    own = tables[0].measure
    ranking, panels = board.ranking, front_panels(board)
    return (
        _environment(board, own)
        .get_template("board.html.j2")
        .render(
            board=board,
            tables=tables,
            asked=[
                (question, question_answer(board, question), [*question_answers(board, question, own)])
                for question in board.questions
            ],
            answer=answer(board),
            limits=limits(board),
            seeds=_seeds(board),
            panels=panels,
            first_panel=first_panel(board, panels),
            charted=_charted(board, panels),
            unaugmented=any(row.name.startswith("weak view only") for row in board.rows),
            box=BOX,
            measures=measures_shown(board),
            facets=choices(board),
            axes=axes(board),
            data=_data(board) if board.measured else "",
            charts=charts(board),
            drawn=drawn_measure(board),
            known=_known(board),
            ranked=sorted(zip(ranking.mean_ranks, ranking.rows, strict=True)) if ranking else [],
            measure=own,
            row={row.key: row for row in board.rows},
            column={column.key: column for column in board.columns},
            sources=[*dict.fromkeys(cell.published.source for cell in board.cells if cell.published)],
            runs=sum(cell.n for cell in board.cells),
            compared=any(cell.comparison for cell in board.cells),
            fair=any(cell.at_equal_cost for cell in board.cells),
            uneven=any(cell.comparison and cell.comparison.differs_in for cell in board.cells),
            related=any(table.ratios for table in tables),
            reproduced=any(cell.reproduction for cell in board.cells),
            flagged=any(own_flags(board).values()),
            own_flags=own_flags(board),
            told_of_all=[*told_of_all(board)],
            verdicts=VERDICT_SIGNS,
            reproductions=REPRODUCTIONS,
            style=style,
            script=script,
            policy=_policy(style, script),
            version=__version__,
            navigation=navigation,
        )
    )


def index_page(boards: Sequence[BoardSummary], navigation: Navigation) -> str:
    """The page that leads to all boards of a site, without a script."""
    style = _joined(("board.css", "site.css"))
    template = _templates().get_template("index.html.j2")
    return template.render(
        boards=boards, navigation=navigation, style=style, policy=_policy(style, ""), version=__version__
    )


def anchor(cell: Cell) -> str:
    """The id of a cell's details: its address is the page's with `#` and this."""
    return f"cell-{cell.row}:{cell.column}"


def _known(board: Board) -> list[tuple[Row, list[Cell]]]:
    """The planned cells under their methods; an empty one tells how to fill it."""
    known = [(row, [cell for cell in board.cells if cell.row == row.key]) for row in board.rows]
    return [(row, cells) for row, cells in known if cells]


def _charted(board: Board, panels: Sequence[FrontPanel]) -> str:
    """The setting that the free chart opens with: the front chart's, else that with most measured cells."""
    if panels:
        return panels[first_panel(board, panels)].column.key
    counts = Counter(cell.column for cell in board.cells if cell.mean is not None)
    return max((column.key for column in board.columns), key=lambda key: counts[key], default="")


def _costs(comparison: Comparison, own: Measure) -> list[tuple[str, str]]:
    """The rows on equal cost, along both axes."""
    return [
        row
        for cost in comparison.costs
        for row in cost_rows(
            cost,
            own,
            "the method",
            "the baseline",
            comparable=cost.axis != "seconds" or not comparison.surroundings,
        )
    ]


def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _environment(board: Board, own: Measure) -> Environment:
    """Templates that know the board's measures; "own" is the one that its cells show."""
    environment = _templates()

    def other(mean: float | None, key: str, std: float | None) -> str:
        of = board_measure(board, key)
        spread = "" if std is None else f" ± {format_value(std, of)}"
        return f"{format_value(mean, of)}{spread}{unit_text(of)}"

    filters: dict[str, Callable[..., Any]] = {
        "own": lambda number: format_value(number, own),
        "own_difference": lambda number: format_difference(number, own),
        "other": other,
        "value_of": lambda number, key: format_value(number, board_measure(board, key)),
        "of": format_value,
        "unit": unit_text,
        "unit_of_difference": unit_of_difference,
        "after_comma": lambda measure: f", {measure.unit}" if measure.unit else "",
        "repeated": lambda again: replication_text(again, own),
        "percent": format_percent,
        "points": lambda share: format_difference(share, IMAGES),
        "probability": format_p,
        "amount": format_count,
        "duration": format_seconds,
        "costs": lambda comparison: _costs(comparison, own),
        "details": lambda cell: cell_details(board, cell),
        "name_of": lambda key: board_measure(board, key).name,
        "anchor": anchor,
        "trimmed": lambda text, prefix: f"…{text.removeprefix(prefix)}" if prefix else text,
        "quoted": lambda text: quote(text, safe=":"),
    }
    environment.filters.update(filters | cell_filters(board, own))
    return environment


def _seeds(board: Board) -> str:
    """How many runs cells have: `12 each in 25 cells, 3 each in 24`; empty where there are none."""
    counts = Counter(cell.n for cell in board.cells if cell.n)
    most, *others = sorted(counts.items(), reverse=True) or [(0, 0)]
    told = [f"{most[0]} each in {counted(most[1], 'cell')}", *(f"{n} each in {cells}" for n, cells in others)]
    return ", ".join(told) if counts else ""


def _data(board: Board) -> Markup:
    """What the script reads; see `explorer_data` for why it may stand there."""
    from markupsafe import Markup

    return Markup(explorer_data(board))


def _script(board: Board) -> Markup:
    """The page's script, of its parts in their order; what one declares the next ones use."""
    from markupsafe import Markup

    first, *others = SCRIPTS
    parts = _joined((first, *(EXPLORING if board.measured else ()), *others))
    return Markup(f'"use strict";\n(() => {{\n{parts}}})();\n')


def _joined(names: Iterable[str]) -> Markup:
    """Files of ours, which are put into the page as they stand."""
    from markupsafe import Markup

    return Markup("\n").join(Markup((PAGE_FOLDER / name).read_text(encoding="utf-8")) for name in names)


def _policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy: no load at all, no script and no style but these two."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
