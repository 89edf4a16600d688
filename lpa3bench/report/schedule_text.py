"""Schedules compared, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lpa3bench.boards.board import Measure
from lpa3bench.errors import printable
from lpa3bench.report.figures.schedule_tests import (
    AtCost,
    AtItsCost,
    ScheduleAgreement,
    agreements,
    at_their_cost,
)
from lpa3bench.report.figures.schedules import MethodLine, OnSchedule, SchedulePanel
from lpa3bench.report.numbers import format_count, format_difference, format_p, unit_of_difference
from lpa3bench.runtime.counting import counted

SCHEDULES_SCHEMA_VERSION = 1
SCHEDULE_NOTES = (
    "τ is Kendall's τ-b of the methods' mean scores on a schedule and on the reference, over the seeds that "
    "all have on both; in brackets a 95 % interval over these seeds. Rankings by few seeds do not agree "
    "wholly even on one schedule: by halves of the seeds, the reference's τ with itself is what a schedule "
    "that ranks as it does would have.",
    "Nothing is interpolated: a method is compared with the task alone on the schedule that costs next more, "
    "which favours the task alone, and on that which costs next less, which favours the method; one within "
    "3 % is both. Better is said where both say so and something costs as much, worse where both say so and "
    "something costs as little. p is the larger of the two, of the exact sign-flip test, pairs by seed, "
    "after Holm's correction over all methods and schedules of a task.",
)
"""What a reader must know to believe the numbers."""

DEAREST = "the task alone has no run as dear"


@dataclass(frozen=True)
class Found:
    """All that is told of one environment."""

    panel: SchedulePanel
    agreements: list[ScheduleAgreement]
    at_cost: list[AtItsCost]
    sentence: str
    """What the tests at equal cost carry, and no more."""


def found_of(panel: SchedulePanel, measure: Measure) -> Found:
    at_cost = at_their_cost(panel, measure)
    return Found(panel, agreements(panel), at_cost, budget_sentence(panel, at_cost, measure))


# ------------------------------------------------------------------------------------------------- sentence
def budget_sentence(panel: SchedulePanel, found: Sequence[AtItsCost], measure: Measure) -> str:
    """Whether methods gain at their cost what the task alone does not by training longer, in one sentence."""
    if panel.baseline is None:
        return f"{panel.title}: there is not one task alone that methods could be compared with."
    by_method: dict[str, list[AtItsCost]] = {}
    for one in found:
        by_method.setdefault(one.method, []).append(one)
    clauses = [*_clauses(by_method, measure)]
    pairs = {at.test.n for one in found for at in one.tests}
    most = f"{min(pairs)} to {max(pairs)}" if len(pairs) > 1 else f"{max(pairs)}"
    return (
        f"{panel.title}: against “{panel.baseline.name}” on the schedules that cost next more and next less, "
        f"{'; '.join(clauses)} ({most} pairs of runs each, on these test images)."
    )


def _clauses(by_method: Mapping[str, Sequence[AtItsCost]], measure: Measure) -> Iterator[str]:
    """`“LP-A3” is better on 1 (short8: +1.20 points), shows no difference on 3 of 4 schedules`; and in one
    clause each the methods of which nothing is shown."""
    nothing: dict[str, list[str]] = {"no difference is shown for": [], "not testable:": []}
    for name, its in by_method.items():
        verdicts = {one.verdict for one in its}
        if verdicts & {"better", "worse"}:
            yield _clause(name, its, measure)
        else:
            untested = verdicts == {"not testable"}
            nothing["not testable:" if untested else "no difference is shown for"].append(name)
    for said, names in nothing.items():
        if names:
            yield f"{said} {', '.join(f'“{name}”' for name in names)}"


def _clause(name: str, found: Sequence[AtItsCost], measure: Measure) -> str:
    said = []
    for verdict in ("better", "worse"):
        if those := [one for one in found if one.verdict == verdict]:
            told = ", ".join(f"{one.schedule.name}: {_smaller(one, measure)}" for one in those)
            said.append(f"is {verdict} on {len(those)} ({told}{unit_of_difference(measure)})")
    if same := sum(one.verdict == "no difference shown" for one in found):
        said.append(f"shows no difference on {same}")
    if untested := [one for one in found if one.verdict == "not testable"]:
        alone = all(one.longer is None for one in untested)
        said.append(f"is not testable on {len(untested)}{f' ({DEAREST})' if alone else ''}")
    return f"“{name}” {', '.join(said)} of {counted(len(found), 'schedule')}"


def _smaller(one: AtItsCost, measure: Measure) -> str:
    """Of the differences that a verdict stands on, the one nearer to zero."""
    return format_difference(min((at.test.difference or 0.0 for at in one.tests), key=abs), measure)


# ----------------------------------------------------------------------------------------------------- text
def schedules_text(found: Sequence[Found], measure: Measure) -> str:
    """A line a sentence, however long: whoever shows it knows how wide it may be."""
    blocks = []
    for one in found:
        rows = [*_agreement_rows(one), *_cost_rows(one, measure)]
        width = max((len(name) for name, _ in rows), default=0)
        lines = (f"  {name:<{width}}  {text}" for name, text in rows)
        blocks.append(printable(one.panel.title) + "".join(f"\n{printable(line)}" for line in lines))
        blocks.append(printable(one.sentence))
    return "\n\n".join((*blocks, *SCHEDULE_NOTES))


def _agreement_rows(found: Found) -> Iterator[tuple[str, str]]:
    for one in found.agreements:
        yield f"{one.schedule}", agreement_text(one, found.panel.reference.name)


def agreement_text(one: ScheduleAgreement, reference: str) -> str:
    """`ranks as labels40 does by τ 0.62 [0.31, 0.85]; …`."""
    of = one.of
    base = f"{counted(len(of.methods), 'method')}, {counted(len(of.seeds), 'seed')}"
    if of.tau is None:
        return f"no τ with {reference}: {of.why} ({base})"
    interval = f" [{_tau(of.low)}, {_tau(of.high)}]" if of.low is not None else ""
    halves = f"; by halves of the seeds {_tau(of.halves)}, {reference} with itself {_tau(of.ceiling)}"
    return f"τ {_tau(of.tau)}{interval} with {reference} ({base}){halves if of.halves is not None else ''}"


def _tau(tau: float | None) -> str:
    return "–" if tau is None else f"{tau:.2f}".replace("-", "−")


def _cost_rows(found: Found, measure: Measure) -> Iterator[tuple[str, str]]:
    for one in found.at_cost:
        told = [_against(at, measure) for at in one.tests] + ([DEAREST] if one.longer is None else [])
        outcome = f"{one.verdict} (p {format_p(one.weaker.p_holm)}, {counted(one.weaker.n, 'pair')})"
        yield (
            f"{one.method}, {one.schedule.name}",
            (f"{format_count(one.passes)} passes: {outcome}; {', '.join(told)}"),
        )


def _against(at: AtCost, measure: Measure) -> str:
    difference = format_difference(at.test.difference, measure)
    return f"{difference}{unit_of_difference(measure)} to {at.schedule.name} at {at.passes:.2f} × the passes"


# ----------------------------------------------------------------------------------------------------- JSON
def schedules_json(found: Sequence[Found], measure: Measure, files: Sequence[Path]) -> str:
    """For programs: everything, with the score of each seed; shares are in [0, 1]."""
    told = {
        "schema_version": SCHEDULES_SCHEMA_VERSION,
        "metric": measure.key,
        "files": [path.name for path in files],
        "panels": [_panel(one) for one in found],
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)


def _panel(found: Found) -> dict[str, Any]:
    panel = found.panel
    return {
        "title": panel.title,
        "sentence": found.sentence,
        "reference": panel.reference.name,
        "schedules": [asdict(schedule) for schedule in panel.schedules],
        "methods": [_method(line) for line in panel.lines],
        "agreements": [{"schedule": one.schedule.name, **asdict(one.of)} for one in found.agreements],
        "at_cost": [_at_cost(one) for one in found.at_cost],
    }


def _method(line: MethodLine) -> dict[str, Any]:
    return {"name": line.name, "role": line.role, "points": [_point(point) for point in line.points]}


def _point(point: OnSchedule) -> dict[str, Any]:
    first = point.records[0]
    return {
        "schedule": point.schedule.name,
        "run": f"{first.name}-{first.identity}",
        "passes": point.passes,
        "mean": point.score.mean,
        "std": point.score.std,
        "scores": dict(zip(map(str, point.score.seeds), point.score.scores, strict=True)),
    }


def _at_cost(one: AtItsCost) -> dict[str, Any]:
    def told(at: AtCost | None) -> dict[str, Any] | None:
        if at is None:
            return None
        test = at.test
        return {
            "schedule": at.schedule.name,
            "passes": at.passes,
            **{name: getattr(test, name) for name in ("n", "difference", "std", "low", "high", "p")},
        }

    return {
        "method": one.method,
        "schedule": one.schedule.name,
        "passes": one.passes,
        "verdict": one.verdict,
        "p_holm": one.weaker.p_holm,
        "longer": told(one.longer),
        "shorter": told(one.shorter),
    }
