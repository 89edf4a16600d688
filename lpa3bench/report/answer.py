"""What a board answers, in a sentence, and what it does not carry.

Both are made of its verdicts alone, which stand after correction (docs/statistics.md): a direction is told
only where one says "better" or "worse".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from lpa3bench.boards.board import Board, Comparison, Measure, Question
from lpa3bench.report.numbers import format_difference, format_p, unit_of_difference
from lpa3bench.report.table import column_title
from lpa3bench.report.table_building import board_measure
from lpa3bench.runtime.counting import counted

NAMED_ALONE = 2
"""As many settings with a verdict are named one by one; of more the range is told."""


ORDER_OF_VERDICTS = ("better", "worse", "no difference shown", "not testable")
"""In the order in which they are told."""


@dataclass(frozen=True)
class _Asked:
    """A row against another one, in the columns where both are planned."""

    row: str
    other: str
    made: tuple[tuple[str, Comparison], ...]
    """By the column's title; those that have pairs."""
    planned: int


def answer(board: Board) -> str:
    """One sentence; plain text. It is of the primary questions, or of all rows against their baselines."""
    if not board.measured:
        return _unmeasured(board)
    measure = board_measure(board, board.metric)
    if measure.is_cost:
        return _costs(board, measure)
    primary = [question for question in board.questions if question.primary]
    if primary:
        return _sentence([_asked(board, question) for question in primary], measure)
    if any(cell.comparison for cell in board.cells):
        return _against_baselines(board, measure)
    return (
        f"{board.measured} of {len(board.cells)} cells are measured and none is compared with another, "
        "so nothing is claimed."
    )


def question_answer(board: Board, question: Question) -> str:
    """One sentence on that question alone."""
    return _sentence([_asked(board, question)], board_measure(board, board.metric))


def limits(board: Board) -> tuple[str, ...]:
    """What may not be claimed from the board, each a sentence or two."""
    return tuple(_limits(board))


# -------------------------------------------------------------------------------------------------- questions
def _asked(board: Board, question: Question) -> list[_Asked]:
    names = {row.key: row.name for row in board.rows}
    asked = []
    for row, other in product(question.rows, question.against):
        cells = [cell for column in question.columns if (cell := board.cell(row, column))]
        made = _made(board, [(cell.column, cell.against(other)) for cell in cells])
        asked.append(_Asked(names[row], names[other], made, len(cells)))
    return asked


def _made(board: Board, found: Iterable[tuple[str, Comparison | None]]) -> tuple[tuple[str, Comparison], ...]:
    titles = {column.key: column_title(column) for column in board.columns}
    return tuple((titles[column], one) for column, one in found if one and one.n)


def _sentence(questions: Sequence[Sequence[_Asked]], measure: Measure) -> str:
    """All questions in one sentence; rows with one and the same verdict everywhere are told together."""
    clauses = [clause for asked in questions for clause in _clauses(asked, measure)]
    made = [one for asked in questions for each in asked for _, one in each.made]
    if not made:
        return "Nothing that was asked can be answered: no two runs make a pair yet."
    return f"{'; '.join(clauses)}; {_pairs(made)} of runs each, on these test images."


def _pairs(made: Iterable[Comparison]) -> str:
    """`3 pairs`, `1 to 3 pairs`."""
    counts = [one.n for one in made]
    fewest, most = min(counts), max(counts)
    return f"{f'{fewest} to ' if fewest < most else ''}{counted(most, 'pair')}"


def _clauses(asked: Sequence[_Asked], measure: Measure) -> Iterator[str]:
    alike: dict[tuple[str, str], list[_Asked]] = {}
    for each in asked:
        verdicts: set[str] = {one.verdict for _, one in each.made}
        everywhere = len(verdicts) == 1 and len(each.made) == each.planned
        together = everywhere and verdicts <= {"no difference shown", "not testable"}
        alike.setdefault((each.row, min(verdicts) if together else f"against {each.other}"), []).append(each)
    told = ""
    for (row, shared), group in alike.items():
        subject = "it" if row == told else f"“{row}”" if "," in row else row
        told = row
        if len(group) == 1:
            yield f"{subject} {_outcomes(group[0], measure)}"
            continue
        *others, last = (f"“{each.other}”" for each in group)
        made = [one for each in group for _, one in each.made]
        verb = "shows no difference from" if shared == "no difference shown" else "is not testable against"
        least = "" if shared == "no difference shown" else f" ({_smallest_p(made)})"
        yield f"{subject} {verb} {', '.join(others)} or {last} in any of {len(made)} comparisons{least}"


def _smallest_p(made: Iterable[Comparison]) -> str:
    return f"smallest p {format_p(min(one.smallest_p for one in made))}"


def _outcomes(asked: _Asked, measure: Measure) -> str:
    """ "is better than “a” in 1 of 3 settings (…) and shows no difference in 2"."""
    of, other = asked.planned, f"“{asked.other}”"
    parts = []
    for verdict, verb in (("better", "is better than"), ("worse", "is worse than")):
        if found := [(title, one) for title, one in asked.made if one.verdict == verdict]:
            parts.append(f"{verb} {other} in {len(found)} of {of} settings ({_sizes(found, measure)})")
    same = sum(one.verdict == "no difference shown" for _, one in asked.made)
    if same:
        parts.append(
            f"shows no difference {f'in {same}' if parts else f'from {other} in {same} of {of} settings'}"
        )
    if weak := [one for _, one in asked.made if one.verdict == "not testable"]:
        where = f"in {len(weak)}" if parts else f"against {other} in {len(weak)} of {of} settings"
        parts.append(f"is not testable {where} ({_smallest_p(weak)})")
    if missing := of - len(asked.made):
        where = f"in {missing}" if parts else f"with {other} in {missing} of {of} settings"
        parts.append(f"has no pairs of runs {where}")
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _sizes(found: Sequence[tuple[str, Comparison]], measure: Measure) -> str:
    """Where, and by how much."""
    unit = unit_of_difference(measure)
    if len(found) <= NAMED_ALONE:
        return "; ".join(
            f"{title}: {format_difference(one.difference, measure)}{unit}" for title, one in found
        )
    sizes = sorted(one.difference for _, one in found if one.difference is not None)
    return f"{format_difference(sizes[0], measure)} to {format_difference(sizes[-1], measure)}{unit}"


# ----------------------------------------------------------------------------------- boards without questions
def _against_baselines(board: Board, measure: Measure) -> str:
    """By row where few rows have a baseline, else all together; the arm at equal cost is what others are set
    against, as a baseline is."""
    asked = []
    names = {row.key: row.name for row in board.rows}
    for row in board.rows:
        cells = [cell for cell in board.cells if cell.row == row.key]
        against = [row.baseline, board.equal_cost] if row.key != board.equal_cost else []
        for other in dict.fromkeys(key for key in against if key):
            made = _made(board, [(cell.column, cell.against(other)) for cell in cells])
            if made:
                asked.append(_Asked(row.name, names[other], made, len(cells)))
    if len(asked) <= NAMED_ALONE:
        return _sentence([asked], measure)
    verdicts: Counter[str] = Counter(one.verdict for each in asked for _, one in each.made)
    total = verdicts.total()
    told = ", ".join(f"{verdicts[name]} {name}" for name in ORDER_OF_VERDICTS if verdicts[name])
    return f"Of {total} comparisons with a baseline or at equal cost: {told}, on these test images."


def _costs(board: Board, measure: Measure) -> str:
    """The range of the ratios to the baselines; a cost is counted or timed, and nothing is tested."""
    rows = {row.key: row for row in board.rows}
    titles = {column.key: column_title(column) for column in board.columns}
    ratios = []
    for cell in board.cells:
        baseline = rows[cell.row].baseline
        other = board.cell(baseline, cell.column) if baseline else None
        if cell.mean is not None and other and other.mean:
            ratios.append((cell.mean / other.mean, rows[cell.row].name, titles[cell.column]))
    if not ratios:
        return f"{board.measured} of {len(board.cells)} cells are measured, and none beside its baseline."
    (least, *_), (most, name, _) = min(ratios), max(ratios)
    alike = [place for ratio, row, place in ratios if row == name and f"{ratio:.2f}" == f"{most:.2f}"]
    return (
        f"Measured by {measure.name}, a method takes × {least:.2f} to × {most:.2f} of its baseline, "
        f"the most with {name} in {', '.join(f'“{place}”' for place in alike)}; nothing is tested."
    )


def _unmeasured(board: Board) -> str:
    claims = sum(cell.published is not None for cell in board.cells)
    others = f"; the {claims} numbers shown are claims of their sources" if claims else ""
    return f"Nothing is measured yet: 0 of {len(board.cells)} planned cells{others}."


# ----------------------------------------------------------------------------------------------------- limits
def _limits(board: Board) -> Iterator[str]:
    made = [one for cell in board.cells for one in cell.comparisons if one.n]
    weak = [one for one in made if one.verdict == "not testable"]
    if weak:
        least, most = (format_p(end(one.smallest_p for one in weak)) for end in (min, max))
        allowed = least if least == most else f"{least} to {most}"
        yield (
            f"Anything of {len(weak)} of the {len(made)} comparisons: they are not testable, as the smallest "
            f"p that their pairs of runs allow, {allowed}, is too high."
        )
    if any(one.verdict == "no difference shown" for one in made):
        yield "That methods are equal: “no difference shown” only says that these runs show none."
    shown = [[cell.comparison, cell.at_equal_cost] for cell in board.cells]
    uneven = sum(any(one and one.n and one.differs_in for one in cell) for cell in shown)
    if uneven:
        cells = counted(uneven, "cell")
        yield f"That the augmenter alone did it, where ≠ stands ({cells}): other settings differ too."
    if board.measured and not board_measure(board, board.metric).is_cost:
        yield (
            "That a method is best because its mean is bold or on the front, or that anything holds for "
            "other test images or data sets: all seeds share one test set."
        )
    if any(cell.seconds is not None for cell in board.cells):
        yield "That a method is faster elsewhere: seconds are of the machine that ran it; passes are counted."
    if claims := sum(cell.published is not None for cell in board.cells):
        yield f"That the {claims} claimed numbers hold: their sources printed them, nobody here measured one."
    if missing := len(board.cells) - board.measured:
        yield f"Anything of the {counted(missing, 'planned cell')} without a measurement."
