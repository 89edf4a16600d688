"""A board as a LaTeX table, for the packages booktabs and graphicx."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lpa3bench.boards.board import Board
from lpa3bench.report.numbers import in_unit, in_unit_of_difference
from lpa3bench.report.table import ResultTable
from lpa3bench.report.table_building import result_tables
from lpa3bench.report.table_text import TextLine, comparison_lines, equal_cost_lines, result_lines

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
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
SPECIAL_LATEX = re.compile("|".join(map(re.escape, SIGNS)))


def latex_tables(board: Board) -> str:
    """The file: the board's measure, comparisons with baselines and at equal cost, the other measures."""
    main, *others = result_tables(board)
    parts = [_table(board, main, result_lines(main), _caption(board, main), "main", [*_legend(main)])]
    if lines := comparison_lines(main):
        caption = f"{board.title}: differences from the baseline{in_unit_of_difference(main.measure)}"
        parts.append(_table(board, main, lines, caption, "differences"))
    if lines := equal_cost_lines(main):
        caption = f"{board.title}: differences at equal cost{in_unit_of_difference(main.measure)}"
        parts.append(_table(board, main, lines, caption, "equal-cost"))
    for table in others:
        parts.append(_table(board, table, result_lines(table), _caption(board, table), table.measure.key))
    return "% \\usepackage{booktabs,graphicx}\n\n" + "\n\n".join(parts) + "\n"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return SPECIAL_LATEX.sub(lambda match: SIGNS[match[0]], " ".join(text.split()))


def _caption(board: Board, table: ResultTable) -> str:
    return f"{board.title}: {table.measure.name}{in_unit(table.measure)}"


def _legend(table: ResultTable) -> Iterator[str]:
    for sentence, sign in table.signs.items():
        yield f"{sign} {sentence}"


def _table(
    board: Board,
    table: ResultTable,
    lines: Sequence[TextLine],
    caption: str,
    label: str,
    below: Sequence[str] = (),
) -> str:
    with_origin = any(line.origin for line in lines)
    names = 1 + with_origin
    head = [*[""] * names, *(column.column.name for column in table.columns), "cells"]
    body: list[str] = []
    group = ""
    for line in lines:
        if line.group != group:
            group = line.group
            body.append("\\midrule" if body else "")
            body.append(f"\\multicolumn{{{len(head)}}}{{l}}{{\\emph{{{escape_latex(group)}}}}} \\\\")
        origin = [line.origin] if with_origin else []
        body.append(_row([line.name, *origin, *line.cells, line.coverage]))
    return "\n".join(
        (
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{escape_latex(caption)}}}",
            f"  \\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', f'{board.key}-{label}')}}}",
            "  \\resizebox{\\linewidth}{!}{%",
            f"  \\begin{{tabular}}{{{'l' * names}{'r' * len(table.columns)}l}}",
            "    \\toprule",
            *(f"    {row}" for row in (*_groups(table, names), _row(head))),
            "    \\midrule",
            *(f"    {row}" for row in body if row),
            "    \\bottomrule",
            "  \\end{tabular}}",
            *(f"  \\par\\smallskip{{\\footnotesize {escape_latex(sentence)}}}" for sentence in below),
            "\\end{table}",
        )
    )


def _row(cells: Sequence[str]) -> str:
    line = " & ".join(map(escape_latex, cells)) + r" \\"
    taken = line.startswith(("[", "*"))  # by the line break above, for an argument of its own
    return f"{{}}{line}" if taken else line


def _groups(table: ResultTable, before: int) -> list[str]:
    """A line of headings over neighbouring columns of one group; none where there are no groups."""
    spans = table.spans
    if not any(group for group, _ in spans):
        return []
    cells = [f"\\multicolumn{{{len(under)}}}{{c}}{{{escape_latex(group)}}}" for group, under in spans]
    return [" & ".join(("",) * before + (*cells, "")) + r" \\"]
