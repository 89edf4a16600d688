"""A board as a LaTeX table, for the packages booktabs and graphicx."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lpa3bench.boards.board import Board, Column
from lpa3bench.report.cell_text import Line, claim_legend, comparison_table, main_table, other_table

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
SPECIAL = re.compile("|".join(map(re.escape, SIGNS)))


def tables(board: Board) -> str:
    """The file: the board's measure, the comparisons with baselines, and the other measures, a table each."""
    measure = board.measures[board.metric]
    parts = [
        _table(
            board,
            f"{board.title}: {measure.name}, in {measure.unit}",
            main_table(board),
            "main",
            claim_legend(board),
        )
    ]
    if lines := comparison_table(board):
        caption = f"{board.title}: differences from the baseline, in percentage points"
        parts.append(_table(board, caption, lines, "differences"))
    for name in board.also:
        other = board.measures[name]
        caption = f"{board.title}: {other.name}, in {other.unit}"
        if lines := other_table(board, name):
            parts.append(_table(board, caption, lines, name))
    return "% \\usepackage{booktabs,graphicx}\n\n" + "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return SPECIAL.sub(lambda match: SIGNS[match[0]], " ".join(text.split()))


def _table(board: Board, caption: str, lines: Sequence[Line], label: str, below: Sequence[str] = ()) -> str:
    with_origin = any(line.origin for line in lines)
    names = 1 + with_origin
    head = [*[""] * names, *(column.name for column in board.columns), "cells"]
    groups = _groups(board.columns, names)
    body: list[str] = []
    group = ""
    for line in lines:
        if line.group != group:
            group = line.group
            body.append("\\midrule" if body else "")
            body.append(f"\\multicolumn{{{len(head)}}}{{l}}{{\\emph{{{escaped(group)}}}}} \\\\")
        origin = [line.origin] if with_origin else []
        body.append(_row([line.name, *origin, *line.cells, line.coverage]))
    return "\n".join(
        (
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{escaped(caption)}}}",
            f"  \\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', f'{board.key}-{label}')}}}",
            "  \\resizebox{\\linewidth}{!}{%",
            f"  \\begin{{tabular}}{{{'l' * names}{'r' * len(board.columns)}l}}",
            "    \\toprule",
            *(f"    {row}" for row in (*groups, _row(head))),
            "    \\midrule",
            *(f"    {row}" for row in body if row),
            "    \\bottomrule",
            "  \\end{tabular}}",
            *(f"  \\par\\smallskip{{\\footnotesize {escaped(sentence)}}}" for sentence in below),
            "\\end{table}",
        )
    )


def _row(cells: Sequence[str]) -> str:
    line = " & ".join(map(escaped, cells)) + r" \\"
    taken = line.startswith(("[", "*"))  # by the line break above, for an argument of its own
    return f"{{}}{line}" if taken else line


def _groups(columns: Sequence[Column], before: int) -> list[str]:
    """A line of headings over neighbouring columns of one group; none where there are no groups."""
    if not any(column.group for column in columns):
        return []
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    cells = [f"\\multicolumn{{{width}}}{{c}}{{{escaped(group)}}}" for group, width in spans]
    return [" & ".join(("",) * before + (*cells, "")) + r" \\"]
