"""What a reader must know to believe a board's numbers, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lpa3bench.boards.board import Cell, Comparison, Measure
from lpa3bench.boards.definition import Definition
from lpa3bench.runtime.counting import counted
from lpa3bench.stats.means import FEWEST_FOR_INTERVAL
from lpa3bench.stats.paired import ALPHA
from lpa3bench.stats.reproduction import chance_misses
from lpa3bench.stats.signflips import smallest_p


def notes(
    definition: Definition, measures: Mapping[str, Measure], cells: Sequence[Cell], *, labels_agree: bool
) -> tuple[str, ...]:
    """Of a board with these cells, each a sentence or two of plain text.

    Args:
        labels_agree: all runs of one seed and column had the same labels, where they are of one kind.
    """
    return (
        *_numbers(definition, measures, cells),
        *_coverage(cells),
        *_labels(cells, labels_agree),
        *_replications(cells),
        *_comparisons(cells),
        *_claims(definition, cells),
        *_searches(cells),
    )


def _numbers(definition: Definition, measures: Mapping[str, Measure], cells: Sequence[Cell]) -> Iterator[str]:
    measure = measures[definition.metric]
    yield f"Every cell shows one measure: {measure.name}. {measure.text}"
    yield (
        "Mean ± sample standard deviation (ddof = 1) over n runs that differ in the seed alone; "
        f"from {FEWEST_FOR_INTERVAL} runs on board.csv and board.json have the mean's 95 % interval "
        "(Student's t) as well. Runs of different experiments are never pooled."
    )
    also = {measures[name].name: any(_has(cell, name) for cell in cells) for name in definition.also}
    if shown := [name for name, there in also.items() if there]:
        yield f"Also shown, each by itself and never mixed with it: {'; '.join(shown)}."
    if (absent := [name for name, there in also.items() if not there]) and any(cell.n for cell in cells):
        yield f"Not shown, for no cell has it in all of its runs: {'; '.join(absent)}."


def _has(cell: Cell, name: str) -> bool:
    """Whether a number of that measure stands in a table of its own, measured or claimed."""
    claimed = cell.published is not None and cell.published.metric == name
    return claimed or cell.other_scores.get(name) is not None


def _coverage(cells: Sequence[Cell]) -> Iterator[str]:
    measured = sum(cell.mean is not None for cell in cells)
    counts = sorted({cell.n for cell in cells if cell.n})
    runs = f", with {counted(counts[0], 'run')} each" if len(counts) == 1 else ""
    if len(counts) > 1:
        runs = f", with {counts[0]} to {counts[-1]} runs each"
    yield (
        f"{measured} of {len(cells)} planned cells are measured{runs}. What is missing is shown as missing; "
        "no mean is taken over cells."
    )


def _labels(cells: Sequence[Cell], agree: bool) -> Iterator[str]:
    if not any(cell.n for cell in cells):
        return
    if agree:
        paired = ", so rows are compared seed by seed" if any(cell.comparison for cell in cells) else ""
        yield (
            "In every column all runs of one seed had the same given labels (their hashes are "
            f"equal){paired}."
        )
    else:
        yield "Some rows of a column had other labels with the same seed; these runs make no pairs."


def _replications(cells: Sequence[Cell]) -> Iterator[str]:
    if runs := sum(cell.replications.n for cell in cells if cell.replications):
        yield (
            f"{runs} runs repeat seeds of this board on other hardware or with another torch, where the last "
            "bits of a sum differ; they are shown as agreement in their cells and counted in no n."
        )


def _comparisons(cells: Sequence[Cell]) -> Iterator[str]:
    made = [one for cell in cells for one in cell.comparisons if one.p is not None]
    if not made:
        return
    tests = " or ".join(sorted({comparison.test for comparison in made}))
    yield (
        f"Rows are compared in each column, paired by seed: {tests}, two-sided. {_families(made)} Better "
        f"and worse are claims at p ≤ {ALPHA}; without one no difference is shown, which is not to say that "
        "there is none."
    )
    if untestable := [comparison for comparison in made if comparison.verdict == "not testable"]:
        fewest = min(untestable, key=lambda comparison: comparison.n)
        yield (
            f"{len(untestable)} of them are not testable and left out of the correction: n pairs allow no p "
            f"below 2/2ⁿ, {smallest_p([1] * fewest.n):.2g} for {fewest.n}; pairs that do not differ count "
            "for none."
        )
    if any(comparison.per_sample_p is not None for comparison in made):
        yield (
            "McNemar's test on the test images, pooled over the pairs, speaks of these trained networks; the "
            "test over seeds speaks of the method."
        )


def _in_family(one: Comparison) -> bool:
    return one.verdict != "not testable" and one.smallest_p <= ALPHA


def _families(made: Sequence[Comparison]) -> str:
    """Over how many comparisons p values are corrected."""
    sizes = {
        primary: sum(one.primary == primary and _in_family(one) for one in made)
        for primary in (True, False)
        if any(one.primary == primary for one in made)
    }
    if len(sizes) == 1:
        size = next(iter(sizes.values()))
        return f"Holm's correction is over the {size} that are testable, of {len(made)}."
    return (
        f"{sizes[True]} of the {len(made)} comparisons answer the board's primary questions; Holm's "
        f"correction is over these. {sizes[False]} others are testable; they are corrected among themselves, "
        "and what they show is secondary."
    )


def _claims(definition: Definition, cells: Sequence[Cell]) -> Iterator[str]:
    if not definition.published:
        return
    yield (
        "Published numbers are claims, shown beside what was measured here and never mixed with it. A mean "
        "is reproduced when it lies in the 95 % prediction interval that runs here give for a mean of as "
        "many runs as it is of (one, where nobody tells), by the measure that it was published by."
    )
    tested = [
        cell.reproduction.verdict
        for cell in cells
        if cell.reproduction and cell.reproduction.verdict != "not testable"
    ]
    if tested:
        missed = tested.count("not reproduced")
        yield f"{chance_misses(tested=len(tested), missed=missed).text}."


def _searches(cells: Sequence[Cell]) -> Iterator[str]:
    trials = sorted({cell.trials for cell in cells if cell.trials is not None})
    if trials:
        counts = " or ".join(map(str, trials))
        yield (
            f"Where a cell says so, its settings are the best of {counts} random draws by the score on "
            "images held out of training, run again on fresh seeds."
        )
