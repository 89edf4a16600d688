"""A board's records with what their weights scored later, on corrupted images, as metrics more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import places
from lpa3bench.boards.results import results_of
from lpa3bench.records import Record
from lpa3bench.records.later_scores import (
    SCORES_FOLDER,
    LaterScores,
    as_metrics,
    of_run,
    scores_in,
    with_more,
)
from lpa3bench.records.schema import MetricOfRun
from lpa3bench.records.searches import Refuse, raised
from lpa3bench.stats.corruption_error import mean_corruption_error

ERROR = "corruptions_mce"
"""The metric of the mean corruption error."""


def with_later_scores(
    definition: Definition,
    records: Sequence[Record],
    new: Mapping[Path, LaterScores] | None = None,
    refuse: Refuse = raised,
    *,
    fresh: bool = False,
) -> list[Record]:
    """The records, those with scores with the metrics that these make: their means, and the mean corruption
    error relative to the run of the baseline's row with the same seed.

    Args:
        new: files that are about to be written, by path.
        refuse: takes what is wrong with a damaged file.
        fresh: those that the board has now go.
    """
    folder = results_of(definition) / SCORES_FOLDER
    files = {} if fresh else {folder / one.board_name: one for one in scores_in(folder, refuse).values()}
    by_run: dict[str, list[LaterScores]] = {}
    for one in {**files, **(new or {})}.values():
        by_run.setdefault(one.run, []).append(one)
    found = [(record, of_run(record, by_run.get(str(record), ()))) for record in records]
    errors = _Errors(definition, found)
    return [
        with_more(record, [metrics for one in own for metrics in (as_metrics(one), errors(record, one))])
        for record, own in found
    ]


class _Errors:
    """Mean corruption errors on this board, as metrics."""

    def __init__(self, definition: Definition, found: Sequence[tuple[Record, list[LaterScores]]]) -> None:
        self._definition = definition
        named = {row.key: row.baseline for row in definition.rows}
        self._baselines = {key: base or key for key, base in named.items() if base or key in named.values()}
        """By row; of a baseline's row itself."""
        self._scores = {
            (place, record.seed, one.weights): one
            for record, own in found
            for one in own
            if one.whole and one.conditions
            for place in places(definition, record)
        }

    def __call__(self, record: Record, scores: LaterScores) -> Mapping[str, MetricOfRun]:
        """None where the row has no baseline, or that no such scores with this seed."""
        for row, column in places(self._definition, record) if scores.whole else ():
            place = (self._baselines.get(row, ""), column)
            baseline = self._scores.get((place, record.seed, scores.weights))
            error = mean_corruption_error(scores, baseline) if baseline else None
            if error is not None:
                return {
                    ERROR: MetricOfRun(
                        title="mean corruption error relative to the baseline",
                        unit="",
                        higher_is_better=False,
                        scores={scores.rule: error},
                        computed="later",
                    )
                }
        return {}
