"""A board as LaTeX tables over both columns of a page, for the packages booktabs and amssymb."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lpa3bench.boards.board import Board
from lpa3bench.report.numbers import in_unit, in_unit_of_difference
from lpa3bench.report.shared_flags import told_of_all
from lpa3bench.report.table import ResultTable
from lpa3bench.report.table_blocks import UNBROKEN_NAME, TextBlock, blocks, text_units, unbroken_words
from lpa3bench.report.table_building import result_tables
from lpa3bench.report.table_text import (
    SIGNS_TOLD,
    TextCell,
    TextLine,
    TextTable,
    comparison_text_table,
    equal_cost_text_table,
    result_text,
)

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "varphi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Φ": "Phi", "Ω": "Omega",
}  # fmt: skip
SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "—": "---",
    "…": r"\ldots{}",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
    **{letter: rf"$\{name}$" for letter, name in GREEK.items()},
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "○": r"$\circ$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
PACKAGES = r"\usepackage{booktabs,amssymb}"
BEST_TOLD = "The best of each column is bold."
LINE_BREAK = r"\\"
BETWEEN_ROWS = "[2pt]"
"""Below one of several lines."""
PAGE_PT, EM_PT, PADDING_PT = 469.0, 8.4, 8.0
"""Width of a page of two columns (`article`), an em of \\footnotesize as `text_units` has it, and what lies
between two columns of a table."""
LINES_OF_PAGE, AROUND_PART = 48, 6
"""Lines of \\footnotesize that a float has room for, and those that a part's headings and rules take."""
NAME_COLUMN = f"p{{{UNBROKEN_NAME * EM_PT:.0f}pt}}"
"""For names that are broken between their words."""
SPECIAL_LATEX = re.compile("|".join(map(re.escape, SIGNS)))


def latex_tables(board: Board) -> str:
    """The file: the board's measure, comparisons with baselines and at equal cost, the other measures."""
    main, *others = result_tables(board)
    bold = [BEST_TOLD] if main.best else []
    below = [*_legend(main), *bold, *told_of_all(board)]
    parts = [_float(board, result_text(main), _caption(board, main), "main", below)]
    if compared := comparison_text_table(main):
        baselines = {row.baseline.name for row in main.rows if row.baseline}
        which = baselines.pop() if len(baselines) == 1 else "the baseline"
        caption = f"{board.title}: differences from {which}{in_unit_of_difference(main.measure)}"
        parts.append(_float(board, compared, caption, "differences", [SIGNS_TOLD]))
    if compared := equal_cost_text_table(main):
        caption = f"{board.title}: differences at equal cost{in_unit_of_difference(main.measure)}"
        parts.append(_float(board, compared, caption, "equal-cost", [SIGNS_TOLD]))
    for table in others:
        bold = [BEST_TOLD] if table.best else []
        parts.append(_float(board, result_text(table), _caption(board, table), table.measure.key, bold))
    return f"% {PACKAGES}\n\n" + "\n\n".join(parts) + "\n"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return SPECIAL_LATEX.sub(lambda match: SIGNS[match[0]], " ".join(text.split()))


def _caption(board: Board, table: ResultTable) -> str:
    return f"{board.title}: {table.measure.name}{in_unit(table.measure)}"


def _legend(table: ResultTable) -> Iterator[str]:
    for sentence, sign in table.signs.items():
        yield f"{sign} {sentence}"


def _float(board: Board, table: TextTable, caption: str, label: str, below: Sequence[str]) -> str:
    """Over both columns of a page. Where the table is wider than that, its parts stand below one another;
    what is higher than a page goes on in another float."""
    pages = _pages(blocks(table, PAGE_PT / EM_PT, PADDING_PT / EM_PT))
    name = f"tab:{re.sub(r'[^A-Za-z0-9-]+', '-', f'{board.key}-{label}')}"
    floats = []
    for number, parts in enumerate(pages, start=1):
        of = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
        label = f"{name}-{number}" if number > 1 else name
        floats.append(_one_float(parts, caption + of, label, below if number == len(pages) else ()))
    return "\n\n".join(floats)


def _pages(parts: Sequence[TextBlock]) -> list[list[TextBlock]]:
    """The parts of each float; what has more lines than a page goes on in the next one."""
    pages: list[list[TextBlock]] = [[]]
    filled = 0
    for part in (piece for whole in parts for piece in _pieces(whole)):
        height = AROUND_PART + _height(part.lines)
        if pages[-1] and filled + height > LINES_OF_PAGE:
            pages.append([])
            filled = 0
        pages[-1].append(part)
        filled += height
    return pages


def _pieces(part: TextBlock) -> Iterator[TextBlock]:
    lines: list[TextLine] = []
    for line in part.lines:
        if lines and _height([*lines, line]) > LINES_OF_PAGE - AROUND_PART:
            yield replace(part, lines=tuple(lines))
            lines = []
        lines.append(line)
    yield replace(part, lines=tuple(lines))


def _height(lines: Sequence[TextLine]) -> int:
    """Lines of text that these take, with those that open their groups."""
    cells = (max((1 + len(cell.below) for cell in line.cells if cell), default=1) for line in lines)
    names = (math.ceil(text_units(line.name) / UNBROKEN_NAME) for line in lines)
    return sum(map(max, cells, names)) + len({line.group for line in lines})


def _one_float(parts: Sequence[TextBlock], caption: str, label: str, below: Sequence[str]) -> str:
    return "\n".join(
        (
            "\\begin{table*}",
            "  \\centering\\footnotesize",
            f"  \\setlength{{\\tabcolsep}}{{{PADDING_PT / 2:g}pt}}",
            f"  \\caption{{{escape_latex(caption)}}}",
            f"  \\label{{{label}}}",
            "\n  \\par\\medskip\n".join(map(_tabular, parts)),
            *(f"  \\par\\smallskip{{\\scriptsize {escape_latex(sentence)}}}" for sentence in below),
            "\\end{table*}",
        )
    )


def _tabular(block: TextBlock) -> str:
    with_origin = any(line.origin for line in block.lines)
    names = 1 + with_origin
    heads = [_head(block, at) for at in range(len(block.heads))]
    longest = max((text_units(line.name) for line in block.lines), default=0.0)
    name, ragged = ("l", "") if longest <= UNBROKEN_NAME else (NAME_COLUMN, r"\raggedright ")
    body: list[str] = []
    group = ""
    for line in block.lines:
        if line.group != group:
            group = line.group
            body += ["\\midrule"] * bool(body)
            body += [f"\\multicolumn{{{names + len(heads)}}}{{l}}{{\\emph{{{escape_latex(group)}}}}} \\\\"]
        origin = [escape_latex(line.origin)] if with_origin else []
        body.append(_row([f"{ragged}{escape_latex(line.name)}", *origin, *map(_cell, line.cells)]))
    return "\n".join(
        (
            f"  \\begin{{tabular}}{{@{{}}{name}{'l' * with_origin}{'r' * len(heads)}@{{}}}}",
            "    \\toprule",
            f"    {_row([*[''] * names, *heads])}",
            "    \\midrule",
            *(f"    {row}" for row in body),
            "    \\bottomrule",
            "  \\end{tabular}",
        )
    )


def _row(cells: Sequence[str]) -> str:
    high = any("tabular" in cell for cell in cells)
    line = " & ".join(cells) + r" \\" + BETWEEN_ROWS * high
    taken = line.startswith(("[", "*"))  # by the line break above, for an argument of its own
    return f"{{}}{line}" if taken else line


def _cell(cell: TextCell | None) -> str:
    if cell is None:
        return ""
    number = escape_latex(cell.number)
    first = f"\\textbf{{{number}}}" if cell.best else number
    more = f" {escape_latex(cell.more)}" if cell.more else ""
    if not cell.below:
        return f"{first}{more}"
    return _stacked([f"{first}{more}", *map(escape_latex, cell.below)])


def _head(block: TextBlock, at: int) -> str:
    """A heading on as many lines as keep it as narrow as its column."""
    head = block.heads[at]
    room = max((len(cell.widest) for line in block.lines if (cell := line.cells[at])), default=0)
    lines: list[str] = []
    for word in unbroken_words(head.name):
        fits = lines and len(lines[-1]) + len(word) < room
        lines = [*lines[:-1], f"{lines[-1]} {word}"] if fits else [*lines, word]
    return _stacked([*map(escape_latex, [*lines, *([head.of_all] if head.of_all else [])])], "b")


def _stacked(lines: Sequence[str], place: str = "t") -> str:
    """Lines of one cell, each of LaTeX, the first or the last at the height of the row."""
    if len(lines) < 2:
        return "".join(lines)
    guarded = (f"{{}}{line}" if line.startswith(("[", "*")) else line for line in lines)
    return rf"\begin{{tabular}}[{place}]{{@{{}}r@{{}}}}{LINE_BREAK.join(guarded)}\end{{tabular}}"
