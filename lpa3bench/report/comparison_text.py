"""A comparison of methods as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lpa3bench.boards.board import Measure
from lpa3bench.boards.comparison import AtEqualCost, CellComparison, Compared, Side
from lpa3bench.errors import printable
from lpa3bench.report.costs import cost_rows
from lpa3bench.report.markdown import escape_markdown
from lpa3bench.report.numbers import (
    IMAGES,
    format_difference,
    format_p,
    format_value,
    unit_of_difference,
    unit_text,
)
from lpa3bench.runtime.counting import counted
from lpa3bench.stats import ALPHA, Harm, PairedTest, PerSample, SeedsAndImages, Unpaired

COMPARISON_SCHEMA_VERSION = 1
SEEDS_SHOWN = 5
NOTES = (
    "Differences are A minus B, the baseline, of shares in percentage points; a pair has one seed, and so "
    "the same labels, images and order. ± is the sample standard deviation (ddof = 1); brackets hold every "
    "mean difference that the test does not reject at 5 %, uncorrected (95 % confidence); those on images "
    "are 95 % intervals over images. Holm's correction is over all comparisons here that are testable.",
    'Every test holds for one fixed set of test images; the row "other images" says how far a difference '
    "could be off if these were drawn anew with the seeds.",
    "Images and classes are those of the last epoch, whichever the score counts; tests on images are of "
    "these trained networks, and say nothing of other seeds.",
    "A run that is stopped early had a schedule made for more: the fair comparison is the line equal cost, "
    "with the baseline trained for the other's cost (the settings named equal_cost). Scores of stopped runs "
    "are of the epoch reached by then, whichever the score counts, and claim nothing. Seconds compare only "
    "where machine and load were the same.",
)
"""What a reader must know to believe the numbers."""

NamedSentence = tuple[str, str]
"""What it is about, and the sentence."""


def comparison_text(compared: Compared) -> str:
    """A line a sentence, however long: whoever shows it knows how wide it may be."""
    blocks = [_block(heading, rows) for heading, rows in _sections(compared)]
    return "\n\n".join((*blocks, *NOTES))


def comparison_markdown(compared: Compared) -> str:
    """For a page: a table for each cell. Every string of a record is escaped."""
    blocks = []
    for heading, rows in _sections(compared):
        lines = (f"| {escape_markdown(name)} | {escape_markdown(sentence)} |" for name, sentence in rows)
        blocks.append("\n".join((f"## {escape_markdown(heading)}", "", "| | |", "| --- | --- |", *lines)))
    return "\n\n".join((*blocks, *(escape_markdown(note) for note in NOTES)))


def comparison_json(compared: Compared) -> str:
    """For programs: everything, as JSON; what is shown in per cent is a share in [0, 1] there."""
    data = asdict(compared)
    for cell, found in zip(data["cells"], compared.cells, strict=True):
        cell["badge"] = found.badge
        cell["refused"] = [str(unpaired) for unpaired in found.refused]
    return json.dumps(
        {"schema_version": COMPARISON_SCHEMA_VERSION, **data}, indent=1, ensure_ascii=False, allow_nan=False
    )


def _block(heading: str, rows: list[NamedSentence]) -> str:
    width = max(len(name) for name, _ in rows)
    lines = (f"  {name:<{width}}  {printable(sentence)}" for name, sentence in rows)
    return "\n".join((printable(heading), *lines))


# ----------------------------------------------------------------------------------------------- sentences
def _sections(compared: Compared) -> Iterator[tuple[str, list[NamedSentence]]]:
    measure = compared.measure
    for cell in compared.cells:
        yield f"A {cell.method.label} against B {cell.baseline.label}", [*_rows(cell, measure)]
    if pooled := compared.pooled:
        sentence = f"mean difference {_difference(pooled, measure)}; {pooled.why} ({pooled.test})"
        yield f"All {pooled.n} cells with pairs, one difference each", [("verdict", sentence)]


def _rows(cell: CellComparison, measure: Measure) -> Iterator[NamedSentence]:
    for side in (cell.method, cell.baseline):
        if not side.is_result:
            yield "warning", f"{side.label} is not a result: trained on a part of the images (--limit)"
    ours, theirs = (_score(side, measure) for side in (cell.method, cell.baseline))
    yield "score", f"{measure.name}: {ours} against {theirs}{unit_text(measure)}, {_counts(cell)}"
    yield "difference", f"{_difference(cell.test, measure)}{unit_of_difference(measure)}"
    floor = format_p(cell.test.smallest_p)
    yield "verdict", f"{cell.test.why} ({cell.test.test}, smallest p {floor})"
    yield "equal cost", _equal_cost(cell.at_equal_cost, measure)
    if cell.refused:
        yield "not paired", _refused(cell.refused)
    yield from _parity(cell)
    if cell.images:
        yield "images", _images(cell.images)
    if cell.seeds_and_images:
        yield "other images", _over_images(cell.seeds_and_images)
    if cell.harm:
        yield "classes", _harm(cell.harm)
    for cost in cell.costs:
        comparable = cost.axis != "seconds" or not cell.surroundings
        yield from cost_rows(cost, measure, "A", "B", comparable=comparable)


def _equal_cost(fair: AtEqualCost | None, measure: Measure) -> str:
    if fair is None:
        return (
            "no baseline trained for A's cost lies beside B; train B for longer and name it with "
            "--equal-cost (some configs have the setting equal_cost for that)"
        )
    scores = f"{_score(fair.method, measure)} against {_score(fair.arm, measure)}{unit_text(measure)}"
    ratio = "" if fair.passes_ratio is None else f", A with × {fair.passes_ratio:.2f} its passes"
    return (
        f"{scores} of {fair.arm.label}{ratio}: {_difference(fair.test, measure)}"
        f"{unit_of_difference(measure)}; {fair.test.why}"
    )


def _score(side: Side, measure: Measure) -> str:
    return f"{format_value(side.scores.mean, measure)}{_spread(side.scores.std, measure)}"


def _spread(std: float | None, measure: Measure) -> str:
    return "" if std is None else f" ± {format_value(std, measure)}"


def _counts(cell: CellComparison) -> str:
    runs = f"{cell.method.runs} and {cell.baseline.runs} runs"
    return f"{counted(cell.test.n, 'pair')} of {runs}"


def _difference(test: PairedTest, measure: Measure) -> str:
    spread = _spread(test.std, measure)
    return f"{format_difference(test.difference, measure)}{spread}{_bounds(test, measure)}"


def _bounds(of: PairedTest | PerSample | SeedsAndImages, measure: Measure) -> str:
    return (
        ""
        if of.low is None
        else f" [{format_difference(of.low, measure)}, {format_difference(of.high, measure)}]"
    )


def _refused(refused: Sequence[Unpaired]) -> str:
    """Each reason once, with its seeds."""
    seeds: dict[str, list[str]] = {}
    for unpaired in refused:
        seeds.setdefault(unpaired.reason, []).append(str(unpaired.seed))
    return "; ".join(f"{reason} ({_some(which)})" for reason, which in seeds.items())


def _some(seeds: Sequence[str]) -> str:
    more = len(seeds) - SEEDS_SHOWN
    shown = ", ".join(seeds[:SEEDS_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"seed{'s' if len(seeds) > 1 else ''} {shown}"


def _parity(cell: CellComparison) -> Iterator[NamedSentence]:
    yield "parity", cell.badge
    if cell.augmenters:
        yield "augmenter", "; ".join(cell.augmenters)
    if cell.besides:
        yield "besides", "; ".join(cell.besides)
    if cell.surroundings:
        yield "surroundings", "; ".join(cell.surroundings)


def _images(images: PerSample) -> str:
    pooled = images.pooled
    return (
        f"{pooled.only_method} of {images.images} more often right, {pooled.only_baseline} less often: "
        f"exact McNemar test p {format_p(pooled.p)}; "
        f"mean {format_difference(images.difference, IMAGES)}{_bounds(images, IMAGES)}"
        f"{_seed_by_seed(images)}"
    )


def _over_images(both: SeedsAndImages) -> str:
    return (
        f"mean {format_difference(both.difference, IMAGES)}{_bounds(both, IMAGES)}, by a bootstrap over "
        f"{both.seeds} seeds and {both.images} images; all else holds for this test set"
    )


def _seed_by_seed(images: PerSample) -> str:
    if len(images.seeds) == 1:
        return ""
    if len(images.seeds) <= SEEDS_SHOWN:
        alone = (f"{format_p(one.p)} (seed {seed})" for seed, one in images.seeds)
        return f"; each seed by itself: p {', '.join(alone)}"
    low = sum(one.p <= ALPHA for _, one in images.seeds)
    return f"; each seed by itself: p of {ALPHA} or less in {low} of {len(images.seeds)}"


def _harm(harm: Harm) -> str:
    worst = harm.worst
    difference = f"{format_difference(worst.mean, IMAGES)}{_spread(worst.std, IMAGES)}"
    return (
        f"{harm.harmed} of {len(harm.classes)} are worse, {harm.harmed_in_every_pair} in every pair; "
        f"lowest is class {worst.name}: {difference} points"
    )
